/* SPDX-License-Identifier: Apache-2.0 */

/* fuzz-sources: src/manager/control/configuration-reader.c */
/* fuzz-sources: src/manager/session/configuration.c src/manager/loop/text.c */
/* fuzz-sources: src/manager/priv/file.c src/manager/priv/priv.c src/base/endpoint.c */
/* fuzz-sources: src/base/log.c src/wire/names.c */
/* fuzz-flags: -lsystemd -lcap-ng */

/*
 * The argument of StartSession, as a client that is no netextctl may send it. Each line is a key, a
 * type and a value; what is taken is a configuration that is one, and what is not has a sentence or
 * is no message of that signature.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "manager/control/configuration-reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the place of the store: nothing is installed. */

struct life *store_find(const struct store *store, const char *word)
{
        return NULL;
}

int store_find_executable(const struct store *store, const char *word, char **ret_path,
                          char **ret_problem)
{
        return -ENOENT;
}

static sd_bus *open_bus(void)
{
        sd_bus *bus = NULL;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 || sd_bus_new(&bus) < 0 ||
            sd_bus_set_fd(bus, fds[0], fds[0]) < 0 || sd_bus_start(bus) < 0)
                abort();
        return bus;
}

/* "files" in lines of its own: each value is a name and a path. */
static int put_files(sd_bus_message *message, char *value)
{
        const char *name, *path;
        int r;

        r = sd_bus_message_open_container(message, 'a', "{ss}");
        while (r >= 0 && (name = strsep(&value, ",")) && (path = strsep(&value, ",")))
                r = sd_bus_message_append(message, "{ss}", name, path);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int put_value(sd_bus_message *message, const char *type, char *value)
{
        int r;

        if (strcmp(type, "a{ss}") != 0 && strcmp(type, "s") != 0 && strcmp(type, "i") != 0 &&
            strcmp(type, "u") != 0)
                type = "s";
        r = sd_bus_message_open_container(message, 'v', type);
        if (r < 0)
                return r;
        if (*type == 'a')
                r = put_files(message, value);
        else if (*type == 's')
                r = sd_bus_message_append(message, "s", value);
        else
                r = sd_bus_message_append(message, type, (int)strtol(value, NULL, 0));
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int put_entry(sd_bus_message *message, char *line)
{
        const char *key = strsep(&line, " ");
        const char *type = strsep(&line, " ");
        char none[] = "";
        int r;

        r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", key);
        if (r >= 0)
                r = put_value(message, type ?: "s", line ?: none);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static int put_all(sd_bus_message *message, char *text)
{
        char *line;
        int r;

        r = sd_bus_message_open_container(message, 'a', "{sv}");
        while (r >= 0 && (line = strsep(&text, "\n")))
                r = put_entry(message, line);
        return r < 0 ? r : sd_bus_message_close_container(message);
}

static void check(sd_bus_message *message)
{
        _cleanup_configuration_ struct configuration configuration;
        _cleanup_free_ char *problem = NULL;
        int r;

        configuration_init(&configuration);
        r = configuration_read(&configuration, message, "/nowhere", NULL, &problem);
        if (r >= 0 && (problem || !configuration.extension ||
                       configuration.n_files > CONFIGURATION_FILES_MAX))
                abort();
        if (problem && (!*problem || strchr(problem, '\n')))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static sd_bus *bus;
        _cleanup_free_ char *text = strndup((const char *)data, size);
        sd_bus_message *message = NULL;

        if (!bus)
                bus = open_bus();
        if (sd_bus_message_new_method_call(bus, &message, NULL, "/org/netext1",
                                           "org.netext1.Manager", "StartSession") < 0)
                abort();
        if (put_all(message, text) >= 0 && sd_bus_message_seal(message, 1, 0) >= 0)
                check(message);
        sd_bus_message_unref(message);
        return 0;
}
