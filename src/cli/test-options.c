/* SPDX-License-Identifier: Apache-2.0 */

/* The command line: what is an option, what is an argument, and what was meant. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cleanup.h"
#include "cli/options.h"

#define WORDS_MAX 12

static bool flag;
static const char *string;
static const char *choice;
static int64_t number;
static struct option_list list;
static struct option_list choices;
static struct option_list repeated;

static const char *const words_of_choice[] = { "open", "closed", NULL };

static const struct cli_option own[] = {
        { "flag", NULL, "", .flag = &flag },
        { "choice", "open|closed", "", .words = words_of_choice, .string = &choice },
        { "number", "N", "", .min = -2, .max = 10, .number = &number },
        { "list", "ITEM", "", .list = &list },
        { "choices", "open|closed", "", .words = words_of_choice, .list = &choices },
        { "repeated", "ITEM", "", .repeated = &repeated },
        {},
};

static const struct cli_option global[] = {
        { "string", "TEXT", "", .string = &string },
        {},
};

/* line: words separated by single blanks. Leaves the arguments, joined, in joined. */
static int parse(const char *line, bool stop_at_argument, char joined[256])
{
        static char buffer[256];
        char *words[WORDS_MAX + 1] = {}, *rest = buffer;
        int n;

        flag = false;
        string = choice = NULL;
        number = 0;
        list.n_items = choices.n_items = repeated.n_items = 0;
        strcpy(buffer, line);
        for (size_t i = 0; rest && *rest && i < WORDS_MAX; i++)
                words[i] = strsep(&rest, " ");
        n = options_parse(words, own, global, stop_at_argument);
        joined[0] = '\0';
        for (int i = 0; i < n; i++) {
                strcat(joined, i ? " " : "");
                strcat(joined, words[i]);
        }
        return n;
}

static void test_options_and_arguments(void **state)
{
        char joined[256];

        assert_int_equal(parse("a --flag b --string=x=y --number -2 c", false, joined), 3);
        assert_string_equal(joined, "a b c");
        assert_true(flag);
        assert_string_equal(string, "x=y");
        assert_int_equal(number, -2);

        assert_int_equal(parse("a -- --flag -", false, joined), 3);
        assert_string_equal(joined, "a --flag -");
        assert_false(flag);
}

static void test_a_command_keeps_its_options(void **state)
{
        char joined[256];

        assert_int_equal(parse("--flag curl --string x -- -v", true, joined), 5);
        assert_string_equal(joined, "curl --string x -- -v");
        assert_true(flag);
        assert_null(string);

        assert_int_equal(parse("-- --flag", true, joined), 1);
        assert_string_equal(joined, "--flag");
}

static void test_lists(void **state)
{
        char joined[256];

        assert_int_equal(parse("--list a,b --list c --repeated x,y", false, joined), 0);
        assert_int_equal(list.n_items, 3);
        assert_string_equal(list.items[1], "b");
        assert_string_equal(list.items[2], "c");
        assert_int_equal(repeated.n_items, 1);
        assert_string_equal(repeated.items[0], "x,y");

        assert_int_equal(parse("--choices open,closed", false, joined), 0);
        assert_int_equal(choices.n_items, 2);
        assert_string_equal(choices.items[1], "closed");
}

static void test_what_is_refused(void **state)
{
        static const char *const lines[] = {
                "--unknown",       "--fla",       "-f",          "--flag=yes",  "--string",
                "--choice no",     "--number 11", "--number -3", "--number 1x", "--number=",
                "--list a,,b",     "--list=",     "a --unknown", "--=x",        "--choices open,no",
                "--choices open,",
        };
        char joined[256];

        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                if (parse(lines[i], false, joined) != -EINVAL)
                        fail_msg("'%s' was taken", lines[i]);
}

static void test_nearest(void **state)
{
        static const struct {
                const char *typed, *meant;
        } cases[] = {
                { "flwo", "flow" },     { "stauts", "status" },
                { "st", "status" },     { "sesion", "session" },
                { "docter", "doctor" }, { "xyzzy", NULL },
                { "", NULL },
        };
        static const char *const verbs[] = { "run", "status", "doctor", "session", "flow" };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct nearest nearest;

                nearest_init(&nearest, cases[i].typed);
                for (size_t k = 0; k < ARRAY_SIZE(verbs); k++)
                        nearest_offer(&nearest, verbs[k], strlen(verbs[k]));
                if (cases[i].meant)
                        assert_string_equal(nearest.best, cases[i].meant);
                else
                        assert_null(nearest.best);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_options_and_arguments),
                cmocka_unit_test(test_a_command_keeps_its_options),
                cmocka_unit_test(test_lists),
                cmocka_unit_test(test_what_is_refused),
                cmocka_unit_test(test_nearest),
        };

        return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
