/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A flow that passed meets what decides of flows now, as if it had just begun: all rules, and those
 * filters that were never asked about it. It goes on while they think. One that was asked is not
 * asked again, for it can change its verdict by itself; and proxies get flows only as they begin.
 */

#include "chain/chain.h"

enum again {
        AGAIN_STAYS,
        AGAIN_ASKED, /* a filter, or what is in the program, has yet to tell */
        AGAIN_ENDED,
        AGAIN_OVER, /* it was before */
};

/* What becomes of the flow, or a negative errno: it is denied, and goes on (see ending_end()). */
int again_judge(struct chain *chain, struct flow *flow);
/* For walk.c: the verdict on one that is judged again. */
void again_decided(struct chain *chain, struct flow *flow, enum nx_verdict verdict);
