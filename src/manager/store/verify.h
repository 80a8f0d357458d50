/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A look at a staged copy, by a worker that can read it and nothing else. */

#include <netext/activation.h>

#include "manager/store/worker.h"

/* What the workers of a store work with; borrowed. */
struct store_place {
        sd_event *event;
        const char *program; /* netext-bundle */
        const char *instance;
        const char *trust_directory;
        int store_fd;
};

enum verify_flags {
        VERIFY_DEVELOPER = 1 << 0, /* a signer whom no root vouches for is only warned of */
        VERIFY_SYNC = 1 << 1,      /* what is good is on disk when the answer is there */
};

/* Has folder_fd looked at. 0, or negative errno with a sentence. done_fn: see worker_start(). */
int verify_start(struct worker *worker, const struct store_place *place, int folder_fd,
                 unsigned int flags, worker_done_fn *done_fn, void *userdata, char **ret_problem);

/* Why the bundle is not good: the first finding that says so, with file and key, or problem, if
 * there is one. Caller owns; NULL: no memory. */
char *verify_explain(const struct bundle_answer *answer, const char *problem,
                     enum nx_request_error *ret_code);
