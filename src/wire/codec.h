/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Messages to bytes and back.
 *
 * Header (16 bytes, little endian): u16 type, u16 zero, u32 size with header, u64 id.
 * Attribute: u16 number, u16 size of the value, the value; no padding. What parses is
 * complete: known message, no attribute twice, each of its type's size and range,
 * every required one there. An attribute this side does not know is skipped.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/names.h"
#include "wire/table.h"

#define WIRE_HEADER_SIZE 16

struct wire_attribute_info {
        const char *name; /* "REMOTE_PORT" */
        const char *key;  /* "remote_port" */
        enum wire_type type;
        const struct wire_name *names;
};

struct wire_message_info {
        const char *name;
        wire_attributes required;
        int n_fds;
};

/* NULL for numbers that are not in the table. */
const struct wire_attribute_info *wire_attribute_info(unsigned int number);
const struct wire_message_info *wire_message_info(unsigned int type);

struct wire_message;

/* Writing. Overflow is remembered and reported once, by wire_end(). */
struct wire_writer {
        uint8_t *buffer; /* borrowed */
        size_t size;     /* bytes written by finished messages */
        size_t capacity;
        size_t position;
        bool overflow;
};

void wire_writer_init(struct wire_writer *writer, uint8_t *buffer, size_t capacity);
void wire_begin(struct wire_writer *writer, enum wire_message_type type, uint64_t id);
/* For integers, booleans and enumerations of whatever width the table says. */
void wire_put(struct wire_writer *writer, enum wire_attribute attribute, uint64_t value);
/* NULL is left out; what is longer than WIRE_STRING_MAX is cut. */
void wire_put_string(struct wire_writer *writer, enum wire_attribute attribute, const char *text);
void wire_put_address(struct wire_writer *writer, enum wire_attribute attribute,
                      const struct in6_addr *address);
/* At most WIRE_DATA_MAX. */
void wire_put_bytes(struct wire_writer *writer, enum wire_attribute attribute, const void *bytes,
                    size_t size);
/* Every attribute of another message that the bits name, as it is there. */
void wire_put_copies(struct wire_writer *writer, const struct wire_message *message,
                     wire_attributes attributes);
/* 0, or -EMSGSIZE: the unfinished message is taken back, earlier ones stay. */
int wire_end(struct wire_writer *writer);

/* Reading. Values point into the parsed bytes, which the caller keeps. */
struct wire_message {
        enum wire_message_type type;
        uint64_t id;
        wire_attributes present;
        const uint8_t *values[_WIRE_ATTR_MAX];
};

/*
 * Parses the message at buffer[*offset] and moves *offset behind it.
 * 0, or -EBADMSG with the sentence for people in *ret_problem (static storage).
 */
int wire_parse(const uint8_t *buffer, size_t size, size_t *offset, struct wire_message *ret,
               const char **ret_problem);

static inline bool wire_has(const struct wire_message *message, enum wire_attribute attribute)
{
        return (message->present & WIRE_BIT(attribute)) != 0;
}

/* 0, NULL and :: for what is not there. */
uint64_t wire_get(const struct wire_message *message, enum wire_attribute attribute);
int32_t wire_get_i32(const struct wire_message *message, enum wire_attribute attribute);
const void *wire_get_bytes(const struct wire_message *message, enum wire_attribute attribute,
                           size_t *ret_size);
const char *wire_get_string(const struct wire_message *message, enum wire_attribute attribute);
struct in6_addr wire_get_address(const struct wire_message *message, enum wire_attribute attribute);
/* Has the whole each of those attributes that the part has, with the same value? */
bool wire_agrees(const struct wire_message *part, const struct wire_message *whole,
                 wire_attributes attributes);
