/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A lock of flock(2) goes when the last copy of its descriptor does. A netextd that is killed while
 * it makes a child leaves one, until that child has come as far as to close what is not its own
 * (priv/spawn.c).
 */

#include <errno.h>
#include <sys/file.h>
#include <time.h>

#include "manager/priv/lock.h"

#define TRIES   50
#define LOOK_NS 10000000

int lock_take(int fd)
{
        static const struct timespec pause = { .tv_nsec = LOOK_NS };

        for (int i = 0; i < TRIES; i++) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return 0;
                if (errno != EWOULDBLOCK)
                        return -errno;
                (void)nanosleep(&pause, NULL);
        }
        return -EWOULDBLOCK;
}
