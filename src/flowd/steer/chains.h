/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files that write the ruleset's chains have in common: ruleset.c, inbound.c and
 * deliver.c. */

#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <stdbool.h>
#include <stdint.h>

#include "footprint/footprint.h"
#include "steer/expression.h"
#include "steer/mark.h"
#include "steer/passed.h"
#include "steer/ruleset.h"
#include "steer/transaction.h"

#define HOLD_PRIORITY (NF_IP_PRI_MANGLE + 5)
#define TAG_BASE      FOOTPRINT_ROUTE_TABLE /* so that netext-reset can tell whose that is */
#define NO_TAG        0
/* An answer must not be taken for what a program says. */
#define ANSWER_TAG_BASE 0x4e590000U
/* What passed must not be taken for what is to be delivered. */
#define PASSED_TAG_BASE 0x4e5a0000U

/* How nft(8) names the types of a set's key: libnftables' datatype numbers, 6 bits each. */
#define TYPE_IPV4           7U
#define TYPE_IPV6           8U
#define TYPE_SERVICE        13U
#define TYPE_TUPLE(address) ((address) << 18 | (address) << 12 | TYPE_SERVICE << 6 | TYPE_SERVICE)

struct family {
        uint8_t number;
        const char *passed;   /* UDP flows that passed */
        const char *passing;  /* those that did so while they had more in the queue */
        const char *asked;    /* UDP flows that have a datagram in the queue, or had … */
        const char *lined;    /* … and those that have more behind it */
        const char *served;   /* UDP flows that others began */
        const char *claimed;  /* UDP flows that a proxy took */
        const char *watched;  /* UDP flows that others began, of which filters see the datagrams */
        const char *heard;    /* the same to groups, and those who get them were asked about */
        const char *onward;   /* answers from servers that are visited by way of us */
        const char *ended;    /* UDP flows of which nothing passes any more */
        const char *cut;      /* the same of TCP, where the kernel cannot end a connection */
        uint32_t key_type;
        uint32_t key_size;
};

static const struct family families[] = {
        { NFPROTO_IPV4, "passed4", "passing4", "asked4", "lined4", "served4", "claimed4",
          "watched4", "heard4", "onward4", "ended4", "cut4", TYPE_TUPLE(TYPE_IPV4),
          PASSED_KEY_IPV4 },
        { NFPROTO_IPV6, "passed6", "passing6", "asked6", "lined6", "served6", "claimed6",
          "watched6", "heard6", "onward6", "ended6", "cut6", TYPE_TUPLE(TYPE_IPV6),
          PASSED_KEY_IPV6 },
};

static const enum mark refusals[] = { MARK_REFUSE, MARK_NO_HOST, MARK_NO_NETWORK };

static inline void match_instance(struct nftnl_rule *rule, const struct ruleset_config *config)
{
        if (config->cgroup_level > 0)
                match_cgroup(rule, config->cgroup_level, config->cgroup_id);
}

/* A datagram of a flow that was ended, which stays so while it is tried. */
static inline void match_ended(struct nftnl_rule *rule, const struct family *family,
                               enum tuple_direction tuple)
{
        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, tuple, family->ended);
        refresh_tuple(rule, family->number, tuple, family->ended);
}

/* A segment of a connection that was ended. */
static inline void match_cut(struct nftnl_rule *rule, const struct family *family,
                             enum tuple_direction tuple)
{
        match_protocol(rule, IPPROTO_TCP);
        match_tuple(rule, family->number, tuple, family->cut);
        refresh_tuple(rule, family->number, tuple, family->cut);
}

/* number: of the queue, one of ours. */
static inline void queue(struct nftnl_rule *rule, const struct ruleset_config *config,
                         uint16_t number)
{
        const struct queue_range one = { .first = number, .n = 1 };

        if (config->mechanism == QUEUE_NATIVE)
                queue_native(rule, &one);
        else
                queue_xtables(rule, &one);
}

static inline const struct ruleset_config *config_of(const struct transaction *t)
{
        return t->userdata;
}

/* Of a packet that waits for this instance, see ruleset.c. */
static inline uint32_t tag_of(const struct ruleset_config *config)
{
        return TAG_BASE + config->hold_queue;
}

/* Of a datagram that answers one of this instance's programs in the name of its destination. */
static inline uint32_t answer_tag_of(const struct ruleset_config *config)
{
        return ANSWER_TAG_BASE + config->hold_queue;
}

/* Of a packet that passed, on its way to the guard chain. */
static inline uint32_t passed_tag_of(const struct ruleset_config *config)
{
        return PASSED_TAG_BASE + config->hold_queue;
}

/* mark, in the instance's place. */
static inline uint32_t bits(const struct transaction *t, enum mark mark)
{
        return mark_bits(mark, config_of(t)->mark_mask);
}

/* Ends the rule for what nobody listened for. */
static inline void apply_fail_policy(struct transaction *t, struct nftnl_rule *rule, bool is_closed)
{
        count(rule);
        if (is_closed)
                verdict(rule, NFT_GOTO, "refuse");
        else
                set_packet_mark(rule, config_of(t)->mark_mask, 0);
}

/* code and target: as of verdict(). */
static inline void decide_mark(struct transaction *t, const char *chain, enum mark mark, int code,
                               const char *target)
{
        struct nftnl_rule *rule = rule_begin(t, chain);

        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, mark));
        verdict(rule, code, target);
        rule_end(t, rule);
}

/* Ends the rule: what it matches waits for flowd, with that mark. */
static inline void ask_as(struct transaction *t, struct nftnl_rule *rule, enum mark mark)
{
        set_packet_mark(rule, config_of(t)->mark_mask, bits(t, mark));
        queue(rule, config_of(t), config_of(t)->hold_queue);
        rule_end(t, rule);
}

static inline void ask(struct transaction *t, struct nftnl_rule *rule)
{
        ask_as(t, rule, MARK_ASKED);
}
