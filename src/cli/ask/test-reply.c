/* SPDX-License-Identifier: Apache-2.0 */

/* What may be typed or written in answer to a question, and what it means. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/ask/reply.h"

static void test_letters(void **state)
{
        static const struct {
                const char *line;
                enum nx_verdict verdict;
                enum nx_lifetime lifetime;
                bool by_program, by_host, by_port;
        } cases[] = {
                { "a", NX_VERDICT_ALLOW, NX_LIFETIME_ONCE, true, true, true },
                { " d \r", NX_VERDICT_REFUSE, NX_LIFETIME_ONCE, true, true, true },
                { "do", NX_VERDICT_REFUSE, NX_LIFETIME_ONCE, true, true, true },
                { "ar", NX_VERDICT_ALLOW, NX_LIFETIME_RUN, true, true, true },
                { "f a", NX_VERDICT_ALLOW, NX_LIFETIME_EVER, true, true, true },
                { "dfp", NX_VERDICT_REFUSE, NX_LIFETIME_EVER, true, false, false },
                { "a f h n", NX_VERDICT_ALLOW, NX_LIFETIME_EVER, false, true, true },
                { "arh", NX_VERDICT_ALLOW, NX_LIFETIME_RUN, false, true, false },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct nx_answer answer;
                const char *problem = "";

                assert_int_equal(reply_parse(cases[i].line, &answer, &problem), REPLY_ANSWER);
                assert_int_equal(answer.verdict, cases[i].verdict);
                assert_int_equal(answer.lifetime, cases[i].lifetime);
                assert_int_equal(answer.by_program, cases[i].by_program);
                assert_int_equal(answer.by_host, cases[i].by_host);
                assert_int_equal(answer.by_port, cases[i].by_port);
        }
}

static void test_other_words(void **state)
{
        static const struct {
                const char *line;
                enum reply reply;
        } cases[] = {
                { "", REPLY_NONE },  { " \t", REPLY_NONE }, { "s", REPLY_SKIP },
                { "q", REPLY_QUIT }, { " ? ", REPLY_HELP },
        };
        static const char *const invalid[] = {
                "x", "af!", "ad", "aa", "arf", "r", "p", "ap", "aoh", "sa", "allow", "A",
        };
        struct nx_answer answer;
        const char *problem;

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_int_equal(reply_parse(cases[i].line, &answer, &problem), cases[i].reply);
        for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
                problem = NULL;
                assert_int_equal(reply_parse(invalid[i], &answer, &problem), _REPLY_INVALID);
                assert_non_null(problem);
        }
}

static void test_objects(void **state)
{
        static const char *const invalid[] = {
                "",
                "x",
                "[]",
                "{}",
                "{\"question\": 0, \"verdict\": \"allow\"}",
                "{\"question\": \"3\", \"verdict\": \"allow\"}",
                "{\"question\": 3}",
                "{\"question\": 3, \"verdict\": \"deny\"}",
                "{\"question\": 3, \"verdict\": \"allow\", \"lifetime\": \"always\"}",
                "{\"question\": 3, \"verdict\": \"allow\", \"by\": \"host\"}",
                "{\"question\": 3, \"verdict\": \"allow\", \"by\": [\"user\"]}",
                "{\"question\": 3, \"verdict\": \"allow\", \"by\": [1]}",
                "{\"question\": 3, \"verdict\": \"allow\", \"verdict\": \"refuse\"}",
        };
        struct nx_answer answer;
        const char *problem;
        uint64_t question;

        assert_int_equal(reply_parse_json("{\"question\": 3, \"verdict\": \"refuse\"}", &question,
                                          &answer, &problem),
                         0);
        assert_int_equal(question, 3);
        assert_int_equal(answer.verdict, NX_VERDICT_REFUSE);
        assert_int_equal(answer.lifetime, NX_LIFETIME_ONCE);
        assert_int_equal(reply_parse_json("{\"by\": [\"port\", \"host\"], \"lifetime\": \"ever\", "
                                          "\"verdict\": \"allow\", \"question\": 4}",
                                          &question, &answer, &problem),
                         0);
        assert_int_equal(question, 4);
        assert_int_equal(answer.verdict, NX_VERDICT_ALLOW);
        assert_int_equal(answer.lifetime, NX_LIFETIME_EVER);
        assert_false(answer.by_program);
        assert_true(answer.by_host && answer.by_port);
        for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
                problem = NULL;
                assert_int_equal(reply_parse_json(invalid[i], &question, &answer, &problem),
                                 -EINVAL);
                assert_non_null(problem);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_letters),
                cmocka_unit_test(test_other_words),
                cmocka_unit_test(test_objects),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
