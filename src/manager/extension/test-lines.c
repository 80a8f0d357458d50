/* SPDX-License-Identifier: Apache-2.0 */

/* Lines that come in pieces, are too long, too many, or have no end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manager/extension/lines.h"

static void add(struct lines *lines, const char *text)
{
        lines_add(lines, text, strlen(text), NULL, NULL);
}

static void expect(struct lines *lines, size_t n, const char *expected)
{
        _cleanup_free_ char *joined = lines_join(lines, n, "|");

        if (expected)
                assert_string_equal(joined, expected);
        else
                assert_null(joined);
}

static void count(const char *line, void *userdata)
{
        ++*(int *)userdata;
}

static void test_lines_come_in_pieces(void **state)
{
        struct lines lines = {};
        int n_lines = 0;

        expect(&lines, LINES_MAX, NULL);
        add(&lines, "one\ntw");
        expect(&lines, LINES_MAX, "one");
        lines_add(&lines, "o\n\nthree", 8, count, &n_lines);
        expect(&lines, LINES_MAX, "one|two|");
        assert_int_equal(n_lines, 2);
        lines_end(&lines, count, &n_lines);
        lines_end(&lines, count, &n_lines);
        assert_int_equal(n_lines, 3);
        expect(&lines, 2, "|three");
        lines_clear(&lines);
        expect(&lines, LINES_MAX, NULL);
}

static void test_only_the_last_are_kept(void **state)
{
        struct lines lines = {};
        char text[16];

        for (int i = 0; i < 3 * LINES_MAX; i++) {
                snprintf(text, sizeof(text), "line %d\n", i);
                add(&lines, text);
        }
        expect(&lines, 2, "line 190|line 191");
        assert_string_equal(lines_find(&lines, "line 12"), "9");
        assert_null(lines_find(&lines, "line 127"));
        lines_clear(&lines);
}

static void test_a_long_line_is_several(void **state)
{
        char text[3 * LINE_SIZE_MAX];
        struct lines lines = {};
        int n_lines = 0;

        memset(text, 'x', sizeof(text));
        lines_add(&lines, text, sizeof(text), count, &n_lines);
        assert_int_equal(n_lines, 3);
        lines_clear(&lines);
}

static void test_a_line_is_harmless(void **state)
{
        struct lines lines = {};

        add(&lines, "\033[31mred\xff\n");
        expect(&lines, 1, "\\x1b[31mred\\xff");
        lines_clear(&lines);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines_come_in_pieces),
                cmocka_unit_test(test_only_the_last_are_kept),
                cmocka_unit_test(test_a_long_line_is_several),
                cmocka_unit_test(test_a_line_is_harmless),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
