/* SPDX-License-Identifier: Apache-2.0 */

/* Messages as callers hold them: what they take out of one, and one that they keep. */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sdk/endpoint-message.h"
#include "sdk/public.h"

struct kept_message {
        struct nx_message message; /* first: what the caller has */
        int fds[NX_MESSAGE_FDS_MAX];
        uint8_t bytes[];
};

_public_ int nx_message_take_fd(struct nx_message *message, size_t index)
{
        return index < message->n_fds ? take_fd(&message->fds[index]) : -1;
}

struct nx_message *message_keep(struct nx_message *message)
{
        struct kept_message *kept = malloc(sizeof(*kept) + message->size + 1);

        if (!kept)
                return NULL;
        kept->message = (struct nx_message){
                .bytes = kept->bytes,
                .size = message->size,
                .fds = kept->fds,
                .n_fds = message->n_fds,
        };
        if (message->size > 0)
                memcpy(kept->bytes, message->bytes, message->size);
        kept->bytes[message->size] = '\0'; /* for those who print it */
        for (size_t i = 0; i < message->n_fds; i++)
                kept->fds[i] = nx_message_take_fd(message, i);
        return &kept->message;
}

_public_ struct nx_message *nx_message_free(struct nx_message *message)
{
        struct kept_message *kept;

        if (!message)
                return NULL;
        kept = container_of(message, struct kept_message, message);
        for (size_t i = 0; i < message->n_fds; i++)
                close_fd(message->fds[i]);
        free(kept);
        return NULL;
}
