/* SPDX-License-Identifier: Apache-2.0 */

/* A sliding window of restart times. */

#include "manager/loop/restarts.h"

unsigned int restarts_recent(const struct restarts *restarts, uint64_t now_ms)
{
        uint64_t kept = restarts->total < RESTARTS_KEPT ? restarts->total : RESTARTS_KEPT;
        unsigned int recent = 0;

        for (uint64_t i = 0; i < kept; i++)
                if (now_ms - restarts->at_ms[i] < RESTARTS_WINDOW_MS)
                        recent++;
        return recent;
}

void restarts_add(struct restarts *restarts, uint64_t now_ms)
{
        restarts->at_ms[restarts->total++ % RESTARTS_KEPT] = now_ms;
}

uint64_t restarts_delay_ms(unsigned int recent, unsigned int free)
{
        uint64_t delay_ms;

        if (recent < free)
                return 0;
        delay_ms = 100ULL << (recent - free);
        return delay_ms < RESTARTS_DELAY_MAX ? delay_ms : RESTARTS_DELAY_MAX;
}
