/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who reads a grant in the kernel looks at its flow's number before and after: while it is written
 * it has none.
 *
 * What is delivered is taken by its socket within one round trip over lo, so places are free; only a
 * connection that does not come about leaves its own taken.
 */

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "steer/shelves.h"

#define SIZE (STEER_SHELVES * sizeof(struct steer_shelf))

int shelves_open(struct steer_shelf **ret_shelves, int map_fd)
{
        void *shelves = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);

        if (shelves == MAP_FAILED)
                return -errno;
        *ret_shelves = shelves;
        return 0;
}

struct steer_shelf *shelves_close(struct steer_shelf *shelves)
{
        if (shelves)
                (void)munmap(shelves, SIZE);
        return NULL;
}

/* Flows are numbered in the order in which they come. */
static struct steer_granted *place_for(struct steer_shelf *shelf,
                                       const struct steer_granted *granted)
{
        struct steer_granted *oldest = &shelf->granted[0];

        for (size_t i = 0; i < STEER_SHELF_SIZE; i++) {
                struct steer_granted *at = &shelf->granted[i];

                if (at->flow == granted->flow && at->cgroup_id == granted->cgroup_id)
                        return at;
                if (at->flow < oldest->flow)
                        oldest = at;
        }
        return oldest;
}

void shelves_grant(struct steer_shelf *shelves, const struct steer_granted *granted)
{
        struct steer_granted *at = place_for(&shelves[granted->flow % STEER_SHELVES], granted);

        __atomic_store_n(&at->flow, 0, __ATOMIC_SEQ_CST);
        at->cgroup_id = granted->cgroup_id;
        at->grant = granted->grant;
        __atomic_store_n(&at->flow, granted->flow, __ATOMIC_SEQ_CST);
}

void shelves_deliver(struct steer_shelf *shelves, uint64_t cookie)
{
        struct steer_shelf *shelf = &shelves[cookie % STEER_SHELVES];
        size_t place = cookie / STEER_SHELVES % STEER_SHELF_SIZE;

        for (size_t i = 0; i < STEER_SHELF_SIZE && shelf->delivered[place]; i++)
                place = (place + 1) % STEER_SHELF_SIZE;
        __atomic_store_n(&shelf->delivered[place], cookie, __ATOMIC_SEQ_CST);
}
