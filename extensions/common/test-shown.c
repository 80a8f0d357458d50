/* SPDX-License-Identifier: Apache-2.0 */

/* Problems as somebody sees them: the line, the caret, and nothing that moves the cursor. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/shown.h"

static void expect(const char *text, struct position at, const char *expected)
{
        struct problems problems = {};
        char *shown = NULL;
        size_t size;
        FILE *out = open_memstream(&shown, &size);

        problems_add(&problems, at, "'x' is wrong");
        problems_show(out, &problems, "rules", text, strlen(text));
        fclose(out);
        assert_string_equal(shown, expected);
        free(shown);
}

static void test_the_caret_is_below_the_problem(void **state)
{
        expect("a\nb x\nc", (struct position){ 2, 3 }, "rules:2:3: 'x' is wrong\n  b x\n    ^\n");
        expect("\tx", (struct position){ 1, 2 }, "rules:1:2: 'x' is wrong\n   x\n   ^\n");
        expect("\xc3\xa4 x\r\n", (struct position){ 1, 3 },
               "rules:1:3: 'x' is wrong\n  \xc3\xa4 x\n    ^\n");
        expect("", (struct position){ 1, 1 }, "rules:1:1: 'x' is wrong\n  \n  ^\n");
        expect("x", (struct position){ 3, 1 }, "rules:3:1: 'x' is wrong\n  x\n  ^\n");
}

static void test_nothing_moves_the_cursor(void **state)
{
        expect("\x1b[2J\x7f\xc2\x9bx", (struct position){ 1, 7 },
               "rules:1:7: 'x' is wrong\n  ?[2J??x\n        ^\n");
}

static void test_the_first_ten_are_shown(void **state)
{
        struct problems problems = {};
        char *shown = NULL;
        size_t size;
        FILE *out = open_memstream(&shown, &size);

        for (unsigned int i = 0; i < PROBLEMS_MAX + 3; i++)
                problems_add(&problems, (struct position){ 1, i + 1 }, "no");
        problems_show(out, &problems, "rules", "x", 1);
        fclose(out);
        assert_non_null(strstr(shown, "rules:1:10: no\n"));
        assert_null(strstr(shown, "rules:1:11: no\n"));
        assert_string_equal(strrchr(shown, '^'), "^\nrules: 3 more problems\n");
        free(shown);
}

static void test_programs_get_json(void **state)
{
        struct problems problems = {}, remarks = {};
        char *shown = NULL;
        size_t size;
        FILE *out = open_memstream(&shown, &size);

        problems_add(&problems, (struct position){ 2, 3 }, "'\"\\\x01' is wrong");
        problems_add(&remarks, (struct position){ 4, 5 }, "may be");
        problems_show_json(out, &problems, &remarks, "a\"b");
        fclose(out);
        assert_string_equal(shown, "{\"path\": \"a\\\"b\", \"n_problems\": 1, \"problems\": "
                                   "[{\"line\": 2, \"column\": 3, \"text\": "
                                   "\"'\\\"\\\\\\u0001' is wrong\"}], "
                                   "\"n_remarks\": 1, \"remarks\": "
                                   "[{\"line\": 4, \"column\": 5, \"text\": \"may be\"}]}\n");
        free(shown);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_caret_is_below_the_problem),
                cmocka_unit_test(test_nothing_moves_the_cursor),
                cmocka_unit_test(test_the_first_ten_are_shown),
                cmocka_unit_test(test_programs_get_json),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
