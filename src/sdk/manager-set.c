/* SPDX-License-Identifier: Apache-2.0 */

/* Sets of destinations. netextd reads the lines, and judges them. */

#include <errno.h>

#include "sdk/manager.h"
#include "sdk/public.h"

/* D-Bus takes UTF-8 only, and sd-bus says so. */
static int append_lines(struct nx_manager *manager, sd_bus_message *call, const char *const *lines,
                        size_t n_lines)
{
        int r;

        r = sd_bus_message_open_container(call, SD_BUS_TYPE_ARRAY, "s");
        for (size_t i = 0; i < n_lines && r >= 0; i++) {
                r = sd_bus_message_append_basic(call, SD_BUS_TYPE_STRING, lines[i]);
                if (r == -EINVAL)
                        return manager_fail(manager, -EBADMSG,
                                            "%zu:1: the line is not text in UTF-8", i + 1);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        return r < 0 ? manager_fail_bus(manager, r) : 0;
}

_public_ int nx_manager_put_set(struct nx_manager *manager, const char *name,
                                const char *const *lines, size_t n_lines)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = manager_new_call(manager, "PutSet", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", name);
        if (r < 0)
                return manager_fail_bus(manager, r);
        r = append_lines(manager, call, lines, n_lines);
        return r < 0 ? r : manager_call(manager, call, NULL, NULL);
}

_public_ int nx_manager_remove_set(struct nx_manager *manager, const char *name)
{
        return manager_ask(manager, "RemoveSet", NULL, NULL, "s", name);
}

_public_ int nx_manager_get_set(struct nx_manager *manager, const char *name,
                                struct nx_list **ret_entries)
{
        return manager_ask(manager, "GetSet", "aa{sv}", ret_entries, "s", name);
}
