/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why a flow has no way through its upstream. One table says what becomes of it. */

enum cause {
        CAUSE_NONE,
        CAUSE_UNREACHABLE,
        CAUSE_SILENT,
        CAUSE_CLOSED,
        CAUSE_MALFORMED,
        CAUSE_CREDENTIALS_WANTED,
        CAUSE_CREDENTIALS_REFUSED,
        CAUSE_NO_METHOD,
        CAUSE_FORBIDDEN,
        CAUSE_NOT_SUPPORTED,
        CAUSE_FAMILY_NOT_SUPPORTED,
        CAUSE_TUNNEL_ABSENT,
        CAUSE_TUNNEL_NONE,
        CAUSE_TUNNEL_DOWN,
        /* Of the destination, as the upstream found it. */
        CAUSE_DESTINATION_FAILED,
        CAUSE_DESTINATION_REFUSED,
        CAUSE_DESTINATION_HOST,
        CAUSE_DESTINATION_NETWORK,
        CAUSE_DESTINATION_SILENT,
        CAUSE_MAX,
};

/* Whose it is to mend. */
enum blame {
        BLAME_UPSTREAM,
        BLAME_POLICY,      /* the upstream works, and will not do this */
        BLAME_DESTINATION, /* as without the upstream: only the program is told */
};

struct cause_info {
        const char *text; /* goes on after "upstream office" */
        int error;        /* what the program is told: a negative errno */
        enum blame blame;
};

/* Static storage. */
const struct cause_info *cause_info(enum cause cause);
