/* SPDX-License-Identifier: Apache-2.0 */

/* What a line of a set may say, and where the complaint points if it may not. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "manager/set/content.h"

static void test_entries_are_kept_in_one_form(void **state)
{
        static const struct {
                const char *line, *entry; /* NULL: nothing is in the line */
        } cases[] = {
                { "", NULL },
                { "  # 198.18.0.1", NULL },
                { "\t\r", NULL },
                { "198.18.0.1", "198.18.0.1" },
                { "198.18.0.1/32", "198.18.0.1" },
                { "198.18.0.0/15 # the lab", "198.18.0.0/15" },
                { "0.0.0.0/0", "0.0.0.0/0" },
                { " FD00::1\t", "fd00::1" },
                { "fd00:0:0::/8", "fd00::/8" },
                { "::/0", "::/0" },
                { "Example.ORG.", "example.org" },
                { "localhost", "localhost" },
                { "_sip.xn--bcher-kva.example\r", "_sip.xn--bcher-kva.example" },
                { "1.example", "1.example" },
        };
        char text[SET_DOMAIN_SIZE];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_set_content_ struct set_content content = {};
                _cleanup_free_ char *problem = NULL;

                assert_int_equal(set_content_add(&content, cases[i].line, 1, &problem), 0);
                assert_int_equal(content.n_entries, cases[i].entry != NULL);
                if (cases[i].entry)
                        assert_string_equal(set_entry_to_string(&content.entries[0], text),
                                            cases[i].entry);
        }
}

static void test_a_complaint_says_where_and_what_is_expected(void **state)
{
        static const struct {
                const char *line, *problem;
        } cases[] = {
                { "198.18.0.1/15", "7:1: '198.18.0.1/15' is not a network, it has bits behind its "
                                   "prefix: expected 198.18.0.0/15" },
                { "  198.18.0.0/33",
                  "7:3: '198.18.0.0/33' is not a network: expected a prefix from "
                  "0 to 32" },
                { "198.18.0.0/", "7:1: '198.18.0.0/' is not a network: expected a prefix" },
                { "example.org/24", "7:1: 'example.org/24' is not a network: expected one" },
                { "198.18.0.256", "7:1: '198.18.0.256' is neither an address nor a domain" },
                { "198.18.0.1:80", "7:1: '198.18.0.1:80' is not an address" },
                { "::ffff:198.18.0.1", "7:1: '::ffff:198.18.0.1' is not an address" },
                { "*.example.org", "7:1: '*.example.org' needs no '*.'" },
                { "a..b", "7:1: 'a..b' is neither a network nor a domain" },
                { ".", "7:1: '.' is neither" },
                { "b\xc3\xbc"
                  "cher.example x",
                  "7:16: 'x' is too much" },
                { "a\x1b[1m", "7:1: 'a\\x1b[1m' is neither" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_set_content_ struct set_content content = {};
                _cleanup_free_ char *problem = NULL;

                assert_int_equal(set_content_add(&content, cases[i].line, 7, &problem), -EBADMSG);
                if (strncmp(problem, cases[i].problem, strlen(cases[i].problem)) != 0)
                        fail_msg("%s", problem);
                assert_int_equal(content.n_entries, 0);
        }
}

static void test_the_longest_domain_is_taken_and_one_more_is_not(void **state)
{
        _cleanup_set_content_ struct set_content content = {};
        _cleanup_free_ char *problem = NULL;
        char name[256];

        memset(name, 'a', sizeof(name));
        for (size_t i = 49; i < sizeof(name); i += 50)
                name[i] = '.';
        name[253] = '\0';
        assert_int_equal(set_content_add(&content, name, 1, &problem), 0);
        name[253] = 'a';
        name[254] = '\0';
        assert_int_equal(set_content_add(&content, name, 2, &problem), -EBADMSG);
        assert_non_null(strstr(problem, "too long"));
        memset(name + 253, 'a', 2);
        name[255] = '\0';
        assert_int_equal(set_content_add(&content, name, 3, &problem), -EBADMSG);
        assert_non_null(strstr(problem, "too long"));
        assert_int_equal(content.n_entries, 1);
        assert_int_equal(content.n_domains, 1);
}

static void test_entries_are_bounded(void **state)
{
        _cleanup_set_content_ struct set_content content = {};
        _cleanup_free_ char *problem = NULL;
        char line[32];

        for (unsigned int i = 0; i < SET_ENTRIES_MAX; i++) {
                snprintf(line, sizeof(line), "fd00::%x:%x", i >> 16, i & 0xffff);
                assert_int_equal(set_content_add(&content, line, i + 1, &problem), 0);
        }
        assert_int_equal(set_content_add(&content, "198.18.0.1", 100001, &problem), -E2BIG);
        assert_string_equal(problem,
                            "100001:1: '198.18.0.1' is one too many: a set has at most 100000 "
                            "entries");
        assert_int_equal(content.n_entries, SET_ENTRIES_MAX);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_entries_are_kept_in_one_form),
                cmocka_unit_test(test_a_complaint_says_where_and_what_is_expected),
                cmocka_unit_test(test_the_longest_domain_is_taken_and_one_more_is_not),
                cmocka_unit_test(test_entries_are_bounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
