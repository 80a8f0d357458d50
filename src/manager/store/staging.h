/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From a descriptor of somebody's folder or archive to a bundle of root's own that was verified.
 * The source is read once; what is verified is the copy.
 */

#include "manager/store/verify.h"

struct staging;

/*
 * 0: bundle is verified and good, and lies in the staging's folder, from where it has to be taken.
 * Negative errno: code and problem say why not, and bundle.report what was found out; nothing is
 * left behind. The staging is ended and freed after this.
 */
typedef void staging_done_fn(struct staging *staging, int result, enum nx_request_error code,
                             const char *problem, void *userdata);

struct staging {
        const struct store_place *place;
        char *folder;  /* "staging/NUMBER" */
        int source_fd; /* owned, until it was read */
        int folder_fd;
        bool developer;
        struct worker worker;
        struct bundle bundle;
        staging_done_fn *done_fn;
        void *userdata;
};

/* Takes source_fd over on success. developer: a signer whom no root vouches for is fine. 0, or
 * negative errno with a sentence. Caller owns *ret_staging until it frees it. */
int staging_start(const struct store_place *place, uint64_t number, int source_fd, bool developer,
                  staging_done_fn *done_fn, void *userdata, struct staging **ret_staging,
                  char **ret_problem);
/* Ends it, and removes what it staged. NULL in, NULL out. */
struct staging *staging_free(struct staging *staging);
/* Is it something that can be a bundle? 0; -EINVAL with a sentence. */
int staging_check_source(int source_fd, char **ret_problem);
