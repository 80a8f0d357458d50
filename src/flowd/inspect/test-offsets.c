/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The rules of offsets.h one by one, and then random histories against a model that knows only
 * what was said: NX_TEST_SEED=number repeats a run.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "inspect/offsets.h"

#define N_INSPECTORS_MAX 6
#define PEEK_MAX         8
#define SHOW_MAX         20

struct direction {
        struct offsets offsets;
        struct offsets_inspector inspectors[N_INSPECTORS_MAX];
};

static void begin(struct direction *direction, unsigned int n_inspectors)
{
        offsets_init(&direction->offsets, direction->inspectors, n_inspectors, PEEK_MAX, SHOW_MAX);
}

static void assert_shows(struct direction *direction, unsigned int inspector, uint64_t offset,
                         uint64_t size)
{
        struct offsets_question question;

        assert_true(offsets_ask(&direction->offsets, &question));
        assert_int_equal(question.inspector, inspector);
        assert_false(question.is_complete);
        assert_int_equal(question.offset, offset);
        assert_int_equal(question.size, size);
}

static void assert_tells_complete(struct direction *direction, unsigned int inspector)
{
        struct offsets_question question;

        assert_true(offsets_ask(&direction->offsets, &question));
        assert_int_equal(question.inspector, inspector);
        assert_true(question.is_complete);
}

static void assert_quiet(struct direction *direction)
{
        struct offsets_question question;

        assert_false(offsets_ask(&direction->offsets, &question));
}

static void test_bytes_leave_when_all_let_them(void **state)
{
        struct direction it;

        begin(&it, 2);
        offsets_receive(&it.offsets, 5);
        assert_shows(&it, 0, 0, 5);
        assert_quiet(&it);
        assert_int_equal(offsets_answer(&it.offsets, 0, 3, 3), 0);
        assert_int_equal(offsets_released(&it.offsets), 0);
        assert_shows(&it, 1, 0, 3);
        assert_int_equal(offsets_answer(&it.offsets, 1, 2, 0), 0);
        assert_int_equal(offsets_released(&it.offsets), 2);
        assert_shows(&it, 1, 2, 1);
        assert_quiet(&it);
}

static void test_a_peek_is_waited_for(void **state)
{
        struct direction it;

        begin(&it, 1);
        it.inspectors[0].peek = 4;
        offsets_receive(&it.offsets, 3);
        assert_quiet(&it);
        offsets_receive(&it.offsets, 2);
        assert_shows(&it, 0, 0, 5);
}

static void test_a_peek_beyond_what_fits_is_what_fits(void **state)
{
        struct direction it;

        begin(&it, 1);
        it.inspectors[0].peek = UINT64_MAX - 1;
        offsets_receive(&it.offsets, PEEK_MAX - 1);
        assert_quiet(&it);
        offsets_receive(&it.offsets, 1);
        assert_shows(&it, 0, 0, PEEK_MAX);
        assert_int_equal(offsets_answer(&it.offsets, 0, 1, UINT64_MAX), 0);
        offsets_receive(&it.offsets, SHOW_MAX);
        assert_shows(&it, 0, 1, SHOW_MAX);
}

static void test_what_was_not_shown_is_shown_next(void **state)
{
        struct offsets_question question;
        struct direction it;

        begin(&it, 1);
        offsets_receive(&it.offsets, SHOW_MAX);
        assert_true(offsets_ask(&it.offsets, &question));
        offsets_shorten(&it.offsets, &question, PEEK_MAX);
        assert_int_equal(offsets_answer(&it.offsets, 0, PEEK_MAX, 0), 0);
        assert_shows(&it, 0, PEEK_MAX, SHOW_MAX - PEEK_MAX);
}

static void test_nothing_is_asked_twice(void **state)
{
        struct direction it;

        begin(&it, 1);
        offsets_receive(&it.offsets, 3);
        assert_shows(&it, 0, 0, 3);
        assert_int_equal(offsets_answer(&it.offsets, 0, 0, 0), 0);
        assert_quiet(&it);
        offsets_receive(&it.offsets, 1);
        assert_shows(&it, 0, 0, 4);
}

static void test_bytes_can_be_let_go_before_they_come(void **state)
{
        struct direction it;

        begin(&it, 1);
        offsets_receive(&it.offsets, 2);
        assert_shows(&it, 0, 0, 2);
        assert_int_equal(offsets_answer(&it.offsets, 0, 5, 0), 0);
        offsets_receive(&it.offsets, 2);
        assert_quiet(&it);
        assert_int_equal(offsets_released(&it.offsets), 4);
        offsets_receive(&it.offsets, 2);
        assert_shows(&it, 0, 5, 1);
}

static void test_sums_end_at_for_ever(void **state)
{
        struct direction it;

        begin(&it, 1);
        offsets_receive(&it.offsets, 2);
        assert_shows(&it, 0, 0, 2);
        assert_int_equal(offsets_answer(&it.offsets, 0, 1, 0), 0);
        assert_shows(&it, 0, 1, 1);
        assert_int_equal(offsets_answer(&it.offsets, 0, UINT64_MAX - 1, 0), 0);
        assert_false(offsets_is_watched(&it.offsets));
        offsets_end(&it.offsets);
        assert_quiet(&it);
        assert_true(offsets_is_finished(&it.offsets));
}

static void test_who_paused_is_asked_after_an_update(void **state)
{
        struct direction it;

        begin(&it, 1);
        offsets_receive(&it.offsets, 3);
        assert_shows(&it, 0, 0, 3);
        offsets_pause(&it.offsets, 0, true);
        offsets_receive(&it.offsets, 3);
        assert_quiet(&it);
        assert_int_equal(offsets_update(&it.offsets, 0, 2, 0), 0);
        assert_int_equal(offsets_released(&it.offsets), 2);
        assert_shows(&it, 0, 2, 4);
}

static void test_an_update_leaves_a_question_open(void **state)
{
        struct direction it;

        begin(&it, 1);
        offsets_receive(&it.offsets, 6);
        assert_shows(&it, 0, 0, 6);
        assert_int_equal(offsets_update(&it.offsets, 0, 4, 0), 0);
        assert_int_equal(offsets_released(&it.offsets), 4);
        assert_quiet(&it);
        assert_int_equal(offsets_answer(&it.offsets, 0, 5, 0), 0);
        assert_int_equal(offsets_released(&it.offsets), 5);
        assert_shows(&it, 0, 5, 1);
}

static void test_an_answer_takes_nothing_back(void **state)
{
        struct direction it;

        begin(&it, 1);
        offsets_receive(&it.offsets, 6);
        assert_shows(&it, 0, 0, 6);
        assert_int_equal(offsets_update(&it.offsets, 0, 4, 0), 0);
        assert_int_equal(offsets_answer(&it.offsets, 0, 1, 0), 0);
        assert_int_equal(offsets_released(&it.offsets), 4);
}

static void test_the_end_is_told_in_order(void **state)
{
        struct direction it;

        begin(&it, 2);
        it.inspectors[0].peek = it.inspectors[1].peek = 5;
        offsets_receive(&it.offsets, 3);
        offsets_end(&it.offsets);
        assert_shows(&it, 0, 0, 3);
        assert_int_equal(offsets_answer(&it.offsets, 0, 3, 5), 0);
        assert_tells_complete(&it, 0);
        assert_quiet(&it);
        assert_int_equal(offsets_answer(&it.offsets, 0, 0, 0), 0);
        assert_shows(&it, 1, 0, 3);
        assert_false(offsets_is_finished(&it.offsets));
        assert_int_equal(offsets_answer(&it.offsets, 1, 1, 5), 0);
        assert_shows(&it, 1, 1, 2);
        assert_int_equal(offsets_answer(&it.offsets, 1, 0, 0), 0);
        assert_tells_complete(&it, 1);
        assert_int_equal(offsets_answer(&it.offsets, 1, 2, 0), 0);
        assert_quiet(&it);
        assert_true(offsets_is_finished(&it.offsets));
}

static void test_an_empty_stream_is_complete(void **state)
{
        struct direction it;

        begin(&it, 1);
        offsets_end(&it.offsets);
        assert_tells_complete(&it, 0);
        assert_false(offsets_is_finished(&it.offsets));
        offsets_pause(&it.offsets, 0, true);
        assert_false(offsets_is_finished(&it.offsets));
        assert_int_equal(offsets_update(&it.offsets, 0, 0, 0), 0);
        assert_true(offsets_is_finished(&it.offsets));
}

static void test_who_holds_has_to_decide(void **state)
{
        struct direction it;

        begin(&it, 1);
        offsets_receive(&it.offsets, PEEK_MAX);
        assert_shows(&it, 0, 0, PEEK_MAX);
        assert_int_equal(offsets_answer(&it.offsets, 0, 0, 2 * PEEK_MAX), -EDEADLK);

        begin(&it, 1);
        offsets_receive(&it.offsets, 2);
        offsets_end(&it.offsets);
        assert_shows(&it, 0, 0, 2);
        assert_int_equal(offsets_answer(&it.offsets, 0, 0, 0), 0);
        assert_tells_complete(&it, 0);
        assert_int_equal(offsets_answer(&it.offsets, 0, 1, 0), -EDEADLK);
}

static void test_who_leaves_holds_nothing(void **state)
{
        struct direction it;

        begin(&it, 2);
        offsets_receive(&it.offsets, 2);
        offsets_end(&it.offsets);
        assert_shows(&it, 0, 0, 2);
        offsets_let_pass(&it.offsets, 0);
        assert_shows(&it, 1, 0, 2);
        offsets_let_pass(&it.offsets, 1);
        assert_quiet(&it);
        assert_int_equal(offsets_released(&it.offsets), 2);
        assert_true(offsets_is_finished(&it.offsets));
}

/* --- random histories ----------------------------------------------------------------- */

#define N_HISTORIES 20000
#define STREAM_MAX  200
#define STEPS_MAX   300

/* What an inspector said and was shown, and nothing of how. */
struct witness {
        uint64_t pass;
        uint64_t view_end; /* bytes before it were shown, or let go unseen */
        bool is_open, is_paused, is_busy, was_told;
        struct offsets_question question;
};

struct history {
        struct direction it;
        struct witness witnesses[N_INSPECTORS_MAX];
        unsigned int n;
        unsigned char source[STREAM_MAX];
        unsigned char sink[STREAM_MAX];
        uint64_t size, received, written, window;
        bool is_ended, is_cut;
};

static uint64_t seed;

/* splitmix64 */
static uint64_t random_number(void)
{
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
}

static uint64_t below(uint64_t limit)
{
        return limit ? random_number() % limit : 0;
}

static uint64_t add(uint64_t a, uint64_t b)
{
        return a + b < a ? UINT64_MAX : a + b;
}

/* How far those before let the bytes come. */
static uint64_t model_front(const struct history *history, unsigned int n_before)
{
        uint64_t front = history->received;

        for (unsigned int i = 0; i < n_before; i++)
                if (history->witnesses[i].pass < front)
                        front = history->witnesses[i].pass;
        return front;
}

static void check_shown(struct history *history, const struct offsets_question *question)
{
        struct witness *witness = &history->witnesses[question->inspector];
        uint64_t end = question->offset + question->size;

        assert_in_range(question->size, 1, SHOW_MAX);
        assert_true(end <= model_front(history, question->inspector));
        assert_true(question->offset <= witness->view_end || question->offset == witness->pass);
        assert_true(question->offset >= history->written); /* still in the window */
        if (question->offset == witness->question.offset)
                assert_true(end > question->offset + witness->question.size); /* is new */
        if (end > witness->view_end)
                witness->view_end = end;
}

static void check_told(struct history *history, const struct offsets_question *question)
{
        struct witness *witness = &history->witnesses[question->inspector];

        assert_true(history->is_ended);
        assert_false(witness->was_told);
        assert_int_equal(model_front(history, question->inspector), history->received);
        assert_true(witness->view_end >= history->received || witness->pass >= history->received);
        for (unsigned int i = 0; i < question->inspector; i++)
                assert_true(history->witnesses[i].pass == UINT64_MAX ||
                            (history->witnesses[i].was_told && !history->witnesses[i].is_open));
        witness->was_told = true;
}

static void ask_all(struct history *history)
{
        struct offsets_question question;
        unsigned int n = 0;

        while (offsets_ask(&history->it.offsets, &question)) {
                struct witness *witness = &history->witnesses[question.inspector];

                assert_true(++n <= history->n);
                assert_false(witness->is_open || witness->is_paused || witness->is_busy);
                assert_int_equal(question.offset, witness->pass);
                if (below(10) == 0) {
                        witness->is_busy = true;
                        offsets_withdraw(&history->it.offsets, &question);
                        continue;
                }
                if (question.size > PEEK_MAX && below(3) == 0) {
                        question.size = PEEK_MAX + below(question.size - PEEK_MAX);
                        offsets_shorten(&history->it.offsets, &question, question.size);
                }
                if (question.is_complete)
                        check_told(history, &question);
                else
                        check_shown(history, &question);
                witness->is_open = true;
                witness->question = question;
        }
}

static void receive(struct history *history)
{
        uint64_t room = history->window - (history->received - history->written);
        uint64_t rest = history->size - history->received;
        uint64_t n = below((room < rest ? room : rest) + 1);

        if (history->is_ended)
                return;
        history->received += n;
        offsets_receive(&history->it.offsets, n);
        if (history->received == history->size && below(2)) {
                history->is_ended = true;
                offsets_end(&history->it.offsets);
        }
}

static void write_some(struct history *history)
{
        uint64_t released = offsets_released(&history->it.offsets);
        uint64_t n;

        assert_int_equal(released, model_front(history, history->n));
        assert_true(released >= history->written);
        n = below(released - history->written + 1);
        memcpy(history->sink + history->written, history->source + history->written, n);
        history->written += n;
}

static uint64_t random_size(void)
{
        static const uint64_t sizes[] = { 0,         1, 3, PEEK_MAX, PEEK_MAX + 1, UINT64_MAX - 2,
                                          UINT64_MAX };

        return below(3) ? below(PEEK_MAX + 1) : sizes[below(12) ? below(5) : below(7)];
}

/* It said nothing of use about bytes that it cannot be shown more of. */
static bool model_is_stuck(const struct history *history, const struct witness *witness)
{
        uint64_t end = witness->question.offset + witness->question.size;

        return !witness->is_open && witness->pass < history->received &&
               (witness->was_told || end >= witness->pass + PEEK_MAX);
}

static void raise_witness(struct witness *witness, uint64_t pass)
{
        if (pass > witness->pass)
                witness->pass = pass;
}

static void decide(struct history *history, unsigned int i, bool is_answer, uint64_t pass,
                   uint64_t peek)
{
        struct witness *witness = &history->witnesses[i];
        int r;

        is_answer = is_answer && witness->is_open;
        raise_witness(witness, add(is_answer ? witness->question.offset : witness->pass, pass));
        witness->is_paused = false;
        if (is_answer)
                witness->is_open = false;
        r = is_answer ? offsets_answer(&history->it.offsets, i, pass, peek)
                      : offsets_update(&history->it.offsets, i, pass, peek);
        if (r == 0)
                return;
        assert_int_equal(r, -EDEADLK);
        assert_true(model_is_stuck(history, witness));
        history->is_cut = true;
}

static void make_pause(struct history *history, unsigned int i, bool is_answer)
{
        history->witnesses[i].is_paused = history->witnesses[i].pass != UINT64_MAX;
        if (is_answer)
                history->witnesses[i].is_open = false;
        offsets_pause(&history->it.offsets, i, is_answer);
}

static void retry(struct history *history, unsigned int i)
{
        history->witnesses[i].is_busy = false;
        offsets_retry(&history->it.offsets, i);
}

static void leave(struct history *history, unsigned int i)
{
        history->witnesses[i].pass = UINT64_MAX;
        history->witnesses[i].is_paused = false;
        offsets_let_pass(&history->it.offsets, i);
}

/* A question of somebody who left needs no answer. */
static bool is_waited_for(const struct witness *witness)
{
        return witness->pass != UINT64_MAX &&
               (witness->is_open || witness->is_paused || witness->is_busy);
}

/* If it is nobody's turn here, then it is the peers'. */
static void check_wake_up(struct history *history)
{
        ask_all(history);
        for (unsigned int i = 0; i < history->n; i++)
                if (is_waited_for(&history->witnesses[i]))
                        return;
        if (offsets_released(&history->it.offsets) > history->written)
                return;
        if (history->is_ended)
                assert_true(offsets_is_finished(&history->it.offsets));
        else
                assert_true(history->received - history->written < history->window);
}

static void step(struct history *history)
{
        unsigned int i = (unsigned int)below(history->n);

        switch (below(17)) {
        case 0 ... 4:
                receive(history);
                break;
        case 5 ... 6:
                write_some(history);
                break;
        case 7 ... 12:
                if (history->witnesses[i].is_open)
                        decide(history, i, true, below(2) ? SHOW_MAX : random_size(),
                               random_size());
                break;
        case 13:
                make_pause(history, i, below(2));
                break;
        case 14:
                decide(history, i, false, random_size(), random_size());
                break;
        case 15:
                retry(history, i);
                break;
        default:
                if (below(20) == 0)
                        leave(history, i);
        }
}

/* Whoever has to say something says that all there is may go. */
static void settle(struct history *history)
{
        for (unsigned int i = 0; i < history->n && !history->is_cut; i++)
                if (history->witnesses[i].is_busy)
                        retry(history, i);
                else if (is_waited_for(&history->witnesses[i]))
                        decide(history, i, true, STREAM_MAX, below(3));
}

static void run_history(struct history *history)
{
        for (unsigned int steps = 0; steps < STEPS_MAX && !history->is_cut; steps++) {
                step(history);
                if (!history->is_cut)
                        check_wake_up(history);
                assert_true(history->received - history->written <= history->window);
        }
        while (!history->is_cut && !(history->is_ended && history->written == history->size &&
                                     offsets_is_finished(&history->it.offsets))) {
                receive(history);
                write_some(history);
                check_wake_up(history);
                settle(history);
        }
        assert_memory_equal(history->sink, history->source, history->written);
}

static void test_random_histories(void **state)
{
        unsigned int n_cut = 0;

        for (unsigned int i = 0; i < N_HISTORIES; i++) {
                struct history history = { .n = 1 + (unsigned int)below(N_INSPECTORS_MAX),
                                           .size = below(STREAM_MAX + 1) };

                history.window = history.n * (PEEK_MAX + below(2) * SHOW_MAX);
                begin(&history.it, history.n);
                for (unsigned int k = 0; k < history.n; k++)
                        history.it.inspectors[k].peek = random_size();
                for (unsigned int k = 0; k < history.size; k++)
                        history.source[k] = (unsigned char)random_number();
                run_history(&history);
                n_cut += history.is_cut;
        }
        assert_true(n_cut < N_HISTORIES / 2);
}

int main(void)
{
        const char *wanted = getenv("NX_TEST_SEED");
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes_leave_when_all_let_them),
                cmocka_unit_test(test_a_peek_is_waited_for),
                cmocka_unit_test(test_a_peek_beyond_what_fits_is_what_fits),
                cmocka_unit_test(test_what_was_not_shown_is_shown_next),
                cmocka_unit_test(test_nothing_is_asked_twice),
                cmocka_unit_test(test_bytes_can_be_let_go_before_they_come),
                cmocka_unit_test(test_sums_end_at_for_ever),
                cmocka_unit_test(test_who_paused_is_asked_after_an_update),
                cmocka_unit_test(test_an_update_leaves_a_question_open),
                cmocka_unit_test(test_an_answer_takes_nothing_back),
                cmocka_unit_test(test_the_end_is_told_in_order),
                cmocka_unit_test(test_an_empty_stream_is_complete),
                cmocka_unit_test(test_who_holds_has_to_decide),
                cmocka_unit_test(test_who_leaves_holds_nothing),
                cmocka_unit_test(test_random_histories),
        };

        seed = wanted ? strtoull(wanted, NULL, 0) : (uint64_t)time(NULL);
        printf("NX_TEST_SEED=%llu\n", (unsigned long long)seed);
        return cmocka_run_group_tests_name("offsets", tests, NULL, NULL);
}
