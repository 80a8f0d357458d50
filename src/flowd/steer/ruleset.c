/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The chains, as `nft list table inet netext` shows them (M is the instance's mark mask):
 *
 *   hold: output, just behind mangle. Decides who waits.
 *      mark & M == PASS_SOCKET                    accept     rules allowed it at connect()
 *      tcp, not a first segment                   accept     only connection attempts are asked
 *      tcp or udp [, socket in our cgroup]        jump decide
 *
 *   decide: verdicts come back here (NF_REPEAT), what has none is sent to be asked.
 *      udp, mark & M == PASS                      into passed4 or passed6
 *      mark & M == PASS                           clear ours, accept
 *      mark & M == PASS_ONCE                      clear ours, accept
 *      mark & M == DROP                           drop
 *      mark & M == REFUSE                         goto refuse
 *      udp, in passed4 or passed6                 accept     decided before
 *      udp, in served4 or served6                 accept     answers another host
 *                                                 mark & M := ASKED, queue
 *
 *   guard: output, next after hold. Nobody listened to the queue, or it was full.
 *      mark & M == 0                              accept
 *      mark & M == ASKED [, socket in our cgroup] count, then the fail policy: goto refuse,
 *                                                 or clear ours
 *      mark & M == PASS_SOCKET                    clear ours: no packet leaves with our bits
 *      (An instance beside this one may have the same bits: what it must still see stays.)
 *
 *   refuse: tcp gets a reset, udp a port unreachable: connect() and send() fail at once.
 *
 *   arrive: input.
 *      not udp                                    accept
 *      udp [, socket in our cgroup], from port 53 of one that was asked    queue
 *                                                 name servers' answers pass flowd, which
 *                                                 remembers names for addresses
 *      udp, turned in passed4 or passed6          accept     answers one of us
 *      udp [, socket in our cgroup]               turned, into served4 or served6
 *
 * No expression looks at the connection table: see steer/passed.h.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "steer/expression.h"
#include "steer/mark.h"
#include "steer/passed.h"
#include "steer/ruleset.h"

#define BATCH_SIZE     (64 * 1024)
#define HOLD_PRIORITY  (NF_IP_PRI_MANGLE + 5)
#define GUARD_PRIORITY (HOLD_PRIORITY + 1)
#define DNS_PORT       53

/* How nft(8) names the types of a set's key: libnftables' datatype numbers, 6 bits each. */
#define TYPE_IPV4           7U
#define TYPE_IPV6           8U
#define TYPE_SERVICE        13U
#define TYPE_TUPLE(address) ((address) << 18 | (address) << 12 | TYPE_SERVICE << 6 | TYPE_SERVICE)

static const struct family {
        uint8_t number;
        const char *passed; /* UDP flows that passed */
        const char *served; /* UDP flows that others began */
        uint32_t key_type;
        uint32_t key_size;
} families[] = {
        { NFPROTO_IPV4, "passed4", "served4", TYPE_TUPLE(TYPE_IPV4), PASSED_KEY_IPV4 },
        { NFPROTO_IPV6, "passed6", "served6", TYPE_TUPLE(TYPE_IPV6), PASSED_KEY_IPV6 },
};

/* One transaction under construction. */
struct transaction {
        struct mnl_nlmsg_batch *batch;
        const struct ruleset_config *config;
        uint32_t sequence;
        uint32_t last_set;
};

static struct nlmsghdr *message_begin(struct transaction *t, uint16_t type, uint16_t flags)
{
        return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(t->batch), type, NFPROTO_INET, flags,
                                     t->sequence++);
}

static void message_end(struct transaction *t)
{
        mnl_nlmsg_batch_next(t->batch);
}

static void put_table(struct transaction *t, uint16_t type, uint16_t flags, const char *name)
{
        struct nftnl_table *table = nftnl_table_alloc();

        if (!table)
                abort();
        nftnl_table_set_str(table, NFTNL_TABLE_NAME, name);
        nftnl_table_nlmsg_build_payload(message_begin(t, type, flags), table);
        message_end(t);
        nftnl_table_free(table);
}

static void put_chain(struct transaction *t, const char *name, int hook, int32_t priority)
{
        struct nftnl_chain *chain = nftnl_chain_alloc();

        if (!chain)
                abort();
        nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, t->config->table);
        nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
        if (hook >= 0) {
                nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
                nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, (uint32_t)hook);
                nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
                nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
        }
        nftnl_chain_nlmsg_build_payload(message_begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE), chain);
        message_end(t);
        nftnl_chain_free(chain);
}

static void put_set(struct transaction *t, const struct family *family, const char *name)
{
        struct nftnl_set *set = nftnl_set_alloc();

        if (!set)
                abort();
        nftnl_set_set_str(set, NFTNL_SET_TABLE, t->config->table);
        nftnl_set_set_str(set, NFTNL_SET_NAME, name);
        nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
        nftnl_set_set_u32(set, NFTNL_SET_ID, ++t->last_set);
        nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT | NFT_SET_EVAL);
        nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, family->key_type);
        nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, family->key_size);
        nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, PASSED_MAX);
        nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, PASSED_SECONDS * 1000);
        nftnl_set_nlmsg_build_payload(message_begin(t, NFT_MSG_NEWSET, NLM_F_CREATE), set);
        message_end(t);
        nftnl_set_free(set);
}

static struct nftnl_rule *rule_begin(struct transaction *t, const char *chain)
{
        struct nftnl_rule *rule = nftnl_rule_alloc();

        if (!rule)
                abort();
        nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, t->config->table);
        nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
        nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
        return rule;
}

static void rule_end(struct transaction *t, struct nftnl_rule *rule)
{
        uint16_t flags = NLM_F_CREATE | NLM_F_APPEND;

        nftnl_rule_nlmsg_build_payload(message_begin(t, NFT_MSG_NEWRULE, flags), rule);
        message_end(t);
        nftnl_rule_free(rule);
}

/* All rules of all chains. */
static void remove_rules(struct transaction *t)
{
        struct nftnl_rule *rule = nftnl_rule_alloc();

        if (!rule)
                abort();
        nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, t->config->table);
        nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
        nftnl_rule_nlmsg_build_payload(message_begin(t, NFT_MSG_DELRULE, 0), rule);
        message_end(t);
        nftnl_rule_free(rule);
}

static void match_instance(struct nftnl_rule *rule, const struct ruleset_config *config)
{
        if (config->cgroup_level > 0)
                match_cgroup(rule, config->cgroup_level, config->cgroup_id);
}

static void queue(struct nftnl_rule *rule, const struct ruleset_config *config, uint16_t number)
{
        if (config->mechanism == QUEUE_NATIVE)
                queue_native(rule, number);
        else
                queue_xtables(rule, number);
}

static uint32_t bits(const struct transaction *t, enum mark mark)
{
        return mark_bits(mark, t->config->mark_mask);
}

static void put_hold(struct transaction *t)
{
        static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };
        struct nftnl_rule *rule;

        rule = rule_begin(t, "hold");
        match_packet_mark(rule, t->config->mark_mask, bits(t, MARK_PASS_SOCKET));
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "hold");
        match_protocol(rule, IPPROTO_TCP);
        match_first_segment(rule, false);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
                rule = rule_begin(t, "hold");
                match_protocol(rule, protocols[i]);
                match_instance(rule, t->config);
                verdict(rule, NFT_JUMP, "decide");
                rule_end(t, rule);
        }
}

static void put_verdicts(struct transaction *t)
{
        static const enum mark passes[] = { MARK_PASS, MARK_PASS_ONCE };
        uint32_t mask = t->config->mark_mask;
        struct nftnl_rule *rule;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "decide");
                match_protocol(rule, IPPROTO_UDP);
                match_packet_mark(rule, mask, bits(t, MARK_PASS));
                remember_tuple(rule, families[i].number, TUPLE_AS_SENT, families[i].passed);
                rule_end(t, rule);
        }

        for (size_t i = 0; i < ARRAY_SIZE(passes); i++) {
                rule = rule_begin(t, "decide");
                match_packet_mark(rule, mask, bits(t, passes[i]));
                set_packet_mark(rule, mask, 0);
                verdict(rule, NF_ACCEPT, NULL);
                rule_end(t, rule);
        }

        rule = rule_begin(t, "decide");
        match_packet_mark(rule, mask, bits(t, MARK_DROP));
        verdict(rule, NF_DROP, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "decide");
        match_packet_mark(rule, mask, bits(t, MARK_REFUSE));
        verdict(rule, NFT_GOTO, "refuse");
        rule_end(t, rule);
}

static void accept_known(struct transaction *t, uint8_t family, const char *set)
{
        struct nftnl_rule *rule = rule_begin(t, "decide");

        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family, TUPLE_AS_SENT, set);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

static void put_decide(struct transaction *t)
{
        uint32_t mask = t->config->mark_mask;
        struct nftnl_rule *rule;

        put_verdicts(t);
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                accept_known(t, families[i].number, families[i].passed);
                accept_known(t, families[i].number, families[i].served);
        }

        rule = rule_begin(t, "decide");
        set_packet_mark(rule, mask, bits(t, MARK_ASKED));
        queue(rule, t->config, t->config->hold_queue);
        rule_end(t, rule);
}

static void put_guard(struct transaction *t)
{
        uint32_t mask = t->config->mark_mask;
        struct nftnl_rule *rule;

        rule = rule_begin(t, "guard");
        match_packet_mark(rule, mask, 0);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "guard");
        match_packet_mark(rule, mask, bits(t, MARK_ASKED));
        match_instance(rule, t->config);
        count(rule);
        if (t->config->closed)
                verdict(rule, NFT_GOTO, "refuse");
        else
                set_packet_mark(rule, mask, 0);
        rule_end(t, rule);

        rule = rule_begin(t, "guard");
        match_packet_mark(rule, mask, bits(t, MARK_PASS_SOCKET));
        set_packet_mark(rule, mask, 0);
        rule_end(t, rule);
}

static void put_refuse(struct transaction *t)
{
        struct nftnl_rule *rule;

        rule = rule_begin(t, "refuse");
        match_protocol(rule, IPPROTO_TCP);
        reject_with_reset(rule);
        rule_end(t, rule);

        rule = rule_begin(t, "refuse");
        reject_with_port_unreachable(rule);
        rule_end(t, rule);
}

static void put_arrive(struct transaction *t)
{
        struct nftnl_rule *rule;

        rule = rule_begin(t, "arrive");
        match_other_protocol(rule, IPPROTO_UDP);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "arrive");
                match_protocol(rule, IPPROTO_UDP);
                match_udp_source_port(rule, DNS_PORT);
                match_tuple(rule, families[i].number, TUPLE_TURNED, families[i].passed);
                match_instance(rule, t->config);
                queue(rule, t->config, t->config->answers_queue);
                rule_end(t, rule);

                rule = rule_begin(t, "arrive");
                match_protocol(rule, IPPROTO_UDP);
                match_tuple(rule, families[i].number, TUPLE_TURNED, families[i].passed);
                verdict(rule, NF_ACCEPT, NULL);
                rule_end(t, rule);

                rule = rule_begin(t, "arrive");
                match_protocol(rule, IPPROTO_UDP);
                match_instance(rule, t->config);
                remember_tuple(rule, families[i].number, TUPLE_TURNED, families[i].served);
                rule_end(t, rule);
        }
}

static void put_objects(struct transaction *t)
{
        put_table(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->config->table);
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                put_set(t, &families[i], families[i].passed);
                put_set(t, &families[i], families[i].served);
        }
        put_chain(t, "refuse", -1, 0);
        put_chain(t, "decide", -1, 0);
        put_chain(t, "hold", NF_INET_LOCAL_OUT, HOLD_PRIORITY);
        put_chain(t, "guard", NF_INET_LOCAL_OUT, GUARD_PRIORITY);
        put_chain(t, "arrive", NF_INET_LOCAL_IN, HOLD_PRIORITY);
}

static void put_rules(struct transaction *t)
{
        put_refuse(t);
        put_decide(t);
        put_hold(t);
        put_guard(t);
        put_arrive(t);
}

/*
 * Over what an earlier flowd left, or from nothing: the chains stay and their rules are
 * new. A chain that went and came back would drop every held packet with it
 * (nf_queue_nf_hook_drop()), and forget the UDP flows that passed.
 */
static void put_over(struct transaction *t)
{
        put_objects(t);
        remove_rules(t);
        put_rules(t);
}

/* Where what is there does not fit: another version's table. */
static void put_afresh(struct transaction *t)
{
        put_table(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->config->table);
        put_table(t, NFT_MSG_DELTABLE, 0, t->config->table);
        put_objects(t);
        put_rules(t);
}

/* Sends the batch; the kernel answers with an acknowledgement or the error of one message. */
static int commit(struct transaction *t)
{
        struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
        char buffer[8192]; /* more than one acknowledgement of each message needs */
        int r = 0;
        ssize_t n;

        if (!socket)
                return -errno;
        if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
            mnl_socket_sendto(socket, mnl_nlmsg_batch_head(t->batch),
                              mnl_nlmsg_batch_size(t->batch)) < 0)
                r = -errno;
        while (r == 0) {
                n = recv(mnl_socket_get_fd(socket), buffer, sizeof(buffer), MSG_DONTWAIT);
                if (n < 0)
                        break;
                if (mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket), NULL, NULL) < 0)
                        r = -errno;
        }
        mnl_socket_close(socket);
        return r;
}

typedef void put_fn(struct transaction *t);

static int transact(const struct ruleset_config *config, put_fn *put)
{
        _cleanup_free_ char *buffer = malloc(BATCH_SIZE);
        struct transaction t = { .config = config, .sequence = (uint32_t)time(NULL) };
        int r;

        if (!buffer)
                return -ENOMEM;
        t.batch = mnl_nlmsg_batch_start(buffer, BATCH_SIZE);
        nftnl_batch_begin(mnl_nlmsg_batch_current(t.batch), t.sequence++);
        mnl_nlmsg_batch_next(t.batch);
        put(&t);
        nftnl_batch_end(mnl_nlmsg_batch_current(t.batch), t.sequence++);
        mnl_nlmsg_batch_next(t.batch);
        r = commit(&t);
        mnl_nlmsg_batch_stop(t.batch);
        return r;
}

int ruleset_apply(struct ruleset_config *config)
{
        static const enum queue_mechanism mechanisms[] = { QUEUE_NATIVE, QUEUE_XTABLES };
        static put_fn *const ways[] = { put_over, put_afresh };
        int r = 0;

        for (size_t way = 0; way < ARRAY_SIZE(ways); way++) {
                for (size_t i = 0; i < ARRAY_SIZE(mechanisms); i++) {
                        config->mechanism = mechanisms[i];
                        r = transact(config, ways[way]);
                        if (r == 0)
                                return 0;
                }
        }
        return r;
}

static void put_removal(struct transaction *t)
{
        put_table(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->config->table);
        put_table(t, NFT_MSG_DELTABLE, 0, t->config->table);
}

int ruleset_remove(const char *table)
{
        struct ruleset_config config = { .table = table };

        return transact(&config, put_removal);
}

const char *queue_mechanism_to_string(enum queue_mechanism mechanism)
{
        return mechanism == QUEUE_NATIVE ? "nft queue" : "xtables NFQUEUE through nft_compat";
}
