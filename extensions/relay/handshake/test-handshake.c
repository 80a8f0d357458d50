/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Both handshakes, without a socket: what upstreams may answer, whole and byte by byte, and
 * what becomes of it. Whatever stands behind the last byte of a handshake stays untouched.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relay/handshake/handshake.h"

#define BEHIND "220 hello" /* the destination speaks first */

static const struct credentials alice = { .user = "alice", .password = "open:sesame" };

/* What an upstream answers, and what was sent before it. */
struct answer {
        const char *bytes;
        size_t size;
};

#define ANSWER(text)                                                                               \
        {                                                                                          \
                text, sizeof(text) - 1                                                             \
        }

struct expectation {
        const char *what;
        bool with_credentials;
        enum cause cause; /* CAUSE_NONE: done */
        struct answer answers[4];
};

static void begin(struct handshake *handshake, enum upstream_kind kind, const char *host,
                  const struct credentials *credentials)
{
        struct address destination;

        assert_true(address_parse(&destination, host, 80));
        handshake_begin(handshake, kind, &destination, credentials);
}

/* Gives an answer in portions; where it was understood to its end, nothing behind it is. */
static void give(struct handshake *handshake, const struct answer *answer, size_t portion,
                 const char *what)
{
        char bytes[HTTP_HEAD_MAX + 64];
        size_t size = answer->size + strlen(BEHIND), at = 0, n;

        assert_in_range(size, 1, sizeof(bytes));
        memcpy(bytes, answer->bytes, answer->size);
        memcpy(bytes + answer->size, BEHIND, strlen(BEHIND));
        handshake->exchange.n_output = 0; /* sent */
        while (at < answer->size && handshake->exchange.state == EXCHANGE_GOES_ON) {
                n = portion < size - at ? portion : size - at;
                /* Only the last one has a destination behind it. */
                if (handshake->exchange.n_output > 0)
                        fail_msg("%s: it answered too early", what);
                n = handshake_take(handshake, (const uint8_t *)bytes + at, n);
                assert_in_range(n, 1, portion);
                at += n;
        }
        if (at > answer->size)
                fail_msg("%s: took %zu bytes of %zu", what, at, answer->size);
}

/* The same without anything behind it: for answers that are not the last. */
static void give_all(struct handshake *handshake, const struct answer *answer, size_t portion)
{
        size_t n;

        handshake->exchange.n_output = 0;
        for (size_t at = 0; at < answer->size && handshake->exchange.state == EXCHANGE_GOES_ON;) {
                n = portion < answer->size - at ? portion : answer->size - at;
                at += handshake_take(handshake, (const uint8_t *)answer->bytes + at, n);
        }
}

static void check(enum upstream_kind kind, const struct expectation *expected, size_t portion)
{
        const struct answer *answer = expected->answers;
        struct handshake handshake;

        begin(&handshake, kind, "198.18.0.2", expected->with_credentials ? &alice : NULL);
        for (; answer[1].bytes; answer++)
                give_all(&handshake, answer, portion);
        give(&handshake, answer, portion, expected->what);
        if (handshake.exchange.state != (expected->cause ? EXCHANGE_FAILED : EXCHANGE_DONE) ||
            handshake.exchange.cause != expected->cause)
                fail_msg("%s: state %d, %s", expected->what, handshake.exchange.state,
                         cause_info(handshake.exchange.cause)->text);
        if (expected->cause)
                assert_int_equal(handshake.exchange.n_output, 0);
}

static void check_all(enum upstream_kind kind, const struct expectation *expected, size_t n)
{
        static const size_t portions[] = { 1, 2, 3, 7, 100000 };

        for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j < sizeof(portions) / sizeof(portions[0]); j++)
                        check(kind, &expected[i], portions[j]);
}

/* What is read without a look is never more than the upstream says before it is answered. */
static void check_certain(enum upstream_kind kind, const struct expectation *expected)
{
        struct handshake handshake;
        size_t n;

        begin(&handshake, kind, "198.18.0.2", expected->with_credentials ? &alice : NULL);
        for (const struct answer *answer = expected->answers; answer->bytes; answer++) {
                for (size_t at = 0;
                     at < answer->size && handshake.exchange.state == EXCHANGE_GOES_ON; at += n) {
                        n = handshake_certain(&handshake);
                        if (n == 0 || (!expected->cause && at + n > answer->size))
                                fail_msg("%s: %zu bytes behind %zu of %zu are not certain",
                                         expected->what, n, at, answer->size);
                        handshake_take(&handshake, (const uint8_t *)answer->bytes + at,
                                       n < answer->size - at ? n : answer->size - at);
                }
                handshake.exchange.n_output = 0;
        }
        assert_int_not_equal(handshake.exchange.state, EXCHANGE_GOES_ON);
}

#define IPV4_REPLY(code) "\x05" code "\x00\x01\x00\x00\x00\x00\x00\x00"

static void test_socks5_answers(void **state)
{
        static const struct expectation cases[] = {
                { "no login", false, 0, { ANSWER("\x05\x00"), ANSWER(IPV4_REPLY("\x00")) } },
                { "login not wanted", true, 0, { ANSWER("\x05\x00"), ANSWER(IPV4_REPLY("\x00")) } },
                { "login",
                  true,
                  0,
                  { ANSWER("\x05\x02"), ANSWER("\x01\x00"), ANSWER(IPV4_REPLY("\x00")) } },
                { "bound to IPv6",
                  false,
                  0,
                  { ANSWER("\x05\x00"),
                    ANSWER("\x05\x00\x00\x04\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\x04\x38") } },
                { "bound to a name",
                  false,
                  0,
                  { ANSWER("\x05\x00"), ANSWER("\x05\x00\x00\x03\x04host\x04\x38") } },
                { "bound to an empty name",
                  false,
                  0,
                  { ANSWER("\x05\x00"), ANSWER("\x05\x00\x00\x03\x00\x04\x38") } },
                { "login wanted", false, CAUSE_CREDENTIALS_WANTED, { ANSWER("\x05\xff") } },
                { "no method", true, CAUSE_NO_METHOD, { ANSWER("\x05\xff") } },
                { "login that was not offered", false, CAUSE_MALFORMED, { ANSWER("\x05\x02") } },
                { "GSSAPI", true, CAUSE_MALFORMED, { ANSWER("\x05\x01") } },
                { "login refused",
                  true,
                  CAUSE_CREDENTIALS_REFUSED,
                  { ANSWER("\x05\x02"), ANSWER("\x01\x01") } },
                { "login of another version",
                  true,
                  CAUSE_MALFORMED,
                  { ANSWER("\x05\x02"), ANSWER("\x05\x00") } },
                { "SOCKS4", false, CAUSE_MALFORMED, { ANSWER("\x04\x00") } },
                { "HTTP", false, CAUSE_MALFORMED, { ANSWER("HTTP/1.1 400 Bad Request\r\n\r\n") } },
                { "another version later",
                  false,
                  CAUSE_MALFORMED,
                  { ANSWER("\x05\x00"), ANSWER("\x04\x00") } },
                { "no such type of address",
                  false,
                  CAUSE_MALFORMED,
                  { ANSWER("\x05\x00"), ANSWER("\x05\x00\x00\x02") } },
                { "1",
                  false,
                  CAUSE_DESTINATION_FAILED,
                  { ANSWER("\x05\x00"), ANSWER("\x05\x01") } },
                { "2", false, CAUSE_FORBIDDEN, { ANSWER("\x05\x00"), ANSWER("\x05\x02") } },
                { "3",
                  false,
                  CAUSE_DESTINATION_NETWORK,
                  { ANSWER("\x05\x00"), ANSWER("\x05\x03") } },
                { "4", false, CAUSE_DESTINATION_HOST, { ANSWER("\x05\x00"), ANSWER("\x05\x04") } },
                { "5",
                  false,
                  CAUSE_DESTINATION_REFUSED,
                  { ANSWER("\x05\x00"), ANSWER(IPV4_REPLY("\x05")) } },
                { "6",
                  false,
                  CAUSE_DESTINATION_SILENT,
                  { ANSWER("\x05\x00"), ANSWER("\x05\x06") } },
                { "7", false, CAUSE_NOT_SUPPORTED, { ANSWER("\x05\x00"), ANSWER("\x05\x07") } },
                { "8",
                  false,
                  CAUSE_FAMILY_NOT_SUPPORTED,
                  { ANSWER("\x05\x00"), ANSWER("\x05\x08") } },
                { "9",
                  false,
                  CAUSE_DESTINATION_FAILED,
                  { ANSWER("\x05\x00"), ANSWER("\x05\x09") } },
                { "255",
                  false,
                  CAUSE_DESTINATION_FAILED,
                  { ANSWER("\x05\x00"), ANSWER("\x05\xff") } },
        };

        check_all(UPSTREAM_SOCKS5, cases, sizeof(cases) / sizeof(cases[0]));
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                check_certain(UPSTREAM_SOCKS5, &cases[i]);
}

static void test_http_answers(void **state)
{
        static const struct expectation cases[] = {
                { "200", false, 0, { ANSWER("HTTP/1.1 200 OK\r\n\r\n") } },
                { "HTTP/1.0", false, 0, { ANSWER("HTTP/1.0 200 Connection established\r\n\r\n") } },
                { "no reason", false, 0, { ANSWER("HTTP/1.1 200\r\n\r\n") } },
                { "an empty reason", false, 0, { ANSWER("HTTP/1.1 200 \r\n\r\n") } },
                { "any 2xx", true, 0, { ANSWER("HTTP/1.1 204 x\r\n\r\n") } },
                { "fields",
                  false,
                  0,
                  { ANSWER("HTTP/1.1 200 OK\r\nVia: x\r\nContent-Length: 100\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n") } },
                { "bare line feeds", false, 0, { ANSWER("HTTP/1.1 200 OK\nVia: x\n\n") } },
                { "1xx first",
                  false,
                  0,
                  { ANSWER("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nA: b\r\n\r\n"
                           "HTTP/1.1 200 OK\r\n\r\n") } },
                { "a line of one character", false, 0, { ANSWER("HTTP/1.1 200 OK\r\nx\r\n\r\n") } },
                { "407", false, CAUSE_CREDENTIALS_WANTED, { ANSWER("HTTP/1.1 407 x\r\n") } },
                { "407 with", true, CAUSE_CREDENTIALS_REFUSED, { ANSWER("HTTP/1.1 407 x\r\n") } },
                { "401 with", true, CAUSE_CREDENTIALS_REFUSED, { ANSWER("HTTP/1.1 401 x\r\n") } },
                { "403", false, CAUSE_FORBIDDEN, { ANSWER("HTTP/1.1 403 x\r\n") } },
                { "405", false, CAUSE_NOT_SUPPORTED, { ANSWER("HTTP/1.1 405 x\r\n") } },
                { "500", false, CAUSE_DESTINATION_FAILED, { ANSWER("HTTP/1.1 500 x\r\n") } },
                { "501", false, CAUSE_NOT_SUPPORTED, { ANSWER("HTTP/1.1 501 x\r\n") } },
                { "502", false, CAUSE_DESTINATION_HOST, { ANSWER("HTTP/1.1 502 x\r\n") } },
                { "503", false, CAUSE_DESTINATION_HOST, { ANSWER("HTTP/1.1 503 x\r\n") } },
                { "504", false, CAUSE_DESTINATION_SILENT, { ANSWER("HTTP/1.1 504 x\r\n") } },
                { "302", false, CAUSE_DESTINATION_FAILED, { ANSWER("HTTP/1.1 302 x\r\n") } },
                { "101", false, CAUSE_MALFORMED, { ANSWER("HTTP/1.1 101 x\r\n") } },
                { "099", false, CAUSE_MALFORMED, { ANSWER("HTTP/1.1 099 x\r\n") } },
                { "HTTP/2", false, CAUSE_MALFORMED, { ANSWER("HTTP/2") } },
                { "lower case", false, CAUSE_MALFORMED, { ANSWER("h") } },
                { "four digits", false, CAUSE_MALFORMED, { ANSWER("HTTP/1.1 2000") } },
                { "two digits", false, CAUSE_MALFORMED, { ANSWER("HTTP/1.1 20 ") } },
                { "an early end", false, CAUSE_MALFORMED, { ANSWER("HTTP/1.1\n") } },
                { "an empty line first", false, CAUSE_MALFORMED, { ANSWER("\r") } },
                { "SOCKS5", false, CAUSE_MALFORMED, { ANSWER("\x05") } },
                { "a NUL", false, CAUSE_MALFORMED, { ANSWER("HTTP\0") } },
        };

        check_all(UPSTREAM_CONNECT, cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_http_head_has_an_end(void **state)
{
        char text[HTTP_HEAD_MAX + 1] = "HTTP/1.1 200 OK\r\n";
        struct expectation expected = { "endless", false, CAUSE_MALFORMED, {} };

        memset(text + strlen(text), 'x', HTTP_HEAD_MAX - strlen(text));
        expected.answers[0] = (struct answer){ text, HTTP_HEAD_MAX };
        check_all(UPSTREAM_CONNECT, &expected, 1);
        memcpy(text + HTTP_HEAD_MAX - 5, "\r\n\r\n", 4);
        expected = (struct expectation){ "just", false, 0, {} };
        expected.answers[0] = (struct answer){ text, HTTP_HEAD_MAX - 1 };
        check_all(UPSTREAM_CONNECT, &expected, 1);
}

static void assert_output(const struct handshake *handshake, const char *bytes, size_t size)
{
        assert_int_equal(handshake->exchange.n_output, size);
        assert_memory_equal(handshake->exchange.output, bytes, size);
}

static void test_socks5_says(void **state)
{
        static const struct answer password = ANSWER("\x05\x02"), accepted = ANSWER("\x01\x00");
        static const struct answer none = ANSWER("\x05\x00");
        struct handshake handshake;

        begin(&handshake, UPSTREAM_SOCKS5, "198.18.0.2", &alice);
        assert_output(&handshake, "\x05\x02\x00\x02", 4);
        give_all(&handshake, &password, 2);
        assert_output(&handshake,
                      "\x01\x05"
                      "alice"
                      "\x0b"
                      "open:sesame",
                      19);
        give_all(&handshake, &accepted, 2);
        assert_output(&handshake, "\x05\x01\x00\x01\xc6\x12\x00\x02\x00\x50", 10);
        begin(&handshake, UPSTREAM_SOCKS5, "fd00::2", NULL);
        assert_output(&handshake, "\x05\x01\x00", 3);
        give_all(&handshake, &none, 2);
        assert_output(&handshake, "\x05\x01\x00\x04\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x50",
                      22);
}

static void assert_request(const char *host, const struct credentials *credentials,
                           const char *expected)
{
        struct handshake handshake;

        begin(&handshake, UPSTREAM_CONNECT, host, credentials);
        assert_output(&handshake, expected, strlen(expected));
}

static void test_http_says(void **state)
{
        static const struct credentials short_ones[] = { { "a", "b" },
                                                         { "a", "bc" },
                                                         { "a", "bcd" } };

        assert_request("fd00::2", NULL,
                       "CONNECT [fd00::2]:80 HTTP/1.1\r\nHost: [fd00::2]:80\r\n\r\n");
#define HEAD "CONNECT 198.18.0.2:80 HTTP/1.1\r\nHost: 198.18.0.2:80\r\nProxy-Authorization: Basic "
        assert_request("198.18.0.2", &alice, HEAD "YWxpY2U6b3BlbjpzZXNhbWU=\r\n\r\n");
        assert_request("198.18.0.2", &short_ones[0], HEAD "YTpi\r\n\r\n");
        assert_request("198.18.0.2", &short_ones[1], HEAD "YTpiYw==\r\n\r\n");
        assert_request("198.18.0.2", &short_ones[2], HEAD "YTpiY2Q=\r\n\r\n");
}

/* The longest that a file can bring fits what is sent. */
static void test_long_credentials(void **state)
{
        static const struct answer password = ANSWER("\x05\x02");
        char text[2 * CREDENTIALS_WORD_MAX + 2];
        struct credentials credentials;
        struct handshake handshake;

        memset(text, 'x', sizeof(text));
        text[CREDENTIALS_WORD_MAX] = ':';
        assert_null(credentials_parse(&credentials, text, sizeof(text) - 1));
        begin(&handshake, UPSTREAM_SOCKS5, "fd00::2", &credentials);
        give_all(&handshake, &password, 2);
        assert_int_equal(handshake.exchange.n_output, SOCKS5_LOGIN_MAX);
        begin(&handshake, UPSTREAM_CONNECT, "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
              &credentials);
        assert_int_equal(handshake.exchange.state, EXCHANGE_GOES_ON);
        assert_in_range(handshake.exchange.n_output, 684, EXCHANGE_OUTPUT_MAX);
        assert_non_null(credentials_parse(&credentials, text, sizeof(text)));
}

static void test_credentials(void **state)
{
        static const struct {
                const char *text, *user, *password; /* NULL: refused */
        } cases[] = {
                { "alice:secret", "alice", "secret" },
                { "alice:secret\n", "alice", "secret" },
                { "alice:secret\r\n\r\n", "alice", "secret" },
                { "a: b:c \n", "a", " b:c " },
                { "", NULL, NULL },
                { "alice", NULL, NULL },
                { ":secret", NULL, NULL },
                { "alice:", NULL, NULL },
                { "alice:secret\nbob:secret\n", NULL, NULL },
                { "alice:sec\tret", NULL, NULL },
                { "\nalice:secret", NULL, NULL },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct credentials credentials = { .user = "old", .password = "old" };
                const char *problem =
                        credentials_parse(&credentials, cases[i].text, strlen(cases[i].text));

                assert_int_equal(!problem, cases[i].user != NULL);
                assert_string_equal(credentials.user, cases[i].user ? cases[i].user : "");
                assert_string_equal(credentials.password, cases[i].user ? cases[i].password : "");
                /* No problem tells a secret. */
                assert_true(!problem || (!strstr(problem, "alice") && !strstr(problem, "secret")));
        }
}

static void test_every_cause_has_an_errno(void **state)
{
        for (int cause = CAUSE_NONE + 1; cause < CAUSE_MAX; cause++) {
                int error = cause_info((enum cause)cause)->error;

                assert_true(error == -ECONNREFUSED || error == -EHOSTUNREACH ||
                            error == -ENETUNREACH || error == -ETIMEDOUT);
                assert_non_null(cause_info((enum cause)cause)->text);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_socks5_answers),
                cmocka_unit_test(test_http_answers),
                cmocka_unit_test(test_http_head_has_an_end),
                cmocka_unit_test(test_socks5_says),
                cmocka_unit_test(test_http_says),
                cmocka_unit_test(test_long_credentials),
                cmocka_unit_test(test_credentials),
                cmocka_unit_test(test_every_cause_has_an_errno),
        };

        return cmocka_run_group_tests_name("handshake", tests, NULL, NULL);
}
