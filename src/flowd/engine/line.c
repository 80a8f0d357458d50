/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A flow begins anew with the second datagram behind a first one: that costs a transaction of the
 * kernel's, and many programs say two things at once and then nothing (a name's two questions).
 * There must not be two first ones at a time, so the flow begins anew once until the next has come.
 *
 * Its next datagram goes on without the queue if the program pauses for as long as one is in there.
 * A program that speaks without a pause, and faster than we, never does: after PATIENCE of them the
 * flow goes on without the queue, and its datagrams can overtake those that are there. Some that
 * are on their way into the queue just then make it line up once more, so that is tried again.
 */

#include "engine/intake.h"
#include "engine/line.h"
#include "flow/flow.h"
#include "steer/passed.h"

#define LINED_BEFORE_ANEW 2
#define PATIENCE          4096
#define TRY_AGAIN         64

static void take_first(struct flow *flow)
{
        if (!flow->has_begun_anew && flow->n_lined > 1)
                flow->n_lined = 1; /* the kernel has forgotten that, but not all of it */
        flow->has_begun_anew = false;
        flow->n_behind = 0;
}

static bool has_passed(const struct flow *flow)
{
        return flow->verdict == NX_VERDICT_ALLOW && !flow->closed_ns && !flow->is_delivered;
}

static void settle(struct intake *intake, struct flow *flow)
{
        flow->n_lined -= TRY_AGAIN;
        queue_flush(intake->queue);
        passed_settle(intake->passed, &flow->local, &flow->remote);
}

static void begin_anew(struct intake *intake, struct flow *flow)
{
        flow->has_begun_anew = true;
        queue_flush(intake->queue);
        passed_line_up(intake->passed, &flow->local, &flow->remote);
}

bool line_take(struct intake *intake, struct flow *flow, struct queue_held held)
{
        bool is_in_line = flow->n_lined > 0 || flow->has_begun_anew;

        if (flow->protocol != IPPROTO_UDP || flow->direction != NX_DIRECTION_OUTBOUND)
                return false;
        flow->was_queued = true;
        if (!queue_is_lined(intake->queue, held)) {
                take_first(flow);
                return is_in_line;
        }
        flow->n_lined++;
        flow->n_behind++;
        if (!has_passed(flow))
                return is_in_line;
        if (flow->n_lined >= PATIENCE)
                settle(intake, flow);
        else if (flow->n_behind >= LINED_BEFORE_ANEW && !flow->has_begun_anew)
                begin_anew(intake, flow);
        return is_in_line;
}
