/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Connections that were let in while the extension has no process to take them. */

#include "manager/endpoint/endpoint.h"

#define WAITING_PER_USER_MAX 64
#define WAITING_MAX          1024

struct waiting {
        struct list link; /* endpoint.waiting */
        struct endpoint *endpoint;
        struct caller caller; /* owned, as is fd */
        int fd;
        sd_event_source *source; /* it may leave */
};

/* Takes caller and fd over, also on failure. 0; or -EDQUOT and others, and it was refused. */
int waiting_add(struct endpoint *endpoint, struct caller *caller, int fd);
/* NULL in, NULL out. */
struct waiting *waiting_free(struct waiting *waiting);
/* Refuses all with the reason. */
void waiting_refuse_all(struct endpoint *endpoint, int error, const char *why);
