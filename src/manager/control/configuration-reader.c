/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One table of keys with their types and readers. What is not in it is refused by name:
 * a key that was mistyped must not be a setting that was not made.
 */

#include <errno.h>
#include <string.h>

#include "manager/control/configuration-reader.h"
#include "manager/loop/text.h"
#include "manager/store/life.h"

struct target {
        struct configuration *configuration;
        const char *extensions_folder;
        const struct store *store;
        char **ret_problem;
};

static int read_installed(struct target *target, const char *word)
{
        const struct life *life = store_find(target->store, word);
        _cleanup_free_ char *executable = NULL;
        int r;

        r = store_find_executable(target->store, word, &executable, target->ret_problem);
        return r < 0 ? r
                     : configuration_set_installed(target->configuration, life->identifier,
                                                   executable);
}

static int read_extension(struct target *target, sd_bus_message *message)
{
        const char *text;
        int r;

        r = sd_bus_message_read(message, "s", &text);
        if (r < 0)
                return r;
        /* Identifiers of those that are activated have dots. */
        if (*text != '/' && strchr(text, '.'))
                return read_installed(target, text);
        return configuration_set_extension(target->configuration, target->extensions_folder, text,
                                           target->ret_problem);
}

static int read_name(struct target *target, sd_bus_message *message)
{
        const char *text;
        int r;

        r = sd_bus_message_read(message, "s", &text);
        return r < 0 ? r : configuration_set_name(target->configuration, text, target->ret_problem);
}

static int read_order(struct target *target, sd_bus_message *message)
{
        return sd_bus_message_read(message, "i", &target->configuration->order);
}

static int read_kind(struct target *target, sd_bus_message *message)
{
        const char *text;
        int r;

        r = sd_bus_message_read(message, "s", &text);
        return r < 0 ? r : configuration_set_kind(target->configuration, text, target->ret_problem);
}

static int read_grade(struct target *target, sd_bus_message *message)
{
        const char *text;
        int r;

        r = sd_bus_message_read(message, "s", &text);
        return r < 0 ? r
                     : configuration_set_grade(target->configuration, text, target->ret_problem);
}

static int read_fail_policy(struct target *target, sd_bus_message *message)
{
        const char *text;
        int r;

        r = sd_bus_message_read(message, "s", &text);
        return r < 0 ? r
                     : configuration_set_fail_policy(target->configuration, text,
                                                     target->ret_problem);
}

static int read_timeout(struct target *target, sd_bus_message *message, const char *key,
                        uint32_t *timeout_ms)
{
        uint32_t value;
        int r;

        r = sd_bus_message_read(message, "u", &value);
        return r < 0 ? r : configuration_set_timeout(timeout_ms, key, value, target->ret_problem);
}

static int read_verdict_timeout(struct target *target, sd_bus_message *message)
{
        return read_timeout(target, message, "verdict_timeout_ms",
                            &target->configuration->verdict_timeout_ms);
}

static int read_ready_timeout(struct target *target, sd_bus_message *message)
{
        return read_timeout(target, message, "ready_timeout_ms",
                            &target->configuration->ready_timeout_ms);
}

static int read_files(struct target *target, sd_bus_message *message)
{
        const char *name, *path;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{ss}");
        while (r >= 0 && (r = sd_bus_message_read(message, "{ss}", &name, &path)) > 0)
                r = configuration_add_file(target->configuration, name, path, target->ret_problem);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static const struct {
        const char *key;
        const char *type;
        int (*read)(struct target *target, sd_bus_message *message);
} keys[] = {
        { "extension", "s", read_extension },
        { "name", "s", read_name },
        { "kind", "s", read_kind },
        { "order", "i", read_order },
        { "grade", "s", read_grade },
        { "fail_policy", "s", read_fail_policy },
        { "verdict_timeout_ms", "u", read_verdict_timeout },
        { "ready_timeout_ms", "u", read_ready_timeout },
        { "files", "a{ss}", read_files },
};

static int read_value(struct target *target, sd_bus_message *message, size_t i)
{
        const char *type;
        int r;

        r = sd_bus_message_peek_type(message, NULL, &type);
        if (r < 0)
                return r;
        if (strcmp(type, keys[i].type) != 0)
                return text_problem(target->ret_problem, -EINVAL,
                                    "%s: its type is \"%s\", not \"%s\"", keys[i].key, type,
                                    keys[i].type);
        r = sd_bus_message_enter_container(message, 'v', keys[i].type);
        if (r >= 0)
                r = keys[i].read(target, message);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_entry(struct target *target, sd_bus_message *message)
{
        const char *key;
        int r;

        r = sd_bus_message_read(message, "s", &key);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (strcmp(keys[i].key, key) == 0)
                        return read_value(target, message, i);
        return text_problem(target->ret_problem, -EINVAL,
                            "\"%s\" is not a key of a session's configuration", key);
}

int configuration_read(struct configuration *configuration, sd_bus_message *message,
                       const char *extensions_folder, const struct store *store, char **ret_problem)
{
        struct target target = { configuration, extensions_folder, store, ret_problem };
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_entry(&target, message);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(message);
        return r < 0 ? r : configuration_check(configuration, ret_problem);
}
