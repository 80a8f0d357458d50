/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A walk along the inspectors carries with it how far the bytes, and whether the end, got past
 * those before: that is all that one inspector knows of the others. It decides what each may be
 * asked, and behind the last one what leaves.
 */

#include <errno.h>

#include "inspect/offsets.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

/* For ever, where the sum would not fit. */
static uint64_t add(uint64_t a, uint64_t b)
{
        return a > OFFSETS_FOR_EVER - b ? OFFSETS_FOR_EVER : a + b;
}

void offsets_init(struct offsets *offsets, struct offsets_inspector *inspectors,
                  unsigned int n_inspectors, uint64_t peek_max, uint64_t show_max)
{
        *offsets = (struct offsets){
                .inspectors = inspectors,
                .n_inspectors = n_inspectors,
                .peek_max = peek_max,
                .show_max = show_max,
        };
        for (unsigned int i = 0; i < n_inspectors; i++)
                inspectors[i] = (struct offsets_inspector){};
}

void offsets_receive(struct offsets *offsets, uint64_t size)
{
        offsets->received = add(offsets->received, size);
}

void offsets_end(struct offsets *offsets)
{
        offsets->is_ended = true;
}

/* --- the walk ------------------------------------------------------------------------- */

/* What got past the inspectors so far. */
struct front {
        uint64_t available;
        bool is_end; /* available is all there will be */
};

static struct front front_of(const struct offsets *offsets)
{
        return (struct front){ .available = offsets->received, .is_end = offsets->is_ended };
}

static bool lets_end_pass(const struct offsets *offsets, const struct offsets_inspector *inspector)
{
        if (inspector->pass == OFFSETS_FOR_EVER)
                return true;
        return inspector->is_told && !inspector->is_asked && !inspector->is_paused &&
               inspector->pass >= offsets->received;
}

static void front_pass(struct front *front, const struct offsets *offsets,
                       const struct offsets_inspector *inspector)
{
        front->available = smaller(front->available, inspector->pass);
        front->is_end = front->is_end && lets_end_pass(offsets, inspector);
}

static struct front front_behind_all(const struct offsets *offsets)
{
        struct front front = front_of(offsets);

        for (unsigned int i = 0; i < offsets->n_inspectors; i++)
                front_pass(&front, offsets, &offsets->inspectors[i]);
        return front;
}

/* --- questions ------------------------------------------------------------------------ */

static bool may_be_asked(const struct offsets_inspector *inspector)
{
        return inspector->pass != OFFSETS_FOR_EVER && !inspector->is_asked &&
               !inspector->is_paused && !inspector->is_busy;
}

/* Where its next question would end. */
static uint64_t end_of_show(const struct offsets *offsets,
                            const struct offsets_inspector *inspector, const struct front *front)
{
        return smaller(front->available, add(inspector->pass, offsets->show_max));
}

static bool has_to_see(const struct offsets *offsets, const struct offsets_inspector *inspector,
                       const struct front *front)
{
        uint64_t end = end_of_show(offsets, inspector, front);

        if (end <= inspector->pass || end <= inspector->shown)
                return false;
        return front->is_end ||
               end - inspector->pass >= smaller(inspector->peek, offsets->peek_max);
}

static bool has_seen_all(const struct offsets *offsets, const struct offsets_inspector *inspector,
                         const struct front *front)
{
        return front->is_end && !inspector->is_told && !has_to_see(offsets, inspector, front);
}

static void ask(struct offsets_inspector *inspector, const struct offsets_question *question)
{
        inspector->is_asked = true;
        inspector->asked = question->offset;
        inspector->is_told = question->is_complete;
        if (!question->is_complete)
                inspector->shown = question->offset + question->size;
}

/* False: there is nothing to ask it. */
static bool find_question(const struct offsets *offsets, unsigned int i, const struct front *front,
                          struct offsets_question *ret_question)
{
        const struct offsets_inspector *inspector = &offsets->inspectors[i];
        bool is_complete = has_seen_all(offsets, inspector, front);

        if (!may_be_asked(inspector) || (!is_complete && !has_to_see(offsets, inspector, front)))
                return false;
        *ret_question = (struct offsets_question){
                .inspector = i,
                .is_complete = is_complete,
                .offset = inspector->pass,
                .shown = inspector->shown,
        };
        if (!is_complete)
                ret_question->size = end_of_show(offsets, inspector, front) - inspector->pass;
        return true;
}

bool offsets_ask(struct offsets *offsets, struct offsets_question *ret_question)
{
        struct front front = front_of(offsets);

        for (unsigned int i = 0; i < offsets->n_inspectors; i++) {
                struct offsets_inspector *inspector = &offsets->inspectors[i];

                if (find_question(offsets, i, &front, ret_question)) {
                        ask(inspector, ret_question);
                        return true;
                }
                front_pass(&front, offsets, inspector);
        }
        return false;
}

void offsets_shorten(struct offsets *offsets, const struct offsets_question *question,
                     uint64_t size)
{
        offsets->inspectors[question->inspector].shown = question->offset + size;
}

void offsets_withdraw(struct offsets *offsets, const struct offsets_question *question)
{
        struct offsets_inspector *inspector = &offsets->inspectors[question->inspector];

        inspector->is_asked = false;
        inspector->is_told = false;
        inspector->is_busy = true;
        inspector->shown = question->shown;
}

void offsets_retry(struct offsets *offsets, unsigned int inspector)
{
        offsets->inspectors[inspector].is_busy = false;
}

/* --- decisions ------------------------------------------------------------------------ */

static void raise(struct offsets_inspector *inspector, uint64_t pass)
{
        if (pass <= inspector->pass)
                return;
        inspector->pass = pass;
        inspector->shown = pass;
}

static bool is_stuck(const struct offsets *offsets, const struct offsets_inspector *inspector)
{
        if (!may_be_asked(inspector))
                return false;
        if (inspector->is_told)
                return inspector->pass < offsets->received;
        return inspector->shown >= add(inspector->pass, offsets->peek_max);
}

static int decide(struct offsets *offsets, struct offsets_inspector *inspector, uint64_t pass,
                  uint64_t peek_bytes)
{
        inspector->is_paused = false;
        inspector->peek = peek_bytes;
        raise(inspector, pass);
        return is_stuck(offsets, inspector) ? -EDEADLK : 0;
}

int offsets_answer(struct offsets *offsets, unsigned int inspector, uint64_t pass_bytes,
                   uint64_t peek_bytes)
{
        struct offsets_inspector *who = &offsets->inspectors[inspector];

        if (!who->is_asked)
                return offsets_update(offsets, inspector, pass_bytes, peek_bytes);
        who->is_asked = false;
        return decide(offsets, who, add(who->asked, pass_bytes), peek_bytes);
}

int offsets_update(struct offsets *offsets, unsigned int inspector, uint64_t pass_bytes,
                   uint64_t peek_bytes)
{
        struct offsets_inspector *who = &offsets->inspectors[inspector];

        return decide(offsets, who, add(who->pass, pass_bytes), peek_bytes);
}

void offsets_pause(struct offsets *offsets, unsigned int inspector, bool is_answer)
{
        struct offsets_inspector *who = &offsets->inspectors[inspector];

        if (is_answer)
                who->is_asked = false;
        who->is_paused = true;
}

void offsets_let_pass(struct offsets *offsets, unsigned int inspector)
{
        raise(&offsets->inspectors[inspector], OFFSETS_FOR_EVER);
}

/* --- what leaves ---------------------------------------------------------------------- */

uint64_t offsets_released(const struct offsets *offsets)
{
        return front_behind_all(offsets).available;
}

bool offsets_is_watched(const struct offsets *offsets)
{
        for (unsigned int i = 0; i < offsets->n_inspectors; i++)
                if (offsets->inspectors[i].pass != OFFSETS_FOR_EVER)
                        return true;
        return false;
}

bool offsets_is_finished(const struct offsets *offsets)
{
        return front_behind_all(offsets).is_end;
}
