/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The chains, as `nft list table inet netext.packets` shows them (M is the instance's mark mask):
 *
 *   leave: output, behind everybody else's rules: what they drop is not asked about.
 *      mark & M != 0                              accept     on its way to lo, and not yet out
 *      an ICMP echo, socket in our cgroup         into echo4 or echo6; only of a cgroup
 *      [socket in our cgroup]                     goto leaving
 *
 *   arrive: input, behind everybody else's rules, in front of what is asked about flows.
 *      mark & M != 0                              accept
 *      a fragment of IPv6, not the first          accept     it is nothing without that
 *      an ICMP echo's answer, in echo4 or echo6   goto arriving; only of a cgroup
 *      [socket in our cgroup]                     goto arriving
 *
 *   leaving, arriving: first those whose fail policy is closed, so that a packet which several want
 *      goes to their queue. flowd asks them in the order of the chain.
 *                                                 jump leave-SLOT or arrive-SLOT, each session's
 *
 *   leave-SLOT, arrive-SLOT:
 *      over lo                                    return     unless it wants those
 *      socket in its extension's cgroup           return
 *      what a rule says                           queue
 *
 * A verdict is accept, which leads to the next hook, or drop: there are no marks.
 *
 * The chains stay for as long as the instance: a hook that goes takes every packet with it that
 * waits in any queue of the network namespace (nf_queue_nf_hook_drop()).
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "steer/expression.h"
#include "steer/packet-table.h"
#include "steer/transaction.h"

#define LEAVE_PRIORITY  (NF_IP_PRI_NAT_SRC + 4)
#define ARRIVE_PRIORITY (NF_IP_PRI_NAT_SRC + 4) /* next behind it: hold_in, of steer/inbound.c */
#define ECHO_SECONDS    30
#define ECHO_MAX        16384
#define CHAIN_NAME_MAX  16

/* One direction's names. */
struct way {
        enum nx_direction direction;
        const char *base, *wanted;
};

static const struct way leaving = { NX_DIRECTION_OUTBOUND, "leave", "leaving" };
static const struct way arriving = { NX_DIRECTION_INBOUND, "arrive", "arriving" };

struct echo_family {
        uint8_t number;
        const char *set;
        uint32_t key_type, key_size;
};

/* libnftables' datatypes: two addresses and a number of two bytes, which it knows as a port. */
#define TYPE_ECHO(address) ((address) << 12 | (address) << 6 | 13U)

static const struct echo_family echo_families[] = {
        { NFPROTO_IPV4, "echo4", TYPE_ECHO(7U), 3 * 4 },
        { NFPROTO_IPV6, "echo6", TYPE_ECHO(8U), 9 * 4 },
};

static const struct packet_table_config *config_of(const struct transaction *t)
{
        return t->userdata;
}

static bool is_of_cgroup(const struct transaction *t)
{
        return config_of(t)->ruleset->cgroup_level > 0;
}

static void match_ours(struct transaction *t, struct nftnl_rule *rule)
{
        const struct ruleset_config *ruleset = config_of(t)->ruleset;

        if (is_of_cgroup(t))
                match_cgroup(rule, ruleset->cgroup_level, ruleset->cgroup_id);
}

static const char *chain_of(const struct way *way, unsigned int slot,
                            char name[static CHAIN_NAME_MAX])
{
        snprintf(name, CHAIN_NAME_MAX, "%s-%u", way->base, slot);
        return name;
}

static void accept_marked(struct transaction *t, const struct way *way)
{
        struct nftnl_rule *rule = rule_begin(t, way->base);

        match_any_packet_mark(rule, config_of(t)->ruleset->mark_mask);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

static void go_to_wishes(struct transaction *t, const struct way *way)
{
        struct nftnl_rule *rule = rule_begin(t, way->base);

        match_ours(t, rule);
        verdict(rule, NFT_GOTO, way->wanted);
        rule_end(t, rule);
}

/* An echo's answer is for no socket that the kernel could tell. */
static void note_echoes(struct transaction *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(echo_families); i++) {
                struct nftnl_rule *rule = rule_begin(t, leaving.base);

                match_echo(rule, echo_families[i].number, false);
                match_ours(t, rule);
                refresh_echo_tuple(rule, echo_families[i].number, TUPLE_AS_SENT,
                                   echo_families[i].set);
                rule_end(t, rule);
        }
}

static void take_answers(struct transaction *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(echo_families); i++) {
                struct nftnl_rule *rule = rule_begin(t, arriving.base);

                match_echo(rule, echo_families[i].number, true);
                match_echo_tuple(rule, echo_families[i].number, TUPLE_TURNED, echo_families[i].set);
                verdict(rule, NFT_GOTO, arriving.wanted);
                rule_end(t, rule);
        }
}

static void put_leave(struct transaction *t)
{
        accept_marked(t, &leaving);
        if (is_of_cgroup(t))
                note_echoes(t);
        go_to_wishes(t, &leaving);
}

static void put_arrive(struct transaction *t)
{
        struct nftnl_rule *rule;

        accept_marked(t, &arriving);
        rule = rule_begin(t, arriving.base);
        match_later_fragment(rule);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
        if (is_of_cgroup(t))
                take_answers(t);
        go_to_wishes(t, &arriving);
}

static void jump_to_wishes(struct transaction *t, const struct way *way, bool are_closed)
{
        const struct packet_table_config *config = config_of(t);
        char chain[CHAIN_NAME_MAX];

        for (size_t i = 0; i < config->n_wishes; i++) {
                struct nftnl_rule *rule;

                if (config->wishes[i].is_closed != are_closed)
                        continue;
                rule = rule_begin(t, way->wanted);
                verdict(rule, NFT_JUMP, chain_of(way, config->wishes[i].slot, chain));
                rule_end(t, rule);
        }
}

static void queue(struct transaction *t, struct nftnl_rule *rule, bool is_closed)
{
        const struct packet_table_config *config = config_of(t);
        const struct queue_range range = {
                .first = is_closed ? config->closed_queue : config->open_queue,
                .n = config->n_queues,
                .is_closed = is_closed,
        };

        if (config->ruleset->mechanism == QUEUE_NATIVE)
                queue_native(rule, &range);
        else
                queue_xtables(rule, &range);
}

static void put_rule(struct transaction *t, const struct way *way, const char *chain,
                     const struct packet_wish *wish, const struct packet_rule *wanted)
{
        bool is_leaving = way->direction == NX_DIRECTION_OUTBOUND;
        struct nftnl_rule *rule;

        if (wanted->direction != NX_DIRECTION_ANY && wanted->direction != way->direction)
                return;
        rule = rule_begin(t, chain);
        if (wanted->interface[0])
                match_interface_name(rule, is_leaving, wanted->interface);
        if (wanted->protocol)
                match_protocol(rule, wanted->protocol);
        if (wanted->has_network)
                match_network(rule, is_leaving, &wanted->network, wanted->prefix);
        queue(t, rule, wish->is_closed);
        rule_end(t, rule);
}

static void leave_loopback_alone(struct transaction *t, const struct way *way, const char *chain)
{
        struct nftnl_rule *rule = rule_begin(t, chain);

        match_interface_name(rule, way->direction == NX_DIRECTION_OUTBOUND, "lo");
        verdict(rule, NFT_RETURN, NULL);
        rule_end(t, rule);
}

static void put_wish(struct transaction *t, const struct way *way, const struct packet_wish *wish)
{
        char name[CHAIN_NAME_MAX];
        const char *chain = chain_of(way, wish->slot, name);
        struct nftnl_rule *rule;

        if (!wish->rules->loopback)
                leave_loopback_alone(t, way, chain);
        rule = rule_begin(t, chain);
        match_cgroup(rule, config_of(t)->ruleset->extension_cgroup_level + 1, wish->cgroup_id);
        verdict(rule, NFT_RETURN, NULL);
        rule_end(t, rule);
        for (size_t i = 0; i < wish->rules->n; i++)
                put_rule(t, way, chain, wish, &wish->rules->rules[i]);
}

static void put_sets(struct transaction *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(echo_families); i++)
                put_set(t, &(struct expiring_set){
                                   .name = echo_families[i].set,
                                   .key_type = echo_families[i].key_type,
                                   .key_size = echo_families[i].key_size,
                                   .max_elements = ECHO_MAX,
                                   .timeout_ms = ECHO_SECONDS * 1000,
                           });
}

static void put_chains(struct transaction *t, const struct way *way, uint32_t hook,
                       int32_t priority)
{
        const struct packet_table_config *config = config_of(t);
        char name[CHAIN_NAME_MAX];

        for (size_t i = 0; i < config->n_wishes; i++)
                put_chain(t, chain_of(way, config->wishes[i].slot, name));
        put_chain(t, way->wanted);
        put_base_chain(t, way->base, "filter", hook, priority);
}

static void put_all(struct transaction *t)
{
        static const struct way *const ways[] = { &leaving, &arriving };
        const struct packet_table_config *config = config_of(t);

        put_table(t);
        put_sets(t);
        put_chains(t, &leaving, NF_INET_LOCAL_OUT, LEAVE_PRIORITY);
        put_chains(t, &arriving, NF_INET_LOCAL_IN, ARRIVE_PRIORITY);
        put_rules_removal(t);
        put_leave(t);
        put_arrive(t);
        for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
                jump_to_wishes(t, ways[i], true);
                jump_to_wishes(t, ways[i], false);
                for (size_t j = 0; j < config->n_wishes; j++)
                        put_wish(t, ways[i], &config->wishes[j]);
        }
}

int packet_table_apply(const struct packet_table_config *config)
{
        return transact(config->table, put_all, config);
}

int packet_table_remove(const char *table)
{
        return transact(table, put_table_removal, NULL);
}
