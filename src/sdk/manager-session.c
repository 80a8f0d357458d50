/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Starting and stopping sessions. Only what the caller set is sent, so that defaults
 * have one home, in netextd, which also judges the values.
 */

#include <errno.h>

#include "sdk/check.h"
#include "sdk/manager.h"
#include "sdk/public.h"
#include "wire/names.h"

static int append_string(sd_bus_message *call, const char *key, const char *value)
{
        return value ? sd_bus_message_append(call, "{sv}", key, "s", value) : 0;
}

static int append_number(sd_bus_message *call, const char *key, uint32_t value)
{
        return value ? sd_bus_message_append(call, "{sv}", key, "u", value) : 0;
}

static int append_grade(sd_bus_message *call, enum nx_filter_grade grade)
{
        return grade ? append_string(call, "grade", wire_name_to_string(wire_grades, (int)grade))
                     : 0;
}

static int append_kind(sd_bus_message *call, enum nx_provider_kind kind)
{
        return kind ? append_string(call, "kind", wire_name_to_string(wire_kinds, (int)kind)) : 0;
}

static int append_files(sd_bus_message *call, const struct nx_session_file *files, size_t n_files)
{
        int r;

        if (n_files == 0)
                return 0;
        r = sd_bus_message_open_container(call, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "files");
        if (r >= 0)
                r = sd_bus_message_open_container(call, SD_BUS_TYPE_VARIANT, "a{ss}");
        if (r >= 0)
                r = sd_bus_message_open_container(call, SD_BUS_TYPE_ARRAY, "{ss}");
        for (size_t i = 0; i < n_files && r >= 0; i++)
                r = sd_bus_message_append(call, "{ss}", files[i].name, files[i].path);
        for (int depth = 0; depth < 3 && r >= 0; depth++)
                r = sd_bus_message_close_container(call);
        return r;
}

static int append_configuration(sd_bus_message *call,
                                const struct nx_session_configuration *configuration)
{
        int r;

        r = sd_bus_message_open_container(call, SD_BUS_TYPE_ARRAY, "{sv}");
        if (r >= 0)
                r = append_string(call, "extension", configuration->extension);
        if (r >= 0)
                r = append_string(call, "name", configuration->name);
        if (r >= 0)
                r = append_kind(call, configuration->kind);
        if (r >= 0 && configuration->order)
                r = sd_bus_message_append(call, "{sv}", "order", "i", configuration->order);
        if (r >= 0)
                r = append_grade(call, configuration->grade);
        if (r >= 0)
                r = append_string(call, "fail_policy", configuration->fail_policy);
        if (r >= 0)
                r = append_number(call, "verdict_timeout_ms", configuration->verdict_timeout_ms);
        if (r >= 0)
                r = append_number(call, "ready_timeout_ms", configuration->ready_timeout_ms);
        if (r >= 0)
                r = append_files(call, configuration->files, configuration->n_files);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

_public_ int nx_manager_start_session(struct nx_manager *manager,
                                      const struct nx_session_configuration *configuration)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (!options_are_known(configuration, sizeof(*configuration)))
                return manager_fail(manager, -EINVAL,
                                    "The session's configuration was not started with "
                                    "NX_SESSION_CONFIGURATION_INIT, or this libnetext is too old "
                                    "for it");
        r = manager_new_call(manager, "StartSession", &call);
        if (r < 0)
                return r;
        r = append_configuration(call, configuration);
        if (r < 0)
                return manager_fail_bus(manager, r);
        return manager_call(manager, call, NULL, NULL);
}

_public_ int nx_manager_stop_session(struct nx_manager *manager, const char *name)
{
        return manager_ask(manager, "StopSession", NULL, NULL, "s", name);
}

_public_ int nx_manager_restart_session(struct nx_manager *manager, const char *name)
{
        return manager_ask(manager, "RestartSession", NULL, NULL, "s", name);
}
