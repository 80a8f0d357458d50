/* SPDX-License-Identifier: Apache-2.0 */

/* Addresses and their text: both families, mapped addresses, and what is refused. */

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/endpoint.h"

static struct in6_addr address(const char *text)
{
        struct in6_addr address;

        assert_int_equal(address_from_string(text, &address), 0);
        return address;
}

static void test_text_round_trip(void **state)
{
        static const struct {
                const char *text, *canonical;
                bool is_ipv4;
        } cases[] = {
                { "198.18.0.1", "198.18.0.1", true },
                { "0.0.0.0", "0.0.0.0", true },
                { "::ffff:198.18.0.1", "198.18.0.1", true },
                { "fd00::1", "fd00::1", false },
                { "FD00:0:0:0:0:0:0:1", "fd00::1", false },
                { "::", "::", false },
                { "::1", "::1", false },
        };
        char text[INET6_ADDRSTRLEN];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct in6_addr parsed = address(cases[i].text);

                assert_string_equal(address_to_string(&parsed, text), cases[i].canonical);
                assert_int_equal(address_is_ipv4(&parsed), cases[i].is_ipv4);
        }
}

static void test_no_addresses(void **state)
{
        static const char *const texts[] = {
                "",          "198.18.0",   "198.18.0.256",  "198.18.0.1 ", "fd00::1::2",
                "[fd00::1]", "fd00::1%lo", "198.18.0.0/15", "example.org",
        };
        struct in6_addr untouched = address("fd00::1"), parsed = untouched;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                assert_int_equal(address_from_string(texts[i], &parsed), -EINVAL);
                assert_memory_equal(&parsed, &untouched, sizeof(parsed));
        }
}

static void test_mapped_bytes(void **state)
{
        static const uint8_t expected[16] = { [10] = 0xff, 0xff, 198, 18, 0, 1 };
        struct in_addr ipv4 = { .s_addr = htonl(0xc6120001) };
        struct in6_addr mapped = address_from_ipv4(ipv4);

        assert_memory_equal(&mapped, expected, sizeof(expected));
}

static void test_endpoint_text(void **state)
{
        struct endpoint ipv4 = { .address = address("198.18.0.1"), .port = 53 };
        struct endpoint ipv6 = { .address = address("fd00::1"), .port = 65535 };
        struct endpoint longest = {
                .address = address("fd11:1111:1111:1111:1111:1111:1111:1111"),
                .port = 65535,
        };
        char text[ENDPOINT_TEXT_MAX];

        assert_string_equal(endpoint_to_string(&ipv4, text), "198.18.0.1:53");
        assert_string_equal(endpoint_to_string(&ipv6, text), "[fd00::1]:65535");
        assert_string_equal(endpoint_to_string(&longest, text),
                            "[fd11:1111:1111:1111:1111:1111:1111:1111]:65535");
}

static void test_endpoint_equal(void **state)
{
        struct endpoint a = { .address = address("198.18.0.1"), .port = 53 };
        struct endpoint mapped = { .address = address("::ffff:198.18.0.1"), .port = 53 };
        struct endpoint port = { .address = a.address, .port = 54 };
        struct endpoint other = { .address = address("198.18.0.2"), .port = 53 };

        assert_true(endpoint_equal(&a, &mapped));
        assert_false(endpoint_equal(&a, &port));
        assert_false(endpoint_equal(&a, &other));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text_round_trip), cmocka_unit_test(test_no_addresses),
                cmocka_unit_test(test_mapped_bytes),    cmocka_unit_test(test_endpoint_text),
                cmocka_unit_test(test_endpoint_equal),
        };

        return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
