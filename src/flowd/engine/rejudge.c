/* SPDX-License-Identifier: Apache-2.0 */

/* Flow numbers are dense, so flows may come and go between two pieces. */

#include "engine/rejudge.h"

#include "chain/again.h"
#include "engine/events.h"
#include "engine/intake.h"
#include "engine/older.h"
#include "flow/table.h"

#define REJUDGE_PIECE 256

void rejudge_begin(struct rejudging *rejudging, struct intake *intake, uint64_t request)
{
        const struct flow *oldest;

        events_catch_up(intake);
        events_find_local_ends(intake);
        older_find_unknown(intake);
        oldest = list_first(&intake->flows->ages, struct flow, age);
        *rejudging = (struct rejudging){
                .request = request,
                .last = *intake->flows->last_id,
                .next = oldest ? oldest->id : *intake->flows->last_id + 1,
        };
}

static void count(struct rejudging *rejudging, int result)
{
        switch (result) {
        case AGAIN_STAYS:
                rejudging->n_allowed++;
                break;
        case AGAIN_ASKED:
                rejudging->n_asked++;
                break;
        case AGAIN_ENDED:
                rejudging->n_ended++;
                break;
        case AGAIN_OVER:
                break;
        default:
                rejudging->n_not_ended++;
        }
}

bool rejudge_go_on(struct rejudging *rejudging, struct chain *chain)
{
        for (int i = 0; i < REJUDGE_PIECE && rejudging->next <= rejudging->last; i++) {
                struct flow *flow = flow_table_find(chain->flows, rejudging->next++);

                if (flow)
                        count(rejudging, again_judge(chain, flow));
        }
        return rejudging->next <= rejudging->last;
}
