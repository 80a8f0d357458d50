/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* netext-flowd as a whole: what stands in the kernel, what flows, and who is told. */

#include "base/loop.h"
#include "chain/chain.h"
#include "chain/quota.h"
#include "deliver/delivery.h"
#include "digest/digests.h"
#include "flow/table.h"
#include "footprint/footprint.h"
#include "engine/callers.h"
#include "engine/groups.h"
#include "engine/intake.h"
#include "engine/link.h"
#include "engine/resolvers.h"
#include "engine/upkeep.h"
#include "names/names.h"
#include "names/sets.h"
#include "owner/owner.h"
#include "packet/packets.h"
#include "steer/addresses.h"
#include "steer/hooks.h"
#include "steer/leftovers.h"
#include "steer/passed.h"
#include "steer/queue.h"
#include "steer/route.h"
#include "steer/ruleset.h"
#include "steer/watch.h"

struct engine_config {
        const char *instance;
        const char *cgroup_path;
        const char *extension_cgroup_path;
        const char *pin_dir;
        const char *launchers; /* owner/launchers.h */
        uint32_t mark_mask;
        int link_fd;   /* to netextd */
        int listen_fd; /* where a restarted netextd comes */
        int queue_fd;  /* of an earlier flowd, or -1 */
};

struct engine_counters {
        uint64_t allowed, claimed, dropped, refused, fallbacks, over_quota;
};

struct engine {
        struct engine_config config;
        struct loop loop;
        struct hooks *hooks;
        struct queue *queue;
        struct addresses addresses;
        struct owners owners;
        struct names names;
        struct sets sets;
        struct digests digests;
        struct flow_table flows;
        struct quota quota;
        struct chain chain;
        struct intake intake;
        struct callers callers;
        struct groups groups;
        struct resolvers resolvers;
        struct packets packets;
        struct deliveries deliveries;
        struct route_config route;
        struct link link;
        struct ruleset_config ruleset;
        char table[FOOTPRINT_TABLE_SIZE];
        struct passed passed;
        struct leftovers leftovers;
        struct upkeep upkeep;
        bool in_force;       /* hooks attached, ruleset applied, queue read */
        bool is_running_out; /* nobody can claim any more, but claimed flows are open */
        struct engine_counters counters;
};

/* Opens all that needs privileges. Nothing is in force yet: see engine_put_in_force(). */
int engine_init(struct engine *engine, const struct engine_config *config,
                const char **ret_problem);
void engine_deinit(struct engine *engine);

/* Attaches the hooks, puts the ruleset in place, and begins to read. */
int engine_put_in_force(struct engine *engine, const char **ret_problem);
/* Packets that the fail policies decided in the kernel, since the instance began. */
uint64_t engine_count_guarded(const struct engine *engine);
/* Puts in the kernel what the chain needs now, over whatever is there. 0 or a negative errno. */
int engine_apply_ruleset(struct engine *engine);
/* Takes the ruleset away and ends the loop; the pins are netextd's to remove. */
void engine_quit(struct engine *engine);
