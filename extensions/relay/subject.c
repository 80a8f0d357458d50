/* SPDX-License-Identifier: Apache-2.0 */

/* The platform's words for a flow become those of the rules. */

#include "relay/subject.h"

static void describe_owner(struct subject *subject, const struct nx_flow *flow)
{
        subject->uid = nx_flow_get_uid(flow);
        subject->cgroup = nx_flow_get_cgroup(flow);
        subject->digest = nx_flow_get_program_digest(flow);
        subject->signer = nx_flow_get_program_signer(flow);
        if (nx_flow_is_program_path_trusted(flow))
                subject->program = nx_flow_get_program(flow);
}

/* As the kernel does: who carries it on is not whom the rules are about. */
static void describe_origin(struct subject *subject, const struct nx_flow *flow)
{
        subject->uid = nx_flow_get_origin_uid(flow);
        subject->cgroup = nx_flow_get_origin_cgroup(flow);
        subject->digest = nx_flow_get_origin_program_digest(flow);
        subject->signer = nx_flow_get_origin_program_signer(flow);
        if (nx_flow_is_origin_program_path_trusted(flow))
                subject->program = nx_flow_get_origin_program(flow);
}

bool subject_of(struct subject *ret, const struct nx_flow *flow)
{
        struct subject subject = { .hostname = nx_flow_get_remote_hostname(flow) };

        if (nx_flow_get_origin_flow(flow))
                describe_origin(&subject, flow);
        else
                describe_owner(&subject, flow);
        if (!address_parse(&subject.remote, nx_flow_get_remote_address(flow),
                           nx_flow_get_remote_port(flow)))
                return false;
        *ret = subject;
        return true;
}
