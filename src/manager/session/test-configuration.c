/* SPDX-License-Identifier: Apache-2.0 */

/* What a configuration takes, and the sentence for what it does not. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "manager/session/configuration.h"

static void test_a_name_is_like_an_identifier(void **state)
{
        static const char *const good[] = { "a", "proxy-2", "0", "-" };
        static const char *const bad[] = {
                "",
                "Proxy",
                "a b",
                "a/b",
                "\xc3\xa4",
                "a.b",
                "01234567890123456789012345678901234567890",
        };
        _cleanup_configuration_ struct configuration configuration;

        configuration_init(&configuration);
        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                assert_int_equal(configuration_set_name(&configuration, good[i], NULL), 0);
                assert_string_equal(configuration.name, good[i]);
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                _cleanup_free_ char *problem = NULL;

                assert_int_equal(configuration_set_name(&configuration, bad[i], &problem), -EINVAL);
                assert_int_equal(strncmp(problem, "name: ", 6), 0);
                assert_string_equal(configuration.name, "-");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_name_is_like_an_identifier),
        };

        return cmocka_run_group_tests_name("configuration", tests, NULL, NULL);
}
