/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who asked a resolver of this host for a name, a moment ago: what the resolver then asks others for
 * is likely on their behalf. A hint, since nobody can see into the resolver: it may have asked for
 * reasons of its own, or have had the answer.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "bpf/steer.abi.h"

#define ASKERS_MAX             1024
#define ASKERS_PER_PROGRAM_MAX 64 /* then its oldest question goes, and nobody else's */
#define ASKERS_FOR_NS          (5 * 1000000000ULL)

/* The executable of a resolver; one that forks has several processes. */
struct resolver {
        uint64_t device;
        uint64_t inode;
};

struct askers {
        struct list ages; /* asker.age, the oldest first; owned */
        size_t n_askers;
};

void askers_init(struct askers *askers);
void askers_deinit(struct askers *askers);

/* name: in lower case. Where memory is short nothing is noted. */
void askers_note(struct askers *askers, const struct resolver *resolver, const char *name,
                 const struct steer_process_key *program, uint64_t now_ns);
/* How many programs asked the resolver for name lately, as far as anybody needs to know: 0, 1, or 2
 * for several. ret_first: who did first; unchanged with 0. */
unsigned int askers_find(struct askers *askers, const struct resolver *resolver, const char *name,
                         uint64_t now_ns, struct steer_process_key *ret_first);
