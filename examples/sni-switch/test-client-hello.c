/* SPDX-License-Identifier: Apache-2.0 */

/* Hellos as clients say them, in one piece and in many, and as only somebody with a plan does. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client-hello.h"

#define SIZE_MAX_HERE 70000

struct bytes {
        uint8_t at[SIZE_MAX_HERE];
        size_t size;
};

static void put(struct bytes *to, const void *bytes, size_t size)
{
        assert_true(to->size + size <= sizeof(to->at));
        if (size > 0)
                memcpy(to->at + to->size, bytes, size);
        to->size += size;
}

static void put_number(struct bytes *to, size_t width, size_t number)
{
        for (size_t i = width; i > 0; i--)
                put(to, &(uint8_t){ (uint8_t)(number >> 8 * (i - 1)) }, 1);
}

static void put_vector(struct bytes *to, size_t width, const struct bytes *vector)
{
        put_number(to, width, vector->size);
        put(to, vector->at, vector->size);
}

/* One entry of a list of names. */
static void put_name(struct bytes *list, uint8_t type, const void *name, size_t size)
{
        put(list, &type, 1);
        put_number(list, 2, size);
        put(list, name, size);
}

static void put_extension(struct bytes *extensions, uint16_t type, const struct bytes *content)
{
        put_number(extensions, 2, type);
        put_vector(extensions, 2, content);
}

static void put_server_name(struct bytes *extensions, const struct bytes *list)
{
        static struct bytes content;

        content.size = 0;
        put_vector(&content, 2, list);
        put_extension(extensions, 0, &content);
}

/* extensions: NULL for a hello that ends before them. */
static void put_message(struct bytes *message, const struct bytes *extensions)
{
        static struct bytes hello;

        hello.size = 0;
        put_number(&hello, 2, 0x0303);
        for (uint8_t i = 0; i < 32; i++)
                put(&hello, &i, 1);
        put_number(&hello, 1, 3); /* session */
        put(&hello, "abc", 3);
        put_number(&hello, 2, 4); /* cipher suites */
        put(&hello, "\x13\x01\x13\x02", 4);
        put_number(&hello, 1, 1); /* compression methods */
        put_number(&hello, 1, 0);
        if (extensions)
                put_vector(&hello, 2, extensions);
        put_number(message, 1, 1);
        put_vector(message, 3, &hello);
}

/* In records of so many bytes. */
static void put_records(struct bytes *stream, const struct bytes *message, size_t piece)
{
        for (size_t i = 0; i < message->size; i += piece) {
                size_t size = message->size - i < piece ? message->size - i : piece;

                put(stream, "\x16\x03\x01", 3);
                put_number(stream, 2, size);
                put(stream, message->at + i, size);
        }
}

/* A hello for name, between two extensions that are of no interest. */
static void put_named_message(struct bytes *message, const void *name, size_t size)
{
        static struct bytes extensions, list, other;

        extensions.size = list.size = other.size = 0;
        put(&other, "\x02h2", 3);
        put_name(&list, 0, name, size);
        put_extension(&extensions, 16, &other);
        put_server_name(&extensions, &list);
        put_extension(&extensions, 43, &other);
        put_message(message, &extensions);
}

static struct bytes message, stream, extensions, list;

static int setup(void **state)
{
        message.size = stream.size = extensions.size = list.size = 0;
        return 0;
}

/* Of a copy that ends where the bytes do, so that no read beyond them goes unseen. */
static int parse(const uint8_t *bytes, size_t size, char *ret_name, size_t *ret_needed)
{
        uint8_t *copy = malloc(size);
        int r;

        assert_true(copy || size == 0);
        if (size > 0)
                memcpy(copy, bytes, size);
        r = client_hello_parse(copy, size, ret_name, ret_needed);
        free(copy);
        return r;
}

static void expect(int result)
{
        char name[CLIENT_HELLO_NAME_MAX] = "as before";
        size_t needed = 0;

        assert_int_equal(parse(stream.at, stream.size, name, &needed), result);
        assert_string_equal(name, "as before");
}

static void expect_name(const char *expected)
{
        char name[CLIENT_HELLO_NAME_MAX] = "";
        size_t needed = 0;

        assert_int_equal(parse(stream.at, stream.size, name, &needed), 0);
        assert_string_equal(name, expected);
}

static void expect_of_extensions(int result)
{
        put_message(&message, &extensions);
        put_records(&stream, &message, 16384);
        expect(result);
}

static void test_a_name_is_found_in_lower_case(void **state)
{
        put_named_message(&message, "WWW.Example-1_x.org", 19);
        put_records(&stream, &message, 16384);
        expect_name("www.example-1_x.org");
        put(&stream, "\x14\x03\x03", 3); /* whatever follows */
        expect_name("www.example-1_x.org");
}

static void test_what_openssl_says_is_understood(void **state)
{
        FILE *file = fopen(*state, "r");

        assert_non_null(file);
        stream.size = fread(stream.at, 1, sizeof(stream.at), file);
        fclose(file);
        assert_true(stream.size > 100);
        expect_name("www.example.org");
}

/* Comes back with as many bytes as were asked for, and no more, until there is an answer. */
static size_t follow(char ret_name[static CLIENT_HELLO_NAME_MAX])
{
        size_t n_questions = 0, needed = CLIENT_HELLO_RECORD_SIZE, size;
        int r;

        do {
                size = needed;
                assert_in_range(size, 1, stream.size);
                r = parse(stream.at, size, ret_name, &needed);
                n_questions++;
        } while (r == CLIENT_HELLO_E_MORE && needed > size);
        assert_int_equal(r, 0);
        return n_questions;
}

static void test_pieces_are_joined_however_they_are_cut(void **state)
{
        char name[CLIENT_HELLO_NAME_MAX];

        put_named_message(&message, "example.org", 11);
        for (size_t piece = 1; piece <= message.size; piece++) {
                size_t n_records = (message.size + piece - 1) / piece;

                stream.size = 0;
                put_records(&stream, &message, piece);
                expect_name("example.org");
                memset(name, 0, sizeof(name));
                assert_int_equal(follow(name), 2 * n_records);
                assert_string_equal(name, "example.org");
        }
}

static void test_half_a_hello_says_how_much_is_missing(void **state)
{
        char name[CLIENT_HELLO_NAME_MAX];

        put_named_message(&message, "example.org", 11);
        put_records(&stream, &message, 60);
        for (size_t size = 0; size < stream.size; size++) {
                size_t record = size / 65 * 65, needed = 0;
                size_t end = record + 65 < stream.size ? record + 65 : stream.size;

                assert_int_equal(parse(stream.at, size, name, &needed), CLIENT_HELLO_E_MORE);
                assert_int_equal(needed, size < record + 5 ? record + 5 : end);
        }
}

static void test_a_hello_may_have_no_name(void **state)
{
        struct bytes other = { .at = "x", .size = 1 };

        put_message(&message, NULL);
        put_records(&stream, &message, 16384);
        expect(CLIENT_HELLO_E_NONE);

        setup(state);
        expect_of_extensions(CLIENT_HELLO_E_NONE);

        setup(state);
        put_extension(&extensions, 1, &other);
        expect_of_extensions(CLIENT_HELLO_E_NONE);
}

static void test_names_of_other_types_are_passed_over(void **state)
{
        put_name(&list, 7, "\0\0", 2);
        put_server_name(&extensions, &list);
        expect_of_extensions(CLIENT_HELLO_E_NONE);

        setup(state);
        put_name(&list, 7, "\0\0", 2);
        put_name(&list, 0, "example.org", 11);
        put_server_name(&extensions, &list);
        put_message(&message, &extensions);
        put_records(&stream, &message, 16384);
        expect_name("example.org");
}

static void test_a_second_name_is_an_error(void **state)
{
        put_name(&list, 0, "a.example", 9);
        put_name(&list, 0, "b.example", 9);
        put_server_name(&extensions, &list);
        expect_of_extensions(-EBADMSG);

        setup(state);
        put_name(&list, 0, "a.example", 9);
        put_server_name(&extensions, &list);
        put_server_name(&extensions, &list);
        expect_of_extensions(-EBADMSG);
}

static void test_what_no_host_is_called_is_an_error(void **state)
{
        static const struct {
                const char *name;
                size_t size;
        } names[] = {
                { "", 0 },    { ".", 1 },   { ".a", 2 },   { "a.", 2 },       { "a b", 3 },
                { "a/b", 3 }, { "a:1", 3 }, { "a\0b", 3 }, { "\xc3\xa4", 2 }, { "a@", 2 },
                { "a[", 2 },  { "a`b", 3 }, { "a{b", 3 },
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
                setup(state);
                put_named_message(&message, names[i].name, names[i].size);
                put_records(&stream, &message, 16384);
                expect(-EBADMSG);
        }
}

static void test_a_name_has_a_longest_length(void **state)
{
        char name[CLIENT_HELLO_NAME_MAX + 1];

        memset(name, 'x', sizeof(name));
        put_named_message(&message, name, CLIENT_HELLO_NAME_MAX);
        put_records(&stream, &message, 16384);
        expect(-EBADMSG);

        setup(state);
        put_named_message(&message, name, CLIENT_HELLO_NAME_MAX - 1);
        put_records(&stream, &message, 16384);
        name[CLIENT_HELLO_NAME_MAX - 1] = '\0';
        expect_name(name);
}

/* Each byte that is part of a length, off by one. */
static void test_a_length_that_lies_is_an_error(void **state)
{
        /* of the message, session, ciphers, methods, extensions, each of them, list, name */
        static const size_t lengths[] = { 3, 38, 43, 48, 51, 55, 62, 82, 64, 67 };

        put_named_message(&message, "example.org", 11);
        for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
                for (int by = -1; by <= 1; by += 2) {
                        bool is_cut = lengths[i] == 3 && by == 1; /* then more has to come */

                        message.at[lengths[i]] = (uint8_t)(message.at[lengths[i]] + by);
                        stream.size = 0;
                        put_records(&stream, &message, 16384);
                        expect(is_cut ? CLIENT_HELLO_E_MORE : -EBADMSG);
                        message.at[lengths[i]] = (uint8_t)(message.at[lengths[i]] - by);
                }
}

/* What no client says: it would be read in two ways. */
static void test_parts_have_their_sizes(void **state)
{
        static const struct {
                size_t n_session, n_ciphers, n_methods;
                int result;
        } parts[] = {
                { 32, 2, 1, CLIENT_HELLO_E_NONE },
                { 33, 2, 1, -EBADMSG },
                { 0, 0, 1, -EBADMSG },
                { 0, 3, 1, -EBADMSG },
                { 0, 2, 0, -EBADMSG },
                { 0, 4, 255, CLIENT_HELLO_E_NONE },
        };
        static struct bytes part;

        for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
                static struct bytes hello;

                setup(state);
                hello.size = 0;
                put(&hello, part.at, 34);
                part.size = parts[i].n_session;
                put_vector(&hello, 1, &part);
                part.size = parts[i].n_ciphers;
                put_vector(&hello, 2, &part);
                part.size = parts[i].n_methods;
                put_vector(&hello, 1, &part);
                put_number(&message, 1, 1);
                put_vector(&message, 3, &hello);
                put_records(&stream, &message, 16384);
                expect(parts[i].result);
        }
}

static void test_what_is_no_hello_is_an_error(void **state)
{
        static const struct {
                const char *what, *bytes;
                size_t size;
        } streams[] = {
                { "a request", "GET / HTTP/1.1\r\n", 16 },
                { "application data", "\x17\x03\x03\0\x04\1\0\0\0", 9 },
                { "version 2", "\x16\x02\0\0\x04\1\0\0\0", 9 },
                { "an empty record", "\x16\x03\x01\0\0", 5 },
                { "a record that is too large", "\x16\x03\x01\x40\x01", 5 },
                { "a server's hello", "\x16\x03\x01\0\x04\2\0\0\0", 9 },
                { "a server's hello, its first byte", "\x16\x03\x01\0\x04\2", 6 },
                { "data behind a piece", "\x16\x03\x01\0\x01\1\x17\x03\x03\0\x01x", 12 },
                { "a hello of nothing", "\x16\x03\x01\0\x04\1\0\0\0", 9 },
        };

        for (size_t i = 0; i < sizeof(streams) / sizeof(*streams); i++) {
                print_message("%s\n", streams[i].what);
                stream.size = 0;
                put(&stream, streams[i].bytes, streams[i].size);
                expect(-EBADMSG);
        }
}

static void test_a_hello_has_a_largest_size(void **state)
{
        static struct bytes padding;

        /* 4 of its header, 46 before the extensions, 2 of theirs, 4 of the padding's */
        padding.size = CLIENT_HELLO_SIZE_MAX - 56;
        put_extension(&extensions, 21, &padding);
        put_message(&message, &extensions);
        assert_int_equal(message.size, CLIENT_HELLO_SIZE_MAX);
        put_records(&stream, &message, 16384);
        expect(CLIENT_HELLO_E_NONE);
        stream.size = 0;
        put_records(&stream, &message, 1000);
        expect(CLIENT_HELLO_E_NONE);
        message.at[55]++; /* of the padding: one byte more than there can be */
        stream.size = 0;
        put_records(&stream, &message, 16384);
        expect(-EBADMSG);

        setup(state);
        padding.size++;
        put_extension(&extensions, 21, &padding);
        put_message(&message, &extensions);
        put_records(&stream, &message, 16384);
        stream.size = 9; /* it is seen as soon as it says so */
        expect(-EMSGSIZE);
}

static void test_what_hangs_on_is_an_error(void **state)
{
        static struct bytes content;

        put_server_name(&extensions, &list); /* a list of nothing */
        expect_of_extensions(-EBADMSG);

        setup(state);
        content.size = 0;
        put_name(&list, 0, "example.org", 11);
        put_vector(&content, 2, &list);
        put(&content, "x", 1); /* behind the list */
        put_extension(&extensions, 0, &content);
        expect_of_extensions(-EBADMSG);

        setup(state);
        put_named_message(&message, "example.org", 11);
        put(&message, "x", 1); /* behind the extensions */
        message.at[3]++;
        put_records(&stream, &message, 16384);
        expect(-EBADMSG);
}

static void test_records_are_of_tls_handshakes(void **state)
{
        put_named_message(&message, "example.org", 11);
        put_records(&stream, &message, 60);
        for (size_t record = 0; record < stream.size; record += 65) {
                stream.at[record]++;
                expect(-EBADMSG);
                stream.at[record]--;
                stream.at[record + 1]--;
                expect(-EBADMSG);
                stream.at[record + 1]++;
        }
        expect_name("example.org");
}

static void test_pieces_cannot_be_more_than_the_largest_size(void **state)
{
        static uint8_t more[16384];

        put(&message, "\x01", 1);
        put_records(&stream, &message, 1);
        put(&stream, "\x16\x03\x01\x40\x00", 5);
        put(&stream, more, sizeof(more));
        expect(-EMSGSIZE);
}

/* More in its records than it said: one that is all there is taken for what it is. */
static void test_a_record_may_hold_more_than_the_hello(void **state)
{
        static uint8_t more[SIZE_MAX_HERE / 4];

        put_named_message(&message, "example.org", 11);
        put(&message, more, 16384 - message.size);
        put_records(&stream, &message, 16384);
        expect_name("example.org");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_name_is_found_in_lower_case),
                cmocka_unit_test_prestate(test_what_openssl_says_is_understood, argv[1]),
                TEST(test_pieces_are_joined_however_they_are_cut),
                TEST(test_half_a_hello_says_how_much_is_missing),
                TEST(test_a_hello_may_have_no_name),
                TEST(test_names_of_other_types_are_passed_over),
                TEST(test_a_second_name_is_an_error),
                TEST(test_what_no_host_is_called_is_an_error),
                TEST(test_a_name_has_a_longest_length),
                TEST(test_a_length_that_lies_is_an_error),
                TEST(test_parts_have_their_sizes),
                TEST(test_what_is_no_hello_is_an_error),
                TEST(test_a_hello_has_a_largest_size),
                TEST(test_what_hangs_on_is_an_error),
                TEST(test_records_are_of_tls_handshakes),
                TEST(test_pieces_cannot_be_more_than_the_largest_size),
                TEST(test_a_record_may_hold_more_than_the_hello),
        };

        if (argc != 2) {
                fprintf(stderr, "usage: test-client-hello HELLO-OF-OPENSSL\n");
                return 2;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
