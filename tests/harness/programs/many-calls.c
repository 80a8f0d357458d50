/* SPDX-License-Identifier: Apache-2.0 */

/*
 * many-calls SOCKET N UID RemoveSet|ListFlows [deaf]: as that user, N calls over one connection to
 * netextd, without waiting in between. Says a line for each answer, "done" or its error's name, and
 * ends with the last. Deaf, it reads no answer, and says "closed" when it has no connection any
 * more.
 */

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

static int n_answers;

static int answered(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
        const sd_bus_error *problem = sd_bus_message_get_error(answer);

        puts(problem ? problem->name : "done");
        n_answers++;
        return 0;
}

static int call(sd_bus *bus, const char *method)
{
        const char *object = "/org/netext1", *interface = "org.netext1.Manager";

        if (strcmp(method, "RemoveSet") == 0)
                return sd_bus_call_method_async(bus, NULL, NULL, object, interface, method,
                                                answered, NULL, "s", "x");
        return sd_bus_call_method_async(bus, NULL, NULL, object, interface, method, answered, NULL,
                                        "t", UINT64_C(0));
}

static void wait_for_end(sd_bus *bus)
{
        struct pollfd end = { .fd = sd_bus_get_fd(bus), .events = POLLRDHUP };

        if (sd_bus_flush(bus) >= 0)
                (void)poll(&end, 1, -1);
        puts("closed");
}

static int run(const char *address, int n, const char *method, bool is_deaf)
{
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_start(bus);
        for (int i = 0; r >= 0 && i < n; i++)
                r = call(bus, method);
        if (is_deaf) {
                wait_for_end(bus);
                return 0;
        }
        while (r >= 0 && n_answers < n) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
        }
        return r;
}

int main(int argc, char *argv[])
{
        char address[256];
        int r;

        if (argc != 5 && argc != 6)
                return 2;
        setvbuf(stdout, NULL, _IOLBF, 0);
        if (setgroups(0, NULL) < 0 || setuid((uid_t)atoi(argv[3])) < 0)
                return 1;
        snprintf(address, sizeof(address), "unix:path=%s", argv[1]);
        r = run(address, atoi(argv[2]), argv[4], argc == 6);
        if (r < 0)
                fprintf(stderr, "many-calls: %s\n", strerror(-r));
        return r < 0;
}
