/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One direction of a flow that inspectors look at, as numbers: how far the bytes came, and how
 * far each inspector let them go. Offsets are absolute, count from the direction's start and
 * only grow; 2^64 bytes are for ever.
 *
 *      0 ────── released ────── pass of 2 ────── pass of 1 ────── received
 *        gone              2 looks at these  1 looks at these
 *
 * Rules:
 *  1. Inspectors stand in order. What is available to one is what all before it let pass; what
 *     all let pass is released. The end of the stream is handed on in the same way.
 *  2. A question shows an inspector the bytes from its pass offset on, at most show_max and at
 *     least what it wants to see first (its peek), or what there is when the end is available.
 *     A peek above peek_max counts as peek_max.
 *  3. One question is open for each inspector. While it lets nothing pass, the next one shows
 *     more than the one before: nothing is asked twice.
 *  4. When all that was available at the end has been shown, one last question tells that the
 *     stream is complete. The end goes on when it was answered and nothing is held.
 *  5. An inspector that paused is asked nothing until it decides.
 *  6. One that a question could not be sent to is asked again when that may have changed.
 *  7. Who holds bytes has to be able to decide: an inspector that was shown peek_max bytes at
 *     its pass offset, or was told that the stream is complete, and neither lets all of that go
 *     nor pauses, holds bytes that no question could free. That is -EDEADLK, and the flow's end.
 *     (It is no fault of a provider's channel: the other side may have provoked it.)
 *
 * So whenever nothing is open, nobody paused or busy, and nothing is released, each inspector holds
 * less than peek_max: a window of n_inspectors * peek_max bytes is never full for ever.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OFFSETS_FOR_EVER UINT64_MAX /* as NX_DATA_BYTES_MAX */

/* One inspector's. */
struct offsets_inspector {
        uint64_t pass;  /* lets go what is before; OFFSETS_FOR_EVER: sees nothing any more */
        uint64_t peek;  /* bytes behind pass that the next question shows at least */
        uint64_t shown; /* end of the last question since pass grew, if not below pass */
        uint64_t asked; /* where the open question began */
        bool is_asked;  /* a question is open */
        bool is_paused;
        bool is_busy; /* a question did not reach it */
        bool is_told; /* that the stream is complete */
};

struct offsets {
        struct offsets_inspector *inspectors; /* the caller's */
        unsigned int n_inspectors;
        uint64_t peek_max; /* what can be asked for */
        uint64_t show_max; /* what can be shown, not below peek_max */
        uint64_t received;
        bool is_ended; /* received is final */
};

/* Bytes [offset, offset + size) for an inspector; is_complete: that there is nothing more. */
struct offsets_question {
        unsigned int inspector;
        bool is_complete;
        uint64_t offset;
        uint64_t size;
        uint64_t shown; /* of the inspector, before: for offsets_withdraw() */
};

/* inspectors are borrowed until the last call. They want to see any bytes. */
void offsets_init(struct offsets *offsets, struct offsets_inspector *inspectors,
                  unsigned int n_inspectors, uint64_t peek_max, uint64_t show_max);

void offsets_receive(struct offsets *offsets, uint64_t size);
/* Nothing follows. */
void offsets_end(struct offsets *offsets);

/* The next question to ask, which is open from now on; false if there is none. */
bool offsets_ask(struct offsets *offsets, struct offsets_question *ret_question);

/* Only its first size bytes were sent, peek_max at least. */
void offsets_shorten(struct offsets *offsets, const struct offsets_question *question,
                     uint64_t size);
/* It could not be sent: as if it had not been asked, until offsets_retry(). */
void offsets_withdraw(struct offsets *offsets, const struct offsets_question *question);
void offsets_retry(struct offsets *offsets, unsigned int inspector);

/* The answer to the open question: its first pass_bytes may go (OFFSETS_FOR_EVER: all there will
 * be), and peek_bytes behind them are shown next. Without an open question as offsets_update(). */
int offsets_answer(struct offsets *offsets, unsigned int inspector, uint64_t pass_bytes,
                   uint64_t peek_bytes);
/* A decision that answers nothing: pass_bytes count from its pass offset. An open question stays
 * open. Both: 0 or -EDEADLK (rule 7). */
int offsets_update(struct offsets *offsets, unsigned int inspector, uint64_t pass_bytes,
                   uint64_t peek_bytes);
void offsets_pause(struct offsets *offsets, unsigned int inspector, bool is_answer);
/* The inspector leaves this direction. */
void offsets_let_pass(struct offsets *offsets, unsigned int inspector);

/* Bytes before it may leave. */
uint64_t offsets_released(const struct offsets *offsets);
/* Somebody wants to see more of it. */
bool offsets_is_watched(const struct offsets *offsets);
/* The end may leave, too. */
bool offsets_is_finished(const struct offsets *offsets);
