/* SPDX-License-Identifier: Apache-2.0 */

/*
 * All have the same time, so the oldest is the next that runs out of it. An end is told
 * for every flow, also for those that are long spliced, so the search by number is
 * short.
 */

#include "relay/attempts.h"

static struct attempt **bucket_of(struct attempts *attempts, uint64_t flow)
{
        return &attempts->buckets[flow % ATTEMPTS_BUCKETS];
}

void attempts_add(struct attempts *attempts, struct attempt *attempt)
{
        struct attempt **bucket = bucket_of(attempts, nx_flow_get_identifier(attempt->flow));

        attempt->next = *bucket;
        *bucket = attempt;
        attempt->older = attempts->newest;
        if (attempts->newest)
                attempts->newest->newer = attempt;
        else
                attempts->oldest = attempt;
        attempts->newest = attempt;
        attempts->n++;
}

void attempts_remove(struct attempts *attempts, struct attempt *attempt)
{
        struct attempt **link = bucket_of(attempts, nx_flow_get_identifier(attempt->flow));

        while (*link != attempt)
                link = &(*link)->next;
        *link = attempt->next;
        *(attempt->older ? &attempt->older->newer : &attempts->oldest) = attempt->newer;
        *(attempt->newer ? &attempt->newer->older : &attempts->newest) = attempt->older;
        attempts->n--;
}

struct attempt *attempts_find(const struct attempts *attempts, uint64_t flow)
{
        struct attempt *attempt = attempts->buckets[flow % ATTEMPTS_BUCKETS];

        while (attempt && nx_flow_get_identifier(attempt->flow) != flow)
                attempt = attempt->next;
        return attempt;
}
