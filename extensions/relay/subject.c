/* SPDX-License-Identifier: Apache-2.0 */

/* The platform's words for a flow become those of the rules. */

#include "relay/subject.h"

bool subject_of(struct subject *ret, const struct nx_flow *flow)
{
        struct subject subject = {
                .uid = nx_flow_get_uid(flow),
                .digest = nx_flow_get_program_digest(flow),
                .cgroup = nx_flow_get_cgroup(flow),
                .hostname = nx_flow_get_remote_hostname(flow),
        };

        if (nx_flow_is_program_path_trusted(flow))
                subject.program = nx_flow_get_program(flow);
        if (!address_parse(&subject.remote, nx_flow_get_remote_address(flow),
                           nx_flow_get_remote_port(flow)))
                return false;
        *ret = subject;
        return true;
}
