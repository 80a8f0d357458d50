/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The codec against its table: every message with every attribute there and back, and
 * each way in which a peer can break the format with the sentence it gets. Malformed
 * messages are good ones with one thing changed.
 */

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "wire/codec.h"

struct packet {
        uint8_t bytes[WIRE_MESSAGE_SIZE_MAX];
        size_t size;
};

/* A value whose bytes all differ, so that one lost or swapped shows. */
static uint64_t sample(unsigned int number)
{
        const struct wire_attribute_info *info = wire_attribute_info(number);
        size_t n_names = 0;

        switch (info->type) {
        case WIRE_U8:
                return 0xf0 + number % 16;
        case WIRE_U16:
                return 0xf100 + number;
        case WIRE_U32:
        case WIRE_I32:
                return 0xf1e2d300 + number;
        case WIRE_U64:
                return 0xf1e2d3c4b5a69700 + number;
        case WIRE_BOOL:
                return 1;
        case WIRE_ENUM:
                while (info->names[n_names].name)
                        n_names++;
                return (uint64_t)info->names[n_names - 1].value;
        default:
                return 0;
        }
}

static void put_sample(struct wire_writer *writer, unsigned int number)
{
        const struct wire_attribute_info *info = wire_attribute_info(number);
        struct in6_addr address = { .s6_addr = { 0xfd, [7] = 7, [15] = (uint8_t)number } };

        if (info->type == WIRE_STRING)
                wire_put_string(writer, number, info->name);
        else if (info->type == WIRE_BYTES)
                wire_put_bytes(writer, number, info->name, 3);
        else if (info->type == WIRE_ADDRESS)
                wire_put_address(writer, number, &address);
        else
                wire_put(writer, number, sample(number));
}

static void assert_sample(const struct wire_message *message, unsigned int number)
{
        const struct wire_attribute_info *info = wire_attribute_info(number);
        struct in6_addr address = { .s6_addr = { 0xfd, [7] = 7, [15] = (uint8_t)number } }, got;

        assert_true(wire_has(message, number));
        if (info->type == WIRE_STRING) {
                assert_string_equal(wire_get_string(message, number), info->name);
        } else if (info->type == WIRE_BYTES) {
                size_t size;

                assert_memory_equal(wire_get_bytes(message, number, &size), info->name, 3);
                assert_int_equal(size, 3);
        } else if (info->type == WIRE_ADDRESS) {
                got = wire_get_address(message, number);
                assert_memory_equal(&got, &address, sizeof(got));
        } else {
                assert_true(wire_get(message, number) == sample(number));
        }
        if (info->type == WIRE_I32)
                assert_int_equal(wire_get_i32(message, number), (int32_t)sample(number));
}

static struct packet make(enum wire_message_type type, uint64_t id, wire_attributes attributes)
{
        struct packet packet;
        struct wire_writer writer;

        wire_writer_init(&writer, packet.bytes, sizeof(packet.bytes));
        wire_begin(&writer, type, id);
        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++)
                if (attributes & WIRE_BIT(number))
                        put_sample(&writer, number);
        assert_int_equal(wire_end(&writer), 0);
        packet.size = writer.size;
        return packet;
}

/* Appends an attribute as it stands and corrects the message's size. */
static void append(struct packet *packet, unsigned int number, const void *value, size_t size)
{
        uint8_t header[4] = { (uint8_t)number, (uint8_t)(number >> 8), (uint8_t)size,
                              (uint8_t)(size >> 8) };
        uint32_t le;

        memcpy(packet->bytes + packet->size, header, sizeof(header));
        memcpy(packet->bytes + packet->size + sizeof(header), value, size);
        packet->size += sizeof(header) + size;
        le = htole32((uint32_t)packet->size);
        memcpy(packet->bytes + 4, &le, sizeof(le));
}

/* The bytes lie at the end of their allocation, so that a sanitizer sees a read behind them. */
static int parse(const struct packet *packet, struct wire_message *ret, size_t *ret_offset,
                 const char **ret_problem)
{
        uint8_t *bytes = malloc(packet->size ? packet->size : 1);
        int r;

        memcpy(bytes, packet->bytes, packet->size);
        *ret_offset = 0;
        r = wire_parse(bytes, packet->size, ret_offset, ret, ret_problem);
        free(bytes);
        return r;
}

static void assert_refused(const struct packet *packet, const char *sentence)
{
        struct wire_message message = { .id = 77 };
        const char *problem = NULL;
        size_t offset;

        assert_int_equal(parse(packet, &message, &offset, &problem), -EBADMSG);
        assert_string_equal(problem, sentence);
        assert_int_equal(offset, 0);
        assert_int_equal(message.id, 77);
}

static void assert_accepted(const struct packet *packet)
{
        struct wire_message message;
        const char *problem = NULL;
        size_t offset;

        if (parse(packet, &message, &offset, &problem) < 0)
                fail_msg("%s", problem);
        assert_int_equal(offset, packet->size);
}

static void round_trip(unsigned int type, wire_attributes attributes)
{
        struct packet packet = make((enum wire_message_type)type, 0x8877665544332211, attributes);
        struct wire_message message;
        const char *problem;
        size_t offset = 0;

        assert_int_equal(wire_parse(packet.bytes, packet.size, &offset, &message, &problem), 0);
        assert_int_equal(offset, packet.size);
        assert_int_equal(message.type, type);
        assert_true(message.id == 0x8877665544332211);
        assert_true(message.present == attributes);
        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++)
                if (attributes & WIRE_BIT(number))
                        assert_sample(&message, number);
}

static wire_attributes all_attributes(void)
{
        wire_attributes all = 0;

        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++)
                if (wire_attribute_info(number))
                        all |= WIRE_BIT(number);
        return all;
}

static void test_every_message(void **state)
{
        unsigned int n_messages = 0;

        for (unsigned int type = 0; type < _NX_MSG_MAX + 8; type++) {
                const struct wire_message_info *info = wire_message_info(type);

                if (!info)
                        continue;
                n_messages++;
                round_trip(type, info->required);
                round_trip(type, all_attributes());
                for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++)
                        if (wire_attribute_info(number))
                                round_trip(type, info->required | WIRE_BIT(number));
        }
        assert_in_range(n_messages, 20, _NX_MSG_MAX);
}

static void test_every_required_attribute(void **state)
{
        for (unsigned int type = 0; type < _NX_MSG_MAX; type++) {
                const struct wire_message_info *info = wire_message_info(type);

                for (unsigned int number = 0; info && number < _WIRE_ATTR_MAX; number++) {
                        struct packet packet;

                        if (!(info->required & WIRE_BIT(number)))
                                continue;
                        packet = make((enum wire_message_type)type, 1,
                                      info->required & ~WIRE_BIT(number));
                        assert_refused(&packet, "a required attribute is missing");
                }
        }
}

/* One byte more and one byte less than each type has. */
static void test_every_size(void **state)
{
        static const size_t sizes[] = {
                [WIRE_U8] = 1,  [WIRE_U16] = 2,  [WIRE_U32] = 4,      [WIRE_U64] = 8,
                [WIRE_I32] = 4, [WIRE_BOOL] = 1, [WIRE_ADDRESS] = 16, [WIRE_ENUM] = 1,
        };
        const uint8_t zeros[17] = {};

        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++) {
                const struct wire_attribute_info *info = wire_attribute_info(number);

                if (!info || info->type == WIRE_STRING || info->type == WIRE_BYTES)
                        continue;
                for (int step = -1; step <= 1; step += 2) {
                        struct packet packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);

                        append(&packet, number, zeros, (size_t)((int)sizes[info->type] + step));
                        assert_refused(&packet, "an attribute has the wrong size for its type");
                }
        }
}

static void test_enumerations_and_booleans(void **state)
{
        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++) {
                const struct wire_attribute_info *info = wire_attribute_info(number);

                for (unsigned int i = 0; info && i < 256; i++) {
                        struct packet packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
                        uint8_t value = (uint8_t)i;

                        if (info->type != WIRE_BOOL && info->type != WIRE_ENUM)
                                break;
                        append(&packet, number, &value, 1);
                        if (info->type == WIRE_BOOL && i > 1)
                                assert_refused(&packet, "a boolean attribute is neither 0 nor 1");
                        else if (info->type == WIRE_ENUM &&
                                 strcmp(wire_name_to_string(info->names, (int)i), "unknown") == 0)
                                assert_refused(&packet,
                                               "an enumerated attribute has an unknown value");
                        else
                                assert_accepted(&packet);
                }
        }
}

static void test_strings(void **state)
{
        static const struct {
                const char *bytes;
                size_t size;
                bool good;
        } cases[] = {
                { "", 1, true },       { "ab", 3, true },     { "ab", 0, false },
                { "ab", 2, false },    { "a\0b", 4, false },  { "\0", 2, false },
        };
        char longest[WIRE_STRING_MAX + 1];
        struct packet packet;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
                append(&packet, WIRE_ATTR_TEXT, cases[i].bytes, cases[i].size);
                if (cases[i].good)
                        assert_accepted(&packet);
                else
                        assert_refused(&packet, "a string attribute is not a string");
        }
        memset(longest, 'x', sizeof(longest));
        longest[WIRE_STRING_MAX - 1] = '\0';
        packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
        append(&packet, WIRE_ATTR_TEXT, longest, WIRE_STRING_MAX);
        assert_accepted(&packet);
        longest[WIRE_STRING_MAX - 1] = 'x';
        longest[WIRE_STRING_MAX] = '\0';
        packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
        append(&packet, WIRE_ATTR_TEXT, longest, WIRE_STRING_MAX + 1);
        assert_refused(&packet, "a string attribute is not a string");
}

static void test_bytes(void **state)
{
        static const uint8_t bytes[WIRE_DATA_MAX + 1];
        struct wire_writer writer;
        struct packet packet;

        packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
        append(&packet, WIRE_ATTR_DATA, bytes, 0);
        assert_accepted(&packet);
        packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
        append(&packet, WIRE_ATTR_DATA, bytes, WIRE_DATA_MAX);
        assert_accepted(&packet);
        packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
        append(&packet, WIRE_ATTR_DATA, bytes, sizeof(bytes));
        assert_refused(&packet, "an attribute has too many bytes");

        wire_writer_init(&writer, packet.bytes, sizeof(packet.bytes));
        wire_begin(&writer, NX_MSG_FLOWD_FLOW_LIST, 1);
        wire_put_bytes(&writer, WIRE_ATTR_DATA, bytes, sizeof(bytes));
        assert_int_equal(wire_end(&writer), -EMSGSIZE);
}

static void test_attribute_twice(void **state)
{
        struct packet packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, WIRE_HAS(PORT_FIRST));
        uint8_t value[2] = {};

        append(&packet, WIRE_ATTR_PORT_FIRST, value, sizeof(value));
        assert_refused(&packet, "an attribute stands twice");
}

/* A newer peer may say more: it is skipped, whatever it is, also twice. */
static void test_unknown_attributes(void **state)
{
        static const unsigned int numbers[] = { 0, 126, 127, 128, 65535 };

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
                struct packet packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, WIRE_HAS(PID));
                struct wire_message message;
                const char *problem;
                size_t offset = 0;

                assert_null(wire_attribute_info(numbers[i]));
                append(&packet, numbers[i], "future", 6);
                append(&packet, numbers[i], "", 0);
                append(&packet, WIRE_ATTR_TEXT, "seen", 5);
                assert_int_equal(
                        wire_parse(packet.bytes, packet.size, &offset, &message, &problem), 0);
                assert_true(message.present == (WIRE_HAS(PID) | WIRE_HAS(TEXT)));
                assert_string_equal(wire_get_string(&message, WIRE_ATTR_TEXT), "seen");
        }
}

static void test_cut_attributes(void **state)
{
        struct packet packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
        uint8_t value[8] = {};

        append(&packet, WIRE_ATTR_FLOW, value, sizeof(value));
        packet.bytes[18]++;
        assert_refused(&packet, "an attribute is longer than its message");
        for (size_t cut = 1; cut <= 3; cut++) {
                packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, 0);
                append(&packet, WIRE_ATTR_FLOW, value, 0);
                packet.size -= cut;
                packet.bytes[4] = (uint8_t)packet.size;
                assert_refused(&packet, "an attribute header is cut off");
        }
}

static void set_size(struct packet *packet, uint32_t size)
{
        uint32_t le = htole32(size);

        memcpy(packet->bytes + 4, &le, sizeof(le));
}

static void test_headers(void **state)
{
        static const unsigned int unknown[] = { 0, 79, 95, 127, 128, 129, 255, 0x101, 65535 };
        const struct packet good = make(NX_MSG_FLOWD_FLOW_LIST, 1, WIRE_HAS(PID));
        struct packet packet;

        for (size_t size = 0; size < WIRE_HEADER_SIZE; size++) {
                packet = good;
                packet.size = size;
                assert_refused(&packet, "a message header is cut off");
        }
        for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
                packet = good;
                packet.bytes[0] = (uint8_t)unknown[i];
                packet.bytes[1] = (uint8_t)(unknown[i] >> 8);
                assert_refused(&packet, "the message type is unknown");
        }
        for (size_t i = 2; i < 4; i++) {
                packet = good;
                packet.bytes[i] = 1;
                assert_refused(&packet, "the reserved header field is not zero");
        }
}

static void test_message_sizes(void **state)
{
        static const uint32_t sizes[] = { 0, WIRE_HEADER_SIZE - 1, 25, 0x80000000, UINT32_MAX };
        static uint8_t large[WIRE_MESSAGE_SIZE_MAX + 8];
        struct packet packet = make(NX_MSG_FLOWD_FLOW_LIST, 1, WIRE_HAS(PID));
        struct wire_message message;
        const char *problem = NULL;
        size_t offset = 0;

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                set_size(&packet, sizes[i]);
                assert_refused(&packet, "a message size does not fit");
        }
        memcpy(large, packet.bytes, 4);
        large[4] = (uint8_t)(sizeof(large) & 0xff);
        large[5] = (uint8_t)(sizeof(large) >> 8);
        assert_int_equal(wire_parse(large, sizeof(large), &offset, &message, &problem), -EBADMSG);
        assert_string_equal(problem, "a message size does not fit");
}

static void test_absent_values(void **state)
{
        struct wire_message message = {};
        struct in6_addr none = wire_get_address(&message, WIRE_ATTR_REMOTE_ADDRESS);

        assert_int_equal(wire_get(&message, WIRE_ATTR_PID), 0);
        assert_int_equal(wire_get_i32(&message, WIRE_ATTR_RESULT), 0);
        assert_null(wire_get_string(&message, WIRE_ATTR_TEXT));
        assert_true(IN6_IS_ADDR_UNSPECIFIED(&none));
}

static void test_negative_numbers(void **state)
{
        uint8_t buffer[64];
        struct wire_message message;
        struct wire_writer writer;
        const char *problem;
        size_t offset = 0;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_MANAGER_DONE, 1);
        wire_put(&writer, WIRE_ATTR_RESULT, (uint64_t)-EINVAL);
        assert_int_equal(wire_end(&writer), 0);
        assert_int_equal(wire_parse(buffer, writer.size, &offset, &message, &problem), 0);
        assert_int_equal(wire_get_i32(&message, WIRE_ATTR_RESULT), -EINVAL);
}

static void test_put_string_limits(void **state)
{
        char text[WIRE_STRING_MAX + 64] = "";
        uint8_t buffer[2 * WIRE_STRING_MAX];
        struct wire_message message;
        struct wire_writer writer;
        const char *problem;
        size_t offset = 0;

        memset(text, 'x', sizeof(text) - 1);
        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_FLOWD_FLOW_LIST, 1);
        wire_put_string(&writer, WIRE_ATTR_NAME, NULL);
        wire_put_string(&writer, WIRE_ATTR_TEXT, text);
        assert_int_equal(wire_end(&writer), 0);
        assert_int_equal(wire_parse(buffer, writer.size, &offset, &message, &problem), 0);
        assert_false(wire_has(&message, WIRE_ATTR_NAME));
        assert_int_equal(strlen(wire_get_string(&message, WIRE_ATTR_TEXT)), WIRE_STRING_MAX - 1);
}

/* What does not fit is taken back whole; what was finished before it stays and is readable. */
static void test_overflow(void **state)
{
        uint8_t buffer[WIRE_HEADER_SIZE + 4 + 4 + WIRE_HEADER_SIZE + 4 + 7];
        struct wire_message message;
        struct wire_writer writer;
        const char *problem;
        size_t offset = 0;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_FLOWD_FLOW_LIST, 1);
        wire_put(&writer, WIRE_ATTR_PID, 5);
        assert_int_equal(wire_end(&writer), 0);
        wire_begin(&writer, NX_MSG_FLOWD_FLOW_LIST, 2);
        wire_put(&writer, WIRE_ATTR_FLOW, 6);
        wire_put(&writer, WIRE_ATTR_ENABLE, 1);
        assert_int_equal(wire_end(&writer), -EMSGSIZE);
        wire_begin(&writer, NX_MSG_FLOWD_FLOW_LIST, 3);
        wire_put(&writer, WIRE_ATTR_ENABLE, 1);
        assert_int_equal(wire_end(&writer), 0);
        wire_begin(&writer, NX_MSG_FLOWD_FLOW_LIST, 4);
        assert_int_equal(wire_end(&writer), -EMSGSIZE);

        assert_int_equal(wire_parse(buffer, writer.size, &offset, &message, &problem), 0);
        assert_int_equal(message.id, 1);
        assert_int_equal(wire_get(&message, WIRE_ATTR_PID), 5);
        assert_int_equal(wire_parse(buffer, writer.size, &offset, &message, &problem), 0);
        assert_int_equal(message.id, 3);
        assert_false(wire_has(&message, WIRE_ATTR_FLOW));
        assert_int_equal(offset, writer.size);
}

static void test_message_limit(void **state)
{
        static uint8_t buffer[2 * WIRE_MESSAGE_SIZE_MAX];
        char text[WIRE_STRING_MAX];
        struct wire_writer writer;

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_FLOWD_FLOW_LIST, 1);
        for (size_t i = 0; i < WIRE_MESSAGE_SIZE_MAX / WIRE_STRING_MAX; i++)
                wire_put_string(&writer, WIRE_ATTR_TEXT, text);
        assert_int_equal(wire_end(&writer), -EMSGSIZE);
        assert_int_equal(writer.size, 0);
}

static void test_names(void **state)
{
        for (unsigned int number = 0; number < _WIRE_ATTR_MAX; number++) {
                const struct wire_attribute_info *info = wire_attribute_info(number);

                for (size_t i = 0; info && info->names && info->names[i].name; i++) {
                        int value = info->names[i].value;

                        assert_in_range(value, 0, 255);
                        assert_string_equal(wire_name_to_string(info->names, value),
                                            info->names[i].name);
                        assert_int_equal(wire_name_from_string(info->names, info->names[i].name),
                                         value);
                }
        }
        assert_string_equal(wire_name_to_string(wire_verdicts, 99), "unknown");
        assert_int_equal(wire_name_from_string(wire_verdicts, "unknown"), -EINVAL);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_message),
                cmocka_unit_test(test_every_required_attribute),
                cmocka_unit_test(test_every_size),
                cmocka_unit_test(test_enumerations_and_booleans),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_bytes),
                cmocka_unit_test(test_attribute_twice),
                cmocka_unit_test(test_unknown_attributes),
                cmocka_unit_test(test_cut_attributes),
                cmocka_unit_test(test_headers),
                cmocka_unit_test(test_message_sizes),
                cmocka_unit_test(test_absent_values),
                cmocka_unit_test(test_negative_numbers),
                cmocka_unit_test(test_put_string_limits),
                cmocka_unit_test(test_overflow),
                cmocka_unit_test(test_message_limit),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
