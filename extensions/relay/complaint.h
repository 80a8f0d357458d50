/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the administrator is told of upstreams that fail: once when it begins, once more each
 * minute while it lasts, and once when it is over.
 */

#include <netext/proxy.h>

#include "relay/handshake/cause.h"
#include "relay/rule/rules.h"

struct complaint {
        char name[UPSTREAM_NAME_MAX + 1];
        enum cause cause; /* CAUSE_NONE: nothing to complain about */
        int64_t told_ms;
};

struct complaints {
        size_t n;
        struct complaint each[UPSTREAMS_MAX];
};

/* Other upstreams: what was said of the old ones does not count for them. */
void complaints_forget(struct complaints *complaints);
/* flow found no way through the upstream of this name. error: a negative errno that says more,
 * or 0. */
void complaints_add(struct complaints *complaints, struct nx_proxy *proxy, const char *name,
                    uint64_t flow, enum cause cause, int error);
void complaints_settle(struct complaints *complaints, struct nx_proxy *proxy, const char *name);
