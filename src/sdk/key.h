/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Calls about the extension's secrets and keys, until netextd has answered. */

#include <netext/key.h>

#include "base/list.h"
#include "wire/codec.h"

struct key_calls {
        struct list open; /* key_call.link */
        unsigned int n_open;
        uint64_t last_number;
};

void key_calls_init(struct key_calls *calls);
/* They end with error. Fine on a zeroed one. */
void key_calls_end(struct key_calls *calls, int error, const char *problem);
/* NX_MSG_EXTENSION_KEYS_DONE and _VALUE. */
int key_calls_handle_done(struct nx_provider *provider, const struct wire_message *message);
int key_calls_handle_value(struct nx_provider *provider, const struct wire_message *message,
                           int fd);
