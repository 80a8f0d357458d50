/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Methods that change something, or tell what is not for everybody: root's are carried out, those
 * of others when polkit has allowed it. A call that is denied does nothing.
 */

#include "manager/control/control.h"

struct change {
        const char *member; /* of the interface */
        enum authority_action action;
        sd_bus_message_handler_t carry_out; /* userdata struct client */
        const char *named; /* "session", "set", "extension": what the first argument is a name of,
                            * for polkit's rules; NULL: it is none */
        /* Whether the call needs authority; NULL: it does. */
        bool (*needs_authority)(sd_bus_message *message, struct client *client);
        /* Answers a call that was denied; NULL: with an error. */
        int (*deny)(sd_bus_message *message, struct client *client, const char *why);
};

/* What a method handler returns. */
int permission_ask(sd_bus_message *message, struct client *client, const struct change *change);
/* The client goes: what it was not allowed yet is denied. */
void permissions_withdraw(struct client *client);
