/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Programs know a few errors of connect(2) and nothing of upstreams. What is the
 * upstream's own fault, or its administrator's decision, is a refused connection.
 */

#include <errno.h>

#include "relay/handshake/cause.h"

static const struct cause_info infos[CAUSE_MAX] = {
        [CAUSE_NONE] = { "works", 0 },
        [CAUSE_UNREACHABLE] = { "cannot be reached", -ECONNREFUSED },
        [CAUSE_SILENT] = { "did not finish the handshake in time", -ETIMEDOUT },
        [CAUSE_CLOSED] = { "closed the connection in the handshake", -ECONNREFUSED },
        [CAUSE_MALFORMED] = { "answered with something that is not its protocol", -ECONNREFUSED },
        [CAUSE_CREDENTIALS_WANTED] = { "wants credentials and was given none", -ECONNREFUSED },
        [CAUSE_CREDENTIALS_REFUSED] = { "refused the user or the password", -ECONNREFUSED },
        [CAUSE_NO_METHOD] = { "takes none of our ways to authenticate", -ECONNREFUSED },
        [CAUSE_FORBIDDEN] = { "does not allow a destination", -ECONNREFUSED, BLAME_POLICY },
        [CAUSE_NOT_SUPPORTED] = { "does not support CONNECT", -ECONNREFUSED },
        [CAUSE_FAMILY_NOT_SUPPORTED] = { "does not support a family of addresses", -ENETUNREACH,
                                         BLAME_POLICY },
        [CAUSE_TUNNEL_ABSENT] = { "names an interface that is not there", -ENETUNREACH },
        [CAUSE_TUNNEL_NONE] = { "names an interface that is no tunnel", -ENETUNREACH },
        [CAUSE_TUNNEL_DOWN] = { "names a tunnel that is down", -ENETUNREACH },
        [CAUSE_DESTINATION_FAILED] = { "could not connect to a destination", -ECONNREFUSED,
                                       BLAME_DESTINATION },
        [CAUSE_DESTINATION_REFUSED] = { "was refused by a destination", -ECONNREFUSED,
                                        BLAME_DESTINATION },
        [CAUSE_DESTINATION_HOST] = { "found no such host", -EHOSTUNREACH, BLAME_DESTINATION },
        [CAUSE_DESTINATION_NETWORK] = { "found no network", -ENETUNREACH, BLAME_DESTINATION },
        [CAUSE_DESTINATION_SILENT] = { "got no answer from a destination", -ETIMEDOUT,
                                       BLAME_DESTINATION },
};

const struct cause_info *cause_info(enum cause cause)
{
        return &infos[cause];
}
