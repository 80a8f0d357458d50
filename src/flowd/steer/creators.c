/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A hook can be writing to the place of a socket for one that was made much later: whose place it
 * is has to be so before and after.
 */

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "steer/creators.h"

#define SIZE (STEER_CREATORS * sizeof(struct steer_creator))

int creators_open(const struct steer_creator **ret_creators, int map_fd)
{
        void *creators = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, map_fd, 0);

        if (creators == MAP_FAILED)
                return -errno;
        *ret_creators = creators;
        return 0;
}

const struct steer_creator *creators_close(const struct steer_creator *creators)
{
        if (creators)
                (void)munmap((void *)creators, SIZE);
        return NULL;
}

bool creators_find(const struct steer_creator *creators, uint64_t cookie,
                   struct steer_process_key *ret_process)
{
        const struct steer_creator *at = &creators[cookie % STEER_CREATORS];

        if (!cookie || __atomic_load_n(&at->cookie, __ATOMIC_ACQUIRE) != cookie)
                return false;
        *ret_process = at->process;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        return __atomic_load_n(&at->cookie, __ATOMIC_RELAXED) == cookie;
}
