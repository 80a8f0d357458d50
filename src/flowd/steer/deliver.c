/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The chains that bring a flow's packets to the socket that carries it on, as those of
 * steer/ruleset.c:
 *
 *   deliver: prerouting, before anybody can overwrite the mark. Only while there are proxies.
 *      not from lo                                accept
 *      udp, tagged by us                          goto datagrams
 *      mark & M == 0                              accept
 *      tcp, not a first segment, mark & M == DELIVER    tproxy to the flow's socket, accept
 *      the same                                   mark & M := ASKED, queue: it is sent here again
 *      tcp, mark & M == CLAIMED                   tproxy to the flow's socket, or to our listener,
 *                                                 which resets what it does not know
 *      tcp, mark & M == DELIVER, tagged by us     tproxy to our listener
 *
 *   datagrams: to the flow's socket. What has lost it, with its extension or with flowd, is asked
 *      about, and never left to whoever has the port on this host. Verdicts come back here too.
 *      mark & M == DELIVER                        tproxy to the flow's socket, accept
 *      mark & M == DROP, PASS or PASS_ONCE        drop       it cannot simply pass from here
 *      mark & M == REFUSE, NO_HOST or NO_NETWORK  goto refuse     (IPv4: as DROP; the next one is
 *                                                 held where there is an error to send)
 *      mark & M == CLAIMED                        into claimed4 or claimed6
 *                                                 tproxy to the flow's socket, mark & M := DELIVER,
 *                                                 accept
 *      mark & M == CLAIMED                        drop       its new socket is gone already
 *                                                 mark & M := ASKED, queue
 *
 *   confine: postrouting. Who bound the program's socket to an interface, at whatever time, would have
 *      what was marked in turn leave by that.
 *      mark & M == DELIVER, leaves the host       drop
 *
 *   Instances beside each other may have the same bits, so a tag says who waits for the packet:
 *   the queue's number, in the place of its priority, which means nothing on lo.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include "base/cleanup.h"
#include "steer/chains.h"
#include "steer/deliver.h"
#include "steer/expression.h"
#include "steer/mark.h"
#include "steer/ruleset.h"
#include "steer/transaction.h"

/* Behind the reassembly of fragments, before everything else. */
#define DELIVER_PRIORITY (NF_IP_PRI_RAW - 10)
#define CONFINE_PRIORITY (NF_IP_PRI_RAW - 10)

static uint16_t listener_port(const struct transaction *t, const struct family *family)
{
        const struct ruleset_delivery *delivery = &config_of(t)->delivery;

        return family->number == NFPROTO_IPV4 ? delivery->port4 : delivery->port6;
}

static void match_turned(struct transaction *t, struct nftnl_rule *rule, enum mark mark)
{
        match_protocol(rule, IPPROTO_TCP);
        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, mark));
}

/*
 * What a program says first can come while the end of its handshake, on another CPU, makes the
 * socket: then the kernel finds none (Linux 6.18), and the listener would reset the connection.
 * flowd sends it round once more.
 */
static void deliver_segments(struct transaction *t)
{
        struct nftnl_rule *rule;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "deliver");
                match_turned(t, rule, MARK_DELIVER);
                match_first_segment(rule, false);
                deliver_to_socket(rule, families[i].number);
                verdict(rule, NF_ACCEPT, NULL);
                rule_end(t, rule);
        }
        rule = rule_begin(t, "deliver");
        match_turned(t, rule, MARK_DELIVER);
        match_first_segment(rule, false);
        ask(t, rule);

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "deliver");
                match_turned(t, rule, MARK_CLAIMED);
                deliver_to_listener(rule, families[i].number, listener_port(t, &families[i]));
                rule_end(t, rule);
        }
}

/* Others may have overwritten a datagram's mark. */
static void put_deliver(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "deliver");

        match_other_interface(rule);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "deliver");
        match_protocol(rule, IPPROTO_UDP);
        match_packet_tag(rule, tag_of(config_of(t)));
        verdict(rule, NFT_GOTO, "datagrams");
        rule_end(t, rule);

        decide_mark(t, "deliver", MARK_UNDECIDED, NF_ACCEPT, NULL);
        deliver_segments(t);
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "deliver");
                match_turned(t, rule, MARK_DELIVER);
                match_packet_tag(rule, tag_of(config_of(t)));
                deliver_to_listener(rule, families[i].number, listener_port(t, &families[i]));
                rule_end(t, rule);
        }
}

static void deliver_datagrams(struct transaction *t, const struct family *family)
{
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule;

        rule = rule_begin(t, "datagrams");
        match_packet_mark(rule, mask, bits(t, MARK_CLAIMED));
        refresh_tuple(rule, family->number, TUPLE_AS_SENT, family->claimed);
        rule_end(t, rule);

        rule = rule_begin(t, "datagrams");
        deliver_to_socket(rule, family->number);
        set_packet_mark(rule, mask, bits(t, MARK_DELIVER));
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

static void deliver_turned_datagrams(struct transaction *t, const struct family *family)
{
        struct nftnl_rule *rule = rule_begin(t, "datagrams");

        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_DELIVER));
        deliver_to_socket(rule, family->number);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

static void put_datagrams(struct transaction *t)
{
        static const enum mark drops[] = { MARK_DROP, MARK_PASS, MARK_PASS_ONCE };

        for (size_t i = 0; i < ARRAY_SIZE(families); i++)
                deliver_turned_datagrams(t, &families[i]);
        for (size_t i = 0; i < ARRAY_SIZE(drops); i++)
                decide_mark(t, "datagrams", drops[i], NF_DROP, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
                decide_mark(t, "datagrams", refusals[i], NFT_GOTO, "refuse");
        for (size_t i = 0; i < ARRAY_SIZE(families); i++)
                deliver_datagrams(t, &families[i]);
        decide_mark(t, "datagrams", MARK_CLAIMED, NF_DROP, NULL);
        ask(t, rule_begin(t, "datagrams"));
}

/* Not in guard: to nft, a packet whose way is new leaves by the old one until the hook is over. */
static void put_confine(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "confine");

        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_DELIVER));
        match_way_out(rule);
        verdict(rule, NF_DROP, NULL);
        rule_end(t, rule);
}

void deliver_put_chains(struct transaction *t)
{
        put_chain(t, "datagrams");
        put_base_chain(t, "deliver", "filter", NF_INET_PRE_ROUTING, DELIVER_PRIORITY);
        put_base_chain(t, "confine", "filter", NF_INET_POST_ROUTING, CONFINE_PRIORITY);
}

void deliver_put_rules(struct transaction *t)
{
        put_datagrams(t);
        put_deliver(t);
        put_confine(t);
}
