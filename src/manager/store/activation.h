/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Bundles on their way into the store: a few at a time are copied and verified. */

#include "manager/store/store.h"

struct activation {
        struct list link; /* store.activations, in the order of their requests */
        struct store *store;
        struct request *request;
        int source_fd; /* owned until its staging has begun */
        struct staging *staging;
};

/* Takes source_fd over on success. 0 or -ENOMEM. */
int activation_add(struct store *store, struct request *request, int source_fd);
void activations_free(struct store *store);
