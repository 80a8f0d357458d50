/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The codec knows the table and nothing else: adding a message or an attribute is
 * adding a line to table.h. Parsing never allocates and reads each byte once; all
 * that later code relies on (sizes, ranges, required attributes) is checked here.
 */

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "wire/codec.h"

static const struct wire_attribute_info attributes[_WIRE_ATTR_MAX] = {
#define ATTR(number, attribute, wire_type, text, table)                                            \
        [number] = { .name = #attribute, .key = text, .type = wire_type, .names = table },
        WIRE_ATTRIBUTES(ATTR)
#undef ATTR
};

static const struct wire_message_info messages[_NX_MSG_MAX] = {
#define MSG(number, message, attributes_required, fds)                                             \
        [number] = { .name = #message, .required = attributes_required, .n_fds = fds },
        WIRE_MESSAGES(MSG)
#undef MSG
};

static const uint8_t type_sizes[] = {
        [WIRE_U8] = 1,   [WIRE_U16] = 2,    [WIRE_U32] = 4,      [WIRE_U64] = 8,  [WIRE_I32] = 4,
        [WIRE_BOOL] = 1, [WIRE_STRING] = 0, [WIRE_ADDRESS] = 16, [WIRE_ENUM] = 1, [WIRE_BYTES] = 0,
};

const struct wire_attribute_info *wire_attribute_info(unsigned int number)
{
        return number < _WIRE_ATTR_MAX && attributes[number].name ? &attributes[number] : NULL;
}

const struct wire_message_info *wire_message_info(unsigned int type)
{
        return type < _NX_MSG_MAX && messages[type].name ? &messages[type] : NULL;
}

static void put_le(uint8_t *to, uint64_t value, size_t size)
{
        uint64_t le = htole64(value);

        memcpy(to, &le, size);
}

static uint64_t get_le(const uint8_t *from, size_t size)
{
        uint64_t le = 0;

        memcpy(&le, from, size);
        return le64toh(le);
}

void wire_writer_init(struct wire_writer *writer, uint8_t *buffer, size_t capacity)
{
        *writer = (struct wire_writer){ .buffer = buffer, .capacity = capacity };
}

/* Room for size bytes of the current message, or NULL. */
static uint8_t *reserve(struct wire_writer *writer, size_t size)
{
        uint8_t *room = writer->buffer + writer->position;
        size_t message_size = writer->position + size - writer->size;

        if (writer->overflow || writer->capacity - writer->position < size ||
            message_size > WIRE_MESSAGE_SIZE_MAX) {
                writer->overflow = true;
                return NULL;
        }
        writer->position += size;
        return room;
}

void wire_begin(struct wire_writer *writer, enum wire_message_type type, uint64_t id)
{
        uint8_t *header;

        writer->position = writer->size;
        writer->overflow = false;
        header = reserve(writer, WIRE_HEADER_SIZE);
        if (!header)
                return;
        put_le(header, type, 4);
        put_le(header + 8, id, 8);
}

static uint8_t *put_attribute(struct wire_writer *writer, enum wire_attribute attribute,
                              size_t size)
{
        uint8_t *room = reserve(writer, 4 + size);

        if (!room)
                return NULL;
        put_le(room, attribute, 2);
        put_le(room + 2, size, 2);
        return room + 4;
}

void wire_put(struct wire_writer *writer, enum wire_attribute attribute, uint64_t value)
{
        size_t size = type_sizes[attributes[attribute].type];
        uint8_t *room = put_attribute(writer, attribute, size);

        if (room)
                put_le(room, value, size);
}

void wire_put_string(struct wire_writer *writer, enum wire_attribute attribute, const char *text)
{
        size_t length;
        uint8_t *room;

        if (!text)
                return;
        length = strnlen(text, WIRE_STRING_MAX - 1);
        room = put_attribute(writer, attribute, length + 1);
        if (!room)
                return;
        memcpy(room, text, length);
        room[length] = '\0';
}

void wire_put_address(struct wire_writer *writer, enum wire_attribute attribute,
                      const struct in6_addr *address)
{
        uint8_t *room = put_attribute(writer, attribute, sizeof(*address));

        if (room)
                memcpy(room, address, sizeof(*address));
}

void wire_put_bytes(struct wire_writer *writer, enum wire_attribute attribute, const void *bytes,
                    size_t size)
{
        uint8_t *room;

        if (size > WIRE_DATA_MAX) {
                writer->overflow = true;
                return;
        }
        room = put_attribute(writer, attribute, size);
        if (room && size)
                memcpy(room, bytes, size);
}

void wire_put_copies(struct wire_writer *writer, const struct wire_message *message,
                     wire_attributes copied)
{
        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++) {
                const void *value;
                uint8_t *room;
                size_t size;

                if (!(message->present & copied & WIRE_BIT(number)))
                        continue;
                value = wire_get_bytes(message, number, &size);
                room = put_attribute(writer, number, size);
                if (room)
                        memcpy(room, value, size);
        }
}

int wire_end(struct wire_writer *writer)
{
        if (writer->overflow) {
                writer->position = writer->size;
                return -EMSGSIZE;
        }
        put_le(writer->buffer + writer->size + 4, writer->position - writer->size, 4);
        writer->size = writer->position;
        return 0;
}

static bool enum_is_known(const struct wire_name *names, uint8_t value)
{
        for (; names->name; names++)
                if (names->value == value)
                        return true;
        return false;
}

static const char *value_problem(const struct wire_attribute_info *info, const uint8_t *value,
                                 size_t size)
{
        if (info->type == WIRE_STRING) {
                if (size == 0 || size > WIRE_STRING_MAX ||
                    memchr(value, 0, size) != value + size - 1)
                        return "a string attribute is not a string";
                return NULL;
        }
        if (info->type == WIRE_BYTES)
                return size > WIRE_DATA_MAX ? "an attribute has too many bytes" : NULL;
        if (size != type_sizes[info->type])
                return "an attribute has the wrong size for its type";
        if (info->type == WIRE_BOOL && *value > 1)
                return "a boolean attribute is neither 0 nor 1";
        if (info->type == WIRE_ENUM && !enum_is_known(info->names, *value))
                return "an enumerated attribute has an unknown value";
        return NULL;
}

/* Takes the attribute at *at; moves *at behind it. Returns the problem, or NULL. */
static const char *parse_attribute(struct wire_message *message, const uint8_t **at,
                                   const uint8_t *end)
{
        const struct wire_attribute_info *info;
        unsigned int number;
        const char *problem;
        size_t size;

        if (end - *at < 4)
                return "an attribute header is cut off";
        number = (unsigned int)get_le(*at, 2);
        size = get_le(*at + 2, 2);
        *at += 4;
        if ((size_t)(end - *at) < size)
                return "an attribute is longer than its message";
        info = wire_attribute_info(number);
        if (info) {
                if (wire_has(message, number))
                        return "an attribute stands twice";
                problem = value_problem(info, *at, size);
                if (problem)
                        return problem;
                message->present |= WIRE_BIT(number);
                message->values[number] = *at;
        }
        *at += size;
        return NULL;
}

static const char *parse_header(const uint8_t *buffer, size_t size, struct wire_message *message,
                                size_t *ret_size)
{
        uint64_t message_size;

        if (size < WIRE_HEADER_SIZE)
                return "a message header is cut off";
        message->type = (enum wire_message_type)get_le(buffer, 2);
        message_size = get_le(buffer + 4, 4);
        message->id = get_le(buffer + 8, 8);
        if (get_le(buffer + 2, 2) != 0)
                return "the reserved header field is not zero";
        if (message_size < WIRE_HEADER_SIZE || message_size > size ||
            message_size > WIRE_MESSAGE_SIZE_MAX)
                return "a message size does not fit";
        if (!wire_message_info(message->type))
                return "the message type is unknown";
        *ret_size = message_size;
        return NULL;
}

int wire_parse(const uint8_t *buffer, size_t size, size_t *offset, struct wire_message *ret,
               const char **ret_problem)
{
        struct wire_message message = {};
        const uint8_t *at, *end;
        size_t message_size = 0;
        const char *problem;

        problem = parse_header(buffer + *offset, size - *offset, &message, &message_size);
        at = buffer + *offset + WIRE_HEADER_SIZE;
        end = buffer + *offset + message_size;
        while (!problem && at < end)
                problem = parse_attribute(&message, &at, end);
        if (!problem &&
            (message.present & messages[message.type].required) != messages[message.type].required)
                problem = "a required attribute is missing";
        if (problem) {
                *ret_problem = problem;
                return -EBADMSG;
        }
        *offset += message_size;
        *ret = message;
        return 0;
}

uint64_t wire_get(const struct wire_message *message, enum wire_attribute attribute)
{
        if (!wire_has(message, attribute))
                return 0;
        return get_le(message->values[attribute], type_sizes[attributes[attribute].type]);
}

int32_t wire_get_i32(const struct wire_message *message, enum wire_attribute attribute)
{
        return (int32_t)(uint32_t)wire_get(message, attribute);
}

const void *wire_get_bytes(const struct wire_message *message, enum wire_attribute attribute,
                           size_t *ret_size)
{
        const uint8_t *value = wire_has(message, attribute) ? message->values[attribute] : NULL;

        *ret_size = value ? get_le(value - 2, 2) : 0; /* the attribute's header is before it */
        return value;
}

const char *wire_get_string(const struct wire_message *message, enum wire_attribute attribute)
{
        return wire_has(message, attribute) ? (const char *)message->values[attribute] : NULL;
}

struct in6_addr wire_get_address(const struct wire_message *message, enum wire_attribute attribute)
{
        struct in6_addr address = {};

        if (wire_has(message, attribute))
                memcpy(&address, message->values[attribute], sizeof(address));
        return address;
}

bool wire_agrees(const struct wire_message *part, const struct wire_message *whole,
                 wire_attributes compared)
{
        compared &= part->present;
        if ((whole->present & compared) != compared)
                return false;
        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++) {
                const void *expected, *value;
                size_t expected_size, size;

                if (!(compared & WIRE_BIT(number)))
                        continue;
                expected = wire_get_bytes(part, number, &expected_size);
                value = wire_get_bytes(whole, number, &size);
                if (size != expected_size || memcmp(value, expected, size) != 0)
                        return false;
        }
        return true;
}
