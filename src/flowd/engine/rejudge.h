/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Judges all open flows again (NX_MSG_FLOWD_FLOWS_REJUDGE), those that are older than we included:
 * what is denied now ends, both ways. In pieces, since new flows wait meanwhile.
 */

#include <stdbool.h>
#include <stdint.h>

struct chain;
struct intake;

struct rejudging {
        uint64_t request; /* 0: none is under way */
        uint64_t next;    /* the flow to look for next */
        uint64_t last;
        uint64_t n_allowed, n_asked, n_ended, n_not_ended;
};

void rejudge_begin(struct rejudging *rejudging, struct intake *intake, uint64_t request);
/* The next flows; false: those were the last. */
bool rejudge_go_on(struct rejudging *rejudging, struct chain *chain);
