/* SPDX-License-Identifier: Apache-2.0 */

/* What the session of an extension becomes, by what that provides and what was asked for. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netext/netext.h>

#include "base/cleanup.h"
#include "manager/session/kind.h"

#define FILTER      NX_PROVIDER_KIND_FILTER
#define TRANSPARENT NX_PROVIDER_KIND_TRANSPARENT_PROXY
#define APP         NX_PROVIDER_KIND_APP_PROXY
#define LATER       40 /* a kind that a later release has */

#define BIT(kind) (UINT64_C(1) << (kind))

static void test_a_kind_is_chosen(void **state)
{
        static const struct {
                int wanted;
                uint64_t provided;
                int kind;
        } cases[] = {
                { 0, BIT(FILTER), FILTER },
                { 0, BIT(TRANSPARENT), TRANSPARENT },
                { 0, BIT(APP) | BIT(LATER), APP },
                { FILTER, BIT(FILTER), FILTER },
                { APP, BIT(FILTER) | BIT(TRANSPARENT) | BIT(APP), APP },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                int kind = -1;

                assert_int_equal(kind_choose(cases[i].wanted, cases[i].provided, &kind, NULL), 0);
                assert_int_equal(kind, cases[i].kind);
        }
}

static void test_no_kind_is_chosen_and_why(void **state)
{
        static const struct {
                int wanted;
                uint64_t provided;
                const char *problem;
        } cases[] = {
                { 0, 0,
                  "the extension provides none of the kinds that this netextd knows: filter, "
                  "transparent-proxy, app-proxy and packet-filter" },
                { FILTER, BIT(LATER),
                  "the extension provides none of the kinds that this netextd knows: filter, "
                  "transparent-proxy, app-proxy and packet-filter" },
                { 0, BIT(FILTER) | BIT(APP),
                  "the extension provides filter and app-proxy: say which of them this session is, "
                  "with --kind, or in a run with --with NAME:KIND" },
                { APP, BIT(FILTER), "the extension provides filter, not app-proxy" },
                { FILTER, BIT(TRANSPARENT) | BIT(APP),
                  "the extension provides transparent-proxy and app-proxy, not filter" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *problem = NULL;
                int kind = -1;

                assert_int_equal(kind_choose(cases[i].wanted, cases[i].provided, &kind, &problem),
                                 -EINVAL);
                assert_string_equal(problem, cases[i].problem);
                assert_int_equal(kind, -1);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_kind_is_chosen),
                cmocka_unit_test(test_no_kind_is_chosen_and_why),
        };

        return cmocka_run_group_tests_name("kind", tests, NULL, NULL);
}
