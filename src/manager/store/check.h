/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Is a staged copy still what was staged? Asked right before a process is made of it. */

#include "manager/store/copy.h"
#include "manager/store/verify.h"

struct check;

/* problem: NULL, and the copy's bundle is the one just read; or what is wrong, and the copy's
 * report says so too. The check is over. */
typedef void check_done_fn(struct check *check, const char *problem, void *userdata);

struct check {
        struct worker worker;
        int folder_fd;
        struct copy *copy; /* borrowed; NULL: nothing is being looked at */
        check_done_fn *done_fn;
        void *userdata;
};

#define CHECK_NULL                                                                                 \
        {                                                                                          \
                .worker = WORKER_NULL, .folder_fd = -1                                             \
        }

/* An earlier one is ended. done_fn is called in any case, perhaps before this returns. */
void check_start(struct check *check, const struct store_place *place, struct copy *copy,
                 bool developer, check_done_fn *done_fn, void *userdata);
/* Without done_fn. Fine on CHECK_NULL and twice. */
void check_end(struct check *check);
