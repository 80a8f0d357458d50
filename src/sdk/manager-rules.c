/* SPDX-License-Identifier: Apache-2.0 */

/* The rules in force, and what they would say of a flow. */

#include <errno.h>

#include "sdk/check.h"
#include "sdk/manager.h"
#include "sdk/public.h"
#include "wire/names.h"

_public_ int nx_manager_list_rules(struct nx_manager *manager, const char *session,
                                   struct nx_list **ret_rules)
{
        return manager_ask(manager, "ListRules", "aa{sv}", ret_rules, "s", session);
}

_public_ int nx_manager_judge_flow(struct nx_manager *manager, const struct nx_judged_flow *flow,
                                   struct nx_list **ret_sessions)
{
        if (!options_are_known(flow, sizeof(*flow)) || !flow->program || !flow->host)
                return manager_fail(manager, -EINVAL,
                                    "A flow to judge has a program and a host, and is started with "
                                    "NX_JUDGED_FLOW_INIT");
        return manager_ask(manager, "JudgeFlow", "aa{sv}", ret_sessions, "a{sv}", 8, "program", "s",
                           flow->program, "host", "s", flow->host, "port", "u",
                           (uint32_t)flow->port, "user", "u", flow->user, "protocol", "s",
                           wire_name_to_string(wire_protocols, flow->protocol), "direction", "s",
                           wire_name_to_string(wire_directions, (int)flow->direction),
                           "local_address", "s", flow->local_address ?: "::", "local_port", "u",
                           (uint32_t)flow->local_port);
}
