/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who an extension runs for: its sessions. Each is told what its processes do. */

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct extension;
struct extension_client;
struct run;

struct extension_client_ops {
        /* A process is about to be made. */
        void (*starting)(struct extension_client *client);
        /* It said hello, which it may do again on a new control channel. */
        void (*greeted)(struct extension_client *client, struct run *run);
        /* session: who it speaks of, or NULL. */
        void (*reported)(struct extension_client *client, const char *session, const char *text);
        /* A process is gone, and its flow channels with it. */
        void (*ended)(struct extension_client *client, struct run *run);
        /* Another one comes in a moment. */
        void (*restarting)(struct extension_client *client);
        /* None comes, or not soon: see the extension's message. */
        void (*failed)(struct extension_client *client, int error);
        /* Does its provider run in the successor, or need it not? */
        bool (*is_ready)(struct extension_client *client);
        /* The successor is the incumbent now. */
        void (*turned)(struct extension_client *client, struct run *run);
        /* The extension is freed. */
        void (*gone)(struct extension_client *client);
};

struct extension_client {
        struct list link; /* extension.clients */
        const struct extension_client_ops *ops;
        uint64_t slot; /* its bit in messages to flowd */
};
