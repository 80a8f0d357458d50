/* SPDX-License-Identifier: Apache-2.0 */

/* Each reason that netext(7) explains has a sentence here, and each span of time reads well. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cleanup.h"
#include "cli/output/flow.h"

static const char *manual_path;

static void test_reasons_of_the_manual(void **state)
{
        _cleanup_file_ FILE *manual = fopen(manual_path, "re");
        _cleanup_free_ char *line = NULL;
        const char *unknown = flow_reason_sentence("no such reason");
        size_t size = 0, n_reasons = 0;
        bool inside = false;

        assert_non_null(manual);
        while (getline(&line, &size, manual) > 0) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, ".Sh ", 4) == 0)
                        inside = strcmp(line, ".Sh REASONS") == 0;
                if (!inside || strncmp(line, ".It Cm ", 7) != 0)
                        continue;
                if (strcmp(flow_reason_sentence(line + 7), unknown) == 0)
                        fail_msg("there is no sentence for '%s'", line + 7);
                n_reasons++;
        }
        assert_true(n_reasons >= 12);
}

static void test_time_span(void **state)
{
        static const struct {
                uint64_t ns;
                const char *text;
        } cases[] = {
                { 0, "0 ms" },
                { 213400, "0.213 ms" },
                { 999000000, "999 ms" },
                { 1234000000, "1.23 s" },
                { 59000000000, "59 s" },
                { 200000000000, "3 min 20 s" },
                { 7265000000000, "2 h 1 min" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *text = time_span(cases[i].ns);

                assert_string_equal(text, cases[i].text);
        }
}

int main(int argc, char *argv[])
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reasons_of_the_manual),
                cmocka_unit_test(test_time_span),
        };

        if (argc != 2)
                return 2;
        manual_path = argv[1];
        return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
