/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Connections that were let in while the extension has no process to take them, and those of which
 * it is not known yet whether they are let in.
 */

#include "manager/endpoint/endpoint.h"

#define WAITING_PER_USER_MAX 64
#define WAITING_MAX          1024

struct waiting {
        struct list link; /* endpoint.waiting, or endpoint.unjudged */
        struct endpoint *endpoint;
        struct caller caller; /* owned, as is fd */
        int fd;
        sd_event_source *source; /* it may leave */
};

/* At the end of one of the endpoint's lists. Takes caller and fd over, also on failure. 0; or
 * -EDQUOT and others, and it was refused. */
int waiting_add(struct endpoint *endpoint, struct list *list, struct caller *caller, int fd);
/* From there to the end of another. */
void waiting_move(struct waiting *waiting, struct list *list);
/* NULL in, NULL out. */
struct waiting *waiting_free(struct waiting *waiting);
/* Refuses all of the list with the reason. */
void waiting_refuse_all(struct endpoint *endpoint, struct list *list, int error, const char *why);
