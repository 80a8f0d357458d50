/* SPDX-License-Identifier: Apache-2.0 */

/* The lowest free slot is used first, and its pages come with that: who is shown little costs
 * little. */

#include <errno.h>
#include <string.h>

#include "base/sealed.h"
#include "chain/shared.h"
#include "wire/table.h"

#define SHARED_SIZE ((size_t)WIRE_SLOTS * WIRE_SLOT_SIZE)
#define ALL_SLOTS   ((1U << WIRE_SLOTS) - 1)
_Static_assert(WIRE_SLOTS < 32, "shared.taken has a bit for each");

int shared_open(struct shared *shared, int *ret_fd)
{
        *shared = (struct shared){};
        return sealed_open("netext-shown", SHARED_SIZE, &shared->memory, ret_fd);
}

void shared_close(struct shared *shared)
{
        sealed_close(shared->memory, SHARED_SIZE);
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
