/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A message that is kept: it owns its bytes. */

#include "base/cleanup.h"
#include "wire/codec.h"

struct letter {
        struct wire_message message; /* in bytes */
        uint8_t bytes[];
};

/* A message of that type with the named attributes of another one, which must have what the type
 * requires. NULL: no memory, or it has not. */
struct letter *letter_new(enum wire_message_type type, const struct wire_message *message,
                          wire_attributes attributes);
/* One that was written; NULL as above. */
struct letter *letter_from(const struct wire_writer *writer);

DEFINE_CLEANUP(struct letter *, letter, free)
