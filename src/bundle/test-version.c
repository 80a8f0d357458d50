/* SPDX-License-Identifier: Apache-2.0 */

/* Which of two versions is the newer one. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "bundle/version.h"

static void test_numbers_are_compared_one_by_one(void **state)
{
        static const struct {
                const char *one;
                const char *other;
                int order;
        } cases[] = {
                { "1", "1", 0 },       { "1", "1.0", 0 },      { "1.0.0", "1", 0 },
                { "1.9", "1.10", -1 }, { "1.10", "1.9", 1 },   { "2", "1.99.99", 1 },
                { "1.0.1", "1.0", 1 }, { "1.2", "1.2.3", -1 }, { "01.2", "1.2", 0 },
                { "10", "9", 1 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                assert_int_equal(version_compare(cases[i].one, cases[i].other), cases[i].order);
                assert_int_equal(version_compare(cases[i].other, cases[i].one), -cases[i].order);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers_are_compared_one_by_one),
        };

        return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
