/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory in which a provider is shown more bytes than a message carries (base/sealed.h). It has
 * WIRE_SLOTS slots; what is put into one stays until the provider has said that it saw it, whatever
 * became of the flow meanwhile.
 *
 * One for each session, so that no provider sees what another one inspects.
 */

#include <stddef.h>
#include <stdint.h>

struct shared {
        uint8_t *memory; /* NULL: not open */
        uint32_t taken;  /* a bit for each slot */
};

/* ret_fd is for the provider, and the caller's to close. 0 or a negative errno. */
int shared_open(struct shared *shared, int *ret_fd);
/* Fine on one that is not open. */
void shared_close(struct shared *shared);
/* Copies at most WIRE_SLOT_SIZE bytes. The slot, or -EAGAIN: all are taken, or it is not open. */
int shared_put(struct shared *shared, const void *bytes, size_t size);
/* 0, or -EBADMSG: nothing is there. */
int shared_release(struct shared *shared, uint64_t slot);
