/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The control API on the system bus, where there is one: as org.netext1, and of an instance other
 * than main as org.netext1.NAME. A program there is a guest (guest.h): it gets a connection to the
 * control API of its own, and has the same methods, errors, signals and limits as on the socket.
 *
 * Nothing waits for the bus. One that comes later, or comes back, is found.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/list.h"

struct control;

struct system_bus {
        sd_event *event; /* borrowed, like the next */
        struct control *control;
        char *name;  /* what we are called there; owned */
        sd_bus *bus; /* NULL: not yet, or lost */
        sd_event_source *retry;
        struct list guests; /* guest.link */
};

/* 0 or negative errno. */
int system_bus_open(struct system_bus *system_bus, sd_event *event, struct control *control,
                    const char *instance);
/* Fine on one that is zero. */
void system_bus_close(struct system_bus *system_bus);
