/* SPDX-License-Identifier: Apache-2.0 */

/* What a program may call itself, and what of that reaches a terminal or a JSON reader. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cleanup.h"
#include "cli/output/escape.h"

static const struct {
        const char *raw, *text, *json;
        size_t width;
} cases[] = {
        { "", "", "\"\"", 0 },
        { "curl", "curl", "\"curl\"", 4 },
        { "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8c\x8d",
          "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8c\x8d",
          "\"na\xc3\xafve \xe2\x82\xac \xf0\x9f\x8c\x8d\"", 9 },
        { "a\"b\\c", "a\"b\\\\c", "\"a\\\"b\\\\c\"", 6 },
        /* C0, DEL and C1 */
        { "\x1b[31m\n\t\x7f", "\\x1b[31m\\n\\t\\x7f", "\"\\u001b[31m\\u000a\\u0009\\u007f\"", 16 },
        { "\xc2\x9b", "\\u009b", "\"\\u009b\"", 6 },
        /* right to left override, line separator, zero width space, byte order mark */
        { "\xe2\x80\xae", "\\u202e", "\"\\u202e\"", 6 },
        { "\xe2\x80\xa8", "\\u2028", "\"\\u2028\"", 6 },
        { "\xe2\x80\x8b", "\\u200b", "\"\\u200b\"", 6 },
        { "\xef\xbb\xbf", "\\ufeff", "\"\\ufeff\"", 6 },
        /* not UTF-8: a lone byte, a cut character, an overlong slash and escape, a surrogate,
         * beyond the last character, a byte that never occurs */
        { "\xe9t\xe9", "\\xe9t\\xe9", "\"\\ufffdt\\ufffd\"", 9 },
        { "\xe2\x82", "\\xe2\\x82", "\"\\ufffd\\ufffd\"", 8 },
        { "\xc0\xaf", "\\xc0\\xaf", "\"\\ufffd\\ufffd\"", 8 },
        { "\xc0\x9b", "\\xc0\\x9b", "\"\\ufffd\\ufffd\"", 8 },
        { "\xed\xa0\x80", "\\xed\\xa0\\x80", "\"\\ufffd\\ufffd\\ufffd\"", 12 },
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", 16 },
        { "\xff", "\\xff", "\"\\ufffd\"", 4 },
};

static void test_text(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *text = NULL;
                size_t size;
                FILE *out = open_memstream(&text, &size);

                assert_int_equal(escape_text(out, cases[i].raw), cases[i].width);
                fclose(out);
                assert_string_equal(text, cases[i].text);
        }
}

static void test_json(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *text = NULL;
                size_t size;
                FILE *out = open_memstream(&text, &size);

                escape_json(out, cases[i].raw);
                fclose(out);
                assert_string_equal(text, cases[i].json);
        }
}

/* Every string of two bytes: nothing that a terminal would act on comes out. */
static void test_no_control_character_passes(void **state)
{
        for (unsigned int pair = 0x0101; pair <= 0xffff; pair++) {
                const char raw[] = { (char)(pair >> 8), (char)(pair & 0xff), '\0' };
                _cleanup_free_ char *text = NULL;
                size_t size;
                FILE *out = open_memstream(&text, &size);

                escape_text(out, raw);
                escape_json(out, raw);
                fclose(out);
                for (const char *c = text; *c; c++)
                        assert_true((uint8_t)*c >= 0x20 && *c != 0x7f);
                assert_null(strstr(text, "\xc2\x9b"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_no_control_character_passes),
        };

        return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}
