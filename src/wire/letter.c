/* SPDX-License-Identifier: Apache-2.0 */

/* Parsed once, in the place where it stays. */

#include <string.h>

#include "wire/letter.h"

struct letter *letter_from(const struct wire_writer *writer)
{
        _cleanup_(cleanup_letter) struct letter *letter = malloc(sizeof(*letter) + writer->size);
        const char *problem;
        size_t offset = 0;

        if (!letter || writer->overflow)
                return NULL;
        memcpy(letter->bytes, writer->buffer, writer->size);
        if (wire_parse(letter->bytes, writer->size, &offset, &letter->message, &problem) < 0)
                return NULL;
        return take_ptr(letter);
}

struct letter *letter_new(enum wire_message_type type, const struct wire_message *message,
                          wire_attributes attributes)
{
        _cleanup_free_ uint8_t *buffer = malloc(WIRE_MESSAGE_SIZE_MAX);
        struct wire_writer writer;

        if (!buffer)
                return NULL;
        wire_writer_init(&writer, buffer, WIRE_MESSAGE_SIZE_MAX);
        wire_begin(&writer, type, message->id);
        wire_put_copies(&writer, message, attributes);
        return wire_end(&writer) < 0 ? NULL : letter_from(&writer);
}
