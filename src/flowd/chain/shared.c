/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A memfd, mapped by us before it is sealed against all later writers. Pages come with the first
 * use of a slot, and the lowest free one is used first: who is shown little costs little.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "chain/shared.h"
#include "wire/table.h"

#define SHARED_SIZE ((size_t)WIRE_SLOTS * WIRE_SLOT_SIZE)
#define ALL_SLOTS   ((1U << WIRE_SLOTS) - 1)
_Static_assert(WIRE_SLOTS < 32, "shared.taken has a bit for each");

/* The order matters: after the seal there is no other way to map it for writing. */
static int map_and_seal(struct shared *shared, int fd)
{
        void *memory;

        if (ftruncate(fd, (off_t)SHARED_SIZE) < 0)
                return -errno;
        memory = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS,
                  F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
                int error = errno;

                munmap(memory, SHARED_SIZE);
                return -error;
        }
        *shared = (struct shared){ .memory = memory };
        return 0;
}

int shared_open(struct shared *shared, int *ret_fd)
{
        _cleanup_fd_ int fd = -1;
        int r;

        fd = memfd_create("netext-shown", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return -errno;
        r = map_and_seal(shared, fd);
        if (r < 0)
                return r;
        *ret_fd = take_fd(&fd);
        return 0;
}

void shared_close(struct shared *shared)
{
        if (shared->memory)
                munmap(shared->memory, SHARED_SIZE);
        *shared = (struct shared){};
}

int shared_put(struct shared *shared, const void *bytes, size_t size)
{
        int slot;

        if (!shared->memory || shared->taken == ALL_SLOTS)
                return -EAGAIN;
        slot = __builtin_ctz(~shared->taken);
        memcpy(shared->memory + (size_t)slot * WIRE_SLOT_SIZE, bytes, size);
        shared->taken |= 1U << slot;
        return slot;
}

int shared_release(struct shared *shared, uint64_t slot)
{
        if (slot >= WIRE_SLOTS || !(shared->taken & 1U << slot))
                return -EBADMSG;
        shared->taken &= ~(1U << slot);
        return 0;
}
