/* SPDX-License-Identifier: Apache-2.0 */

/*
 * bus-client NAME watch | activate BUNDLE: a program on the system bus that DBUS_SYSTEM_BUS_ADDRESS
 * names, which calls netextd there as NAME. watch says "watching", and "flow N" for each event of
 * one; activate says "request N" or the error's message.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define OBJECT    "/org/netext1"
#define INTERFACE "org.netext1.Manager"

static int has_event(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error)
{
        const char *key;
        uint64_t flow;
        int r;

        r = sd_bus_message_enter_container(signal, 'a', "{sv}");
        while (r >= 0 && sd_bus_message_enter_container(signal, 'e', "sv") > 0) {
                r = sd_bus_message_read(signal, "s", &key);
                if (r >= 0 && strcmp(key, "flow") == 0) {
                        r = sd_bus_message_read(signal, "v", "t", &flow);
                        printf("flow %llu\n", (unsigned long long)flow);
                } else {
                        r = sd_bus_message_skip(signal, "v");
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(signal);
        }
        return r;
}

static int watch(sd_bus *bus, const char *name)
{
        int r;

        r = sd_bus_match_signal(bus, NULL, name, OBJECT, INTERFACE, "FlowEvent", has_event, NULL);
        if (r >= 0)
                r = sd_bus_call_method(bus, name, OBJECT, INTERFACE, "WatchFlows", NULL, NULL, "b",
                                       1);
        if (r >= 0)
                puts("watching");
        while (r >= 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return r;
}

static int activate(sd_bus *bus, const char *name, const char *bundle)
{
        __attribute__((cleanup(sd_bus_error_free))) sd_bus_error error = SD_BUS_ERROR_NULL;
        __attribute__((cleanup(sd_bus_message_unrefp))) sd_bus_message *answer = NULL;
        int fd = open(bundle, O_RDONLY | O_CLOEXEC), r;
        uint64_t request;

        r = sd_bus_call_method(bus, name, OBJECT, INTERFACE, "ActivateExtension", &error, &answer,
                               "hss", fd, bundle, "newer");
        if (r < 0) {
                puts(error.message);
                return r;
        }
        r = sd_bus_message_read(answer, "t", &request);
        printf("request %llu\n", (unsigned long long)request);
        return r;
}

int main(int argc, char *argv[])
{
        sd_bus *bus = NULL;
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        r = argc < 3 ? -1 : sd_bus_open_system(&bus);
        if (r >= 0)
                r = argc == 3 ? watch(bus, argv[1]) : activate(bus, argv[1], argv[3]);
        sd_bus_flush_close_unref(bus);
        return r < 0;
}
