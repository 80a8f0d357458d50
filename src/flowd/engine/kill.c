/* SPDX-License-Identifier: Apache-2.0 */

/* A person may end any flow; who asks is netextd's to know. */

#include "engine/kill.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "chain/ending.h"
#include "flow/table.h"
#include "owner/owner.h"
#include "wire/codec.h"

struct wanted {
        const char *program; /* NULL: any */
        bool has_remote;
        struct in6_addr remote;
        uint16_t port; /* 0: any */
};

/* A path is that executable, a word any of that name. */
static bool is_program(const struct flow *flow, const char *wanted)
{
        const char *program = flow->process ? flow->process->program : NULL, *name;

        if (!program)
                return false;
        name = strrchr(program, '/');
        return strcmp(program, wanted) == 0 || (name && strcmp(name + 1, wanted) == 0);
}

static bool is_wanted(const struct flow *flow, const void *userdata)
{
        const struct wanted *wanted = userdata;

        if (flow_state(flow) == WIRE_FLOW_CLOSED)
                return false;
        if (wanted->program && !is_program(flow, wanted->program))
                return false;
        if (wanted->has_remote && !IN6_ARE_ADDR_EQUAL(&flow->remote.address, &wanted->remote))
                return false;
        return !wanted->port || flow->remote.port == wanted->port;
}

static int kill_one(struct chain *chain, uint64_t id, uint64_t *n_ended)
{
        const struct ending ending = { .by = WIRE_END_PERSON };
        struct flow *flow = flow_table_find(chain->flows, id);
        int r;

        if (!flow)
                return -ENOENT;
        r = ending_end(chain, flow, &ending);
        if (r >= 0)
                ++*n_ended;
        return r;
}

int kill_flows(struct chain *chain, const struct wire_message *message, uint64_t *ret_n_ended)
{
        const struct wanted wanted = {
                .program = wire_get_string(message, WIRE_ATTR_PROGRAM),
                .has_remote = wire_has(message, WIRE_ATTR_REMOTE_ADDRESS),
                .remote = wire_get_address(message, WIRE_ATTR_REMOTE_ADDRESS),
                .port = (uint16_t)wire_get(message, WIRE_ATTR_REMOTE_PORT),
        };
        _cleanup_free_ uint64_t *ids = NULL;
        int problem = 0;
        ssize_t n;

        *ret_n_ended = 0;
        if (wire_has(message, WIRE_ATTR_FLOW))
                return kill_one(chain, wire_get(message, WIRE_ATTR_FLOW), ret_n_ended);
        n = flow_table_select(chain->flows, is_wanted, &wanted, &ids);
        if (n < 0)
                return (int)n;
        for (ssize_t i = 0; i < n; i++) {
                int r = kill_one(chain, ids[i], ret_n_ended);

                if (r < 0 && r != -EALREADY && r != -ENOENT && problem == 0)
                        problem = r;
        }
        return problem < 0 || *ret_n_ended > 0 ? problem : -ENOENT;
}
