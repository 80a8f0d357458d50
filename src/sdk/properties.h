/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Answers of the control API: strings and keys lie in the D-Bus message they came in. */

#include <systemd/sd-bus.h>

#include <netext/manager.h>

#include "base/cleanup.h"

struct property {
        const char *key; /* in the message, as are strings */
        enum nx_property_type type;
        union {
                bool boolean;
                uint64_t unsigned_number;
                int64_t signed_number;
                const char *string;
        };
};

struct nx_properties {
        struct property *items; /* owned */
        size_t n_items;
        char *package; /* owned; what "package" says that was not in the message, or NULL */
};

struct nx_list {
        sd_bus_message *message; /* a reference: everything borrows from it */
        struct nx_properties *objects;
        size_t n_objects;
};

/* Reads one a{sv}. 0, -EBADMSG or -ENOMEM. What was read borrows from message. */
int properties_read(struct nx_properties *properties, sd_bus_message *message);
void properties_deinit(struct nx_properties *properties);
/* The package of a flow's program, which the daemon does not know. Takes package over. */
int properties_add_package(struct nx_properties *flow, char *package);

/* Reads a message whose content is `signature`: "a{sv}", a list of one, or "aa{sv}". */
int list_read(struct nx_list **ret_list, sd_bus_message *message, const char *signature);

DEFINE_CLEANUP(struct nx_list *, list, nx_list_free)
