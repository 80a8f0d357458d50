/* SPDX-License-Identifier: Apache-2.0 */

/* Sessions in the order of the chain: each pair of the table compares as it stands there. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netext/netext.h>

#include "manager/session/place.h"

#define FILTER      NX_PROVIDER_KIND_FILTER
#define TRANSPARENT NX_PROVIDER_KIND_TRANSPARENT_PROXY
#define APP         NX_PROVIDER_KIND_APP_PROXY
#define FIREWALL    NX_FILTER_GRADE_FIREWALL
#define INSPECTOR   NX_FILTER_GRADE_INSPECTOR

#define SESSION(its_kind, its_grade, its_order, its_time, its_name)                                \
        {                                                                                          \
                .kind = (its_kind),                                                                \
                .configuration = { .grade = (its_grade), .order = (its_order) },                   \
                .activated_ns = (its_time), .name = (char *)(its_name),                            \
        }

static const struct session chain[] = {
        SESSION(FILTER, FIREWALL, INT32_MIN, 9, "i"),
        SESSION(FILTER, 0, 0, 1, "h"), /* firewall is the default */
        SESSION(FILTER, FIREWALL, 0, UINT64_MAX, "g"),
        SESSION(FILTER, INSPECTOR, -1, 0, "f"),
        SESSION(TRANSPARENT, 0, -5, 3, "e"),
        SESSION(TRANSPARENT, 0, INT32_MAX, 2, "c"),
        SESSION(TRANSPARENT, 0, INT32_MAX, 2, "d"),
        SESSION(APP, 0, INT32_MIN, 0, "a"),
        SESSION(APP, 0, 0, 0, "b"),
};

static void test_the_chain_is_in_order(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(chain); i++)
                for (size_t j = 0; j < ARRAY_SIZE(chain); j++) {
                        int r = place_compare(&chain[i], &chain[j]);

                        assert_int_equal((r > 0) - (r < 0), (i > j) - (i < j));
                }
}

static void test_what_is_no_filter_has_no_grade(void **state)
{
        static const struct session unknown = SESSION(0, INSPECTOR, 0, 0, "");

        assert_int_equal(session_get_grade(&chain[1]), FIREWALL);
        assert_int_equal(session_get_grade(&chain[3]), INSPECTOR);
        assert_int_equal(session_get_grade(&chain[4]), 0);
        assert_int_equal(session_get_grade(&unknown), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_chain_is_in_order),
                cmocka_unit_test(test_what_is_no_filter_has_no_grade),
        };

        return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
