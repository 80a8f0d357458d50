/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A program on the system bus that calls us. Between its name there and a connection to the control
 * API, which is its own, messages are copied as they are. Who it is says the bus: its user, and for
 * polkit its name. It is one until it leaves the bus, or the control API closes its connection.
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/list.h"

struct system_bus;

struct guest {
        struct list link; /* system_bus.guests */
        struct system_bus *system_bus;
        char *name;        /* ":1.42"; owned */
        sd_bus *bus;       /* the connection */
        bool is_open;      /* it has come about */
        int admitted_fd;   /* its other end; -1: the control API has it */
        sd_bus_slot *user; /* the bus is asked whose it is */
        sd_bus_track *leaving;
        struct list calls; /* call.link: that wait for their answer, or for the connection */
        unsigned int n_waiting;
        int error; /* what they are answered when there is no connection any more */
};

/* *ret is a new one, if there is none of that name. 0 or negative errno. */
int guest_find(struct system_bus *system_bus, const char *name, struct guest **ret);
/* NULL in, NULL out. */
struct guest *guest_free(struct guest *guest);

/* 0 or negative errno; -EBUSY where as many calls as may be wait for the connection. */
int guest_call(struct guest *guest, sd_bus_message *message);
