/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is in the file that a program executes? Found out when a rule asks for it, once for
 * each file; and again when somebody has written to it.
 *
 * Outcomes besides 0 and a negative errno:
 *   DIGESTS_E_COMING  it is being found out; listener.settled tells when it was, or cannot be
 *   DIGESTS_E_LATER   too many others are being found out: ask again when one of them is settled
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/htable.h"
#include "base/list.h"
#include "digest/hasher.h"

struct hooks;
struct loop;
struct process;

enum {
        DIGESTS_E_COMING = 1,
        DIGESTS_E_LATER,
};

struct digests_listener {
        /* Asks for the executable of a process; the answer is digests_take() or digests_fail(), or
         * none. */
        void (*open_executable)(uint64_t request, uint32_t pid, void *userdata);
        void (*settled)(uint64_t request, bool is_known, void *userdata);
        void *userdata;
};

struct digests {
        struct loop *loop; /* borrowed, like the next */
        struct hooks *hooks;
        struct hasher *hasher;
        struct digests_listener listener;
        struct htable by_file;
        struct list known;  /* the longest unused one first */
        struct list coming; /* few */
        size_t n_known, n_coming;
        uint64_t last_request;
};

/* Starts a thread: before sandbox_enter(). */
int digests_init(struct digests *digests, struct loop *loop, struct hooks *hooks,
                 const struct digests_listener *listener);
void digests_deinit(struct digests *digests);

/*
 * 0: process->digest and digest_text say it. DIGESTS_E_COMING with *ret_request, DIGESTS_E_LATER.
 * -ESRCH where the kernel does not know the process any more, -ENOMEM.
 */
int digests_identify(struct digests *digests, struct process *process, uint64_t *ret_request);

/* Says the digest as well, if it is known already. */
void digests_recall(struct digests *digests, struct process *process);

/* The executable that request asked for. fd is taken over. */
void digests_take(struct digests *digests, uint64_t request, int fd);
/* There is none to be had. */
void digests_fail(struct digests *digests, uint64_t request, int error);
/* Asks once more what was not answered: there is another netextd. */
void digests_ask_again(struct digests *digests);
