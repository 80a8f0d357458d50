/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The line `upstream NAME KIND ADDRESS:PORT [credentials FILE]`, or `upstream NAME tunnel
 * INTERFACE`. Each function returns 0, -ENOMEM, or RULES_E_INVALID after it said what it expected.
 */

#include <net/if.h>

#include "common/lines.h"
#include "relay/rule/address.h"

#define UPSTREAM_NAME_MAX 63

enum upstream_kind {
        UPSTREAM_SOCKS5,  /* RFC 1928 */
        UPSTREAM_CONNECT, /* HTTP, RFC 9110 9.3.6 */
        UPSTREAM_TUNNEL,  /* to the destination itself, by one interface and no other */
};

struct upstream {
        unsigned int line;
        enum upstream_kind kind;
        struct address address;
        char interface[IF_NAMESIZE]; /* of a tunnel, which has neither address nor credentials */
        char *name;                  /* owned */
        char *credentials; /* owned; the name of a file of the session's configuration, or NULL */
        struct position credentials_at;
};

/* What stands behind the keyword; also after a failure upstream_deinit() is due. */
int upstream_parse(struct words *words, struct upstream *upstream);
void upstream_deinit(struct upstream *upstream);

/* A name that upstreams can have. */
int upstream_parse_name(const struct word *word, struct problems *problems);
