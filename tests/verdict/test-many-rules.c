/* SPDX-License-Identifier: Apache-2.0 */

/* Rules that are found by what they name, beside the same rules looked at one by one. */

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "judging.h"

static void the_last_of_ten_thousand_rules_is_reached(void **state)
{
        static struct steer_rule rules[STEER_RULES_MAX];

        for (uint32_t i = 0; i < STEER_RULES_MAX; i++) {
                rules[i] = rule(STEER_ALLOW);
                rules[i].port_first = rules[i].port_last = (uint16_t)(1000 + i);
        }
        rules[STEER_RULES_MAX - 1].action = STEER_DENY;
        put_rules(0, STEER_ASK, true, rules, STEER_RULES_MAX);
        put_chain("0");
        assert_int_equal(judge_to("198.18.0.1", 1000 + STEER_RULES_MAX - 1).verdict, STEER_DENY);
        assert_int_equal(judge_to("198.18.0.1", 1000 + STEER_RULES_MAX - 1).rule, STEER_RULES_MAX);
}

static const char *const PLACES[] = { "198.18.0.1", "198.18.0.2", "198.19.0.1", "fd00::1",
                                      "fd00:1::1" };
static const char *const PROGRAMS[] = { "/usr/bin/curl", "/usr/bin/wget", "/bin/nc" };

static struct steer_rule any_rule(void)
{
        static const unsigned int prefixes[] = { 0, 8, 96, 111, 112, 127, 128 };
        struct steer_rule any = rule(random() % 2 ? STEER_ALLOW : STEER_DENY);

        if (random() % 4)
                to_network(&any, PLACES[random() % 5], prefixes[random() % 7]);
        if (random() % 2)
                any.program = hooks_hash_path(hooks, PROGRAMS[random() % 3]);
        if (random() % 8 == 0)
                any.digest = 1 + (__u64)random() % 3;
        if (random() % 4 == 0)
                any.uid = 1000 + (__u32)random() % 2;
        if (random() % 2)
                any.port_first = any.port_last = (__u16)(80 + random() % 3);
        if (random() % 8 == 0)
                any.port_last = any.port_first + 1;
        if (random() % 4 == 0)
                any.protocol = random() % 2 ? IPPROTO_TCP : IPPROTO_UDP;
        if (random() % 4 == 0)
                any.local_port_first = any.local_port_last = (__u16)(443 + random() % 3);
        if (random() % 8 == 0)
                any.local_port_last = any.local_port_first + 1;
        if (random() % 8 == 0) {
                any.local = address(PLACES[random() % 5]);
                any.local_prefix = (__u8)prefixes[random() % 7];
        }
        if (random() % 4 == 0)
                any.domain = 100 + (__u32)random() % 20;
        return any;
}

static struct steer_question any_question(void)
{
        struct steer_question any = question(PLACES[random() % 5], (__u16)(80 + random() % 4),
                                             random() % 2 ? IPPROTO_TCP : IPPROTO_UDP);

        any.path_hash = random() % 4 ? hooks_hash_path(hooks, PROGRAMS[random() % 3]) : 0;
        any.digest = (__u64)random() % 4; /* 0: not known */
        any.uid = 1000 + (__u32)random() % 3;
        any.local = address(PLACES[random() % 5]);
        any.local_port = (__u16)(443 + random() % 4);
        return any;
}

#define N_QUESTIONS 50

/* By so few rules at a time that they are looked at one by one. */
static void judge_in_pieces(const struct steer_rule *rules, uint32_t n_rules,
                            const struct steer_question questions[static N_QUESTIONS],
                            struct steer_outcome ret_outcomes[static N_QUESTIONS])
{
        const uint32_t piece = 10;

        for (uint32_t first = 0; first < n_rules; first += piece) {
                put_rules(0, STEER_ASK, true, rules + first,
                          n_rules - first < piece ? n_rules - first : piece);
                for (unsigned int i = 0; i < N_QUESTIONS; i++) {
                        if (ret_outcomes[i].rule)
                                continue;
                        ret_outcomes[i] = judge(questions[i]);
                        ret_outcomes[i].rule += ret_outcomes[i].rule ? first : 0;
                }
        }
}

static void many_rules_answer_like_few(void **state)
{
        struct steer_question questions[N_QUESTIONS];
        struct steer_rule rules[200];
        unsigned int n_late = 0;

        put_chain("0");
        srandom(1);
        for (unsigned int i = 0; i < 30; i++) {
                struct steer_address place = address(PLACES[random() % 5]);

                assert_int_equal(hooks_set_name(hooks, &place, 100 + (__u32)random() % 20,
                                                now_ns() + 60000000000ULL),
                                 0);
        }
        for (unsigned int round = 0; round < 40; round++) {
                struct steer_outcome expected[N_QUESTIONS] = {}, outcome;
                uint32_t n_rules = 17 + (uint32_t)random() % (ARRAY_SIZE(rules) - 16);

                for (uint32_t i = 0; i < n_rules; i++)
                        rules[i] = any_rule();
                for (unsigned int i = 0; i < N_QUESTIONS; i++)
                        questions[i] = any_question();
                judge_in_pieces(rules, n_rules, questions, expected);
                put_rules(0, STEER_ASK, true, rules, n_rules);
                for (unsigned int i = 0; i < N_QUESTIONS; i++) {
                        outcome = judge(questions[i]);
                        assert_int_equal(outcome.rule, expected[i].rule);
                        assert_int_equal(outcome.verdict, expected[i].verdict);
                        assert_int_equal(outcome.wants_digest, expected[i].wants_digest);
                        n_late += outcome.rule > 16;
                }
        }
        assert_true(n_late > 100);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_last_of_ten_thousand_rules_is_reached),
                cmocka_unit_test(many_rules_answer_like_few),
        };

        return cmocka_run_group_tests(tests, judging_begin, judging_end);
}
