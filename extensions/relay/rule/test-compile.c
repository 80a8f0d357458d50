/* SPDX-License-Identifier: Apache-2.0 */

/*
 * First-match rules as settings that know no order: what is included and what is excluded. The
 * library's functions are ours here, and write down what they are given.
 */

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "relay/rule/compile.h"

struct nx_proxy_settings {
        bool loopback;
        char text[512]; /* "+rules:1 -rules:2 " */
};

int nx_proxy_settings_new(struct nx_proxy_settings **ret_settings, bool loopback)
{
        *ret_settings = calloc(1, sizeof(**ret_settings));
        (*ret_settings)->loopback = loopback;
        return 0;
}

struct nx_proxy_settings *nx_proxy_settings_free(struct nx_proxy_settings *settings)
{
        free(settings);
        return NULL;
}

static int note(struct nx_proxy_settings *settings, char how, const struct nx_rule *rule)
{
        size_t n = strlen(settings->text);

        assert_int_equal(rule->protocol, IPPROTO_TCP);
        snprintf(settings->text + n, sizeof(settings->text) - n, "%s%c%s", n ? " " : "", how,
                 rule->label);
        return rule->remote_port_first == 666 ? -E2BIG : 0;
}

int nx_proxy_settings_include(struct nx_proxy_settings *settings, const struct nx_rule *rule)
{
        return note(settings, '+', rule);
}

int nx_proxy_settings_exclude(struct nx_proxy_settings *settings, const struct nx_rule *rule)
{
        return note(settings, '-', rule);
}

static int compile(struct nx_proxy_settings **ret_settings, const char *text,
                   struct problems *problems)
{
        _cleanup_rules_ struct rules *rules = NULL;
        struct problems remarks = {};

        assert_int_equal(rules_parse(&rules, text, strlen(text), problems), 0);
        assert_int_equal(rules_resolve(rules, problems, &remarks), 0);
        return rules_compile(ret_settings, rules, "/etc/netext/r", problems);
}

static void test_a_set_stands_where_the_kernel_decides(void **state)
{
        static const char *const bad[] = {
                "# one\ndirect to set:a\n",
                "direct port 80\nignore to set:a\n",
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct nx_proxy_settings *settings = NULL;
                struct problems problems = {};

                assert_int_equal(compile(&settings, bad[i], &problems), RULES_E_INVALID);
                assert_null(settings);
                assert_int_equal(problems.first[0].at.line, 2);
                assert_non_null(strstr(problems.first[0].text, "the set 'a' cannot stand here"));
        }
}

static void test_order_becomes_what_is_left_out(void **state)
{
        static const struct {
                const char *text, *expected;
        } cases[] = {
                { "", "" },
                { "ignore port 80\n", "-r:1" },
                { "default direct\n", "+r:1" },
                { "ignore port 80\ndefault direct\n", "-r:1 +r:2" },
                { "direct port 80\nignore port 80\n", "+r:1" },
                { "direct port 80\nignore port 81\n", "+r:1 -r:2" },
                { "ignore to set:a\ndefault direct\n", "-r:1 +r:2" },
                { "direct port 80\nignore to 198.18.0.1\nignore port 81\ndefault direct\n",
                  "+r:1 -r:3 +r:4" },
                { "ignore to 198.18.0.1\ndirect port 80\nignore to example.org\ndirect\n",
                  "-r:1 +r:2 +r:4" },
                { "ignore user 1\nignore user 1 port 80\n", "-r:1 -r:2" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct nx_proxy_settings *settings = NULL;
                struct problems problems = {};

                assert_int_equal(compile(&settings, cases[i].text, &problems), 0);
                assert_string_equal(settings->text, cases[i].expected);
                assert_false(settings->loopback);
                nx_proxy_settings_free(settings);
        }
}

static void test_loopback(void **state)
{
        struct nx_proxy_settings *settings = NULL;
        struct problems problems = {};

        assert_int_equal(compile(&settings, "loopback include\n", &problems), 0);
        assert_true(settings->loopback);
        nx_proxy_settings_free(settings);
}

static void test_what_the_platform_refuses_is_named(void **state)
{
        struct nx_proxy_settings *settings = NULL;
        struct problems problems = {};

        assert_int_equal(compile(&settings, "ignore\ndirect port 666\n", &problems),
                         RULES_E_INVALID);
        assert_null(settings);
        assert_int_equal(problems.first[0].at.line, 2);
        assert_string_equal(problems.first[0].text,
                            "the platform does not take this rule: Argument list too long");
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_set_stands_where_the_kernel_decides),
                cmocka_unit_test(test_order_becomes_what_is_left_out),
                cmocka_unit_test(test_loopback),
                cmocka_unit_test(test_what_the_platform_refuses_is_named),
        };

        return cmocka_run_group_tests_name("relay-compile", tests, NULL, NULL);
}
