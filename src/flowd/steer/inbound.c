/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The chains for what comes in, as those of steer/ruleset.c:
 *
 *   arrive: input.
 *      tcp, RST                                   accept     ours, to who began a cut connection
 *      tcp, turned in cut4 or cut6                refresh it there, drop. These two only where the
 *                                                 kernel cannot end a connection
 *      not udp                                    accept
 *      from lo, mark & M == ASKED, tagged by us   goto refuse     nobody listened to the queue
 *      from lo, tagged by us, also as an answer   accept     of a flow that a proxy claimed
 *      udp [, socket in our cgroup], from port 53 of one that was asked    queue
 *                                                 name servers' answers pass flowd, which
 *                                                 remembers names for addresses
 *      udp, turned in passed4 or passing4, or 6   accept     answers one of us
 *      udp, turned in ended4 or ended6            refresh it there, drop
 *      udp [, socket in our cgroup]               turned, into served4 or served6; where hold_in
 *                                                 sees to that, only from lo
 *
 *   hold_in: input, behind everybody else's rules: what they drop is not asked about. Only while
 *      a session speaks of inbound flows.
 *      from lo, neither tcp nor udp, or tcp and not a first segment   accept
 *      a fragment, not the first                  accept     of IPv6; it is nothing without that
 *      udp, to a group, or to all of a network    goto group     it is for many programs
 *      udp, turned in passed4 or passing4, or 6   accept     answers one of us
 *      udp, mark & M == PASS                      turned, into served4 or served6
 *      udp, turned in served4 or served6          refresh it there, clear ours, accept
 *      udp, mark & M == WATCHED                   turned, into watched4 or watched6
 *      udp, has a socket [in our cgroup]          tag
 *      udp, no tag of ours                        accept     somebody else's, or nobody's
 *      tcp [, socket in our cgroup]               tag
 *      no tag of ours, has a socket               accept     somebody else's
 *                                                 tag        nobody listens; or an earlier
 *                                                 jump decide   connection hides who does
 *
 *   group: each of the sockets that such a datagram reaches is a flow, and has its own verdict
 *      (bpf/group.bpf.h); the datagram waits until all have one. Where the kernel does not tell
 *      which sockets there are, it is accepted instead.
 *                                                 tag as that
 *      from an address of this host               accept     a flow of whoever sent it
 *      mark & M == PASS                           turned, into heard4 or heard6
 *      turned in heard4 or heard6                 refresh it there, clear ours, accept
 *      mark & M == PASS                           clear ours, accept     there was no room
 *      mark & M == DROP                           drop
 *                                                 mark & M := GROUP, queue
 *
 *   guard_in: input, next after that. As guard.
 *      mark & M == GROUP, tagged as that          count, clear ours; and the tag, where the fail policy
 *                                                 is open: else who was not asked about gets nothing
 *      mark & M == ASKED, our tag                 count, then the fail policy
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <linux/rtnetlink.h>

#include "base/cleanup.h"
#include "bpf/steer.abi.h"
#include "steer/chains.h"
#include "steer/expression.h"
#include "steer/inbound.h"
#include "steer/mark.h"
#include "steer/ruleset.h"
#include "steer/transaction.h"

/* Behind filter, security and NAT. */
#define HOLD_IN_PRIORITY  (NF_IP_PRI_NAT_SRC + 5)
#define GUARD_IN_PRIORITY (HOLD_IN_PRIORITY + 1)
#define DNS_PORT          53

/* What has our tag was looked up on its way out, whichever way it goes. */
static void accept_delivered(struct transaction *t)
{
        const uint32_t tags[] = { tag_of(config_of(t)), answer_tag_of(config_of(t)) };

        for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
                struct nftnl_rule *rule = rule_begin(t, "arrive");

                match_loopback_interface(rule);
                match_packet_tag(rule, tags[i]);
                verdict(rule, NF_ACCEPT, NULL);
                rule_end(t, rule);
        }
}

/* Else it would be given to who has the port on this host. */
static void refuse_unheard(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "arrive");

        match_loopback_interface(rule);
        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_ASKED));
        match_packet_tag(rule, tag_of(config_of(t)));
        verdict(rule, NFT_GOTO, "refuse");
        rule_end(t, rule);
}

static void note_served_unasked(struct transaction *t, const struct family *family)
{
        struct nftnl_rule *rule = rule_begin(t, "arrive");

        match_protocol(rule, IPPROTO_UDP);
        if (config_of(t)->inbound != INBOUND_OFF)
                match_loopback_interface(rule);
        match_instance(rule, config_of(t));
        remember_tuple(rule, family->number, TUPLE_TURNED, family->served);
        rule_end(t, rule);
}

static void drop_cut(struct transaction *t)
{
        struct nftnl_rule *reset = rule_begin(t, "arrive");

        match_protocol(reset, IPPROTO_TCP);
        match_reset(reset);
        verdict(reset, NF_ACCEPT, NULL);
        rule_end(t, reset);

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                struct nftnl_rule *rule = rule_begin(t, "arrive");

                match_cut(rule, &families[i], TUPLE_TURNED);
                verdict(rule, NF_DROP, NULL);
                rule_end(t, rule);
        }
}

/* set: of flows that a program here began. */
static void accept_answers(struct transaction *t, uint8_t family, const char *set)
{
        struct nftnl_rule *rule = rule_begin(t, "arrive");

        match_protocol(rule, IPPROTO_UDP);
        match_udp_source_port(rule, DNS_PORT);
        match_tuple(rule, family, TUPLE_TURNED, set);
        match_instance(rule, config_of(t));
        queue(rule, config_of(t), config_of(t)->answers_queue);
        rule_end(t, rule);

        rule = rule_begin(t, "arrive");
        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family, TUPLE_TURNED, set);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

static void put_arrive(struct transaction *t)
{
        struct nftnl_rule *rule;

        if (config_of(t)->cuts)
                drop_cut(t);
        rule = rule_begin(t, "arrive");
        match_other_protocol(rule, IPPROTO_UDP);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        if (config_of(t)->delivery.is_on) {
                refuse_unheard(t);
                accept_delivered(t);
        }

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                accept_answers(t, families[i].number, families[i].passed);
                accept_answers(t, families[i].number, families[i].passing);

                rule = rule_begin(t, "arrive");
                match_ended(rule, &families[i], TUPLE_TURNED);
                verdict(rule, NF_DROP, NULL);
                rule_end(t, rule);

                note_served_unasked(t, &families[i]);
        }
}

static void accept_not_held(struct transaction *t)
{
        static const uint32_t shared[] = { RTN_MULTICAST, RTN_BROADCAST };
        struct nftnl_rule *rule = rule_begin(t, "hold_in");

        match_loopback_interface(rule);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_protocol(rule, IPPROTO_TCP);
        match_first_segment(rule, false);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_other_protocol(rule, IPPROTO_TCP);
        match_other_protocol(rule, IPPROTO_UDP);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_later_fragment(rule);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
                rule = rule_begin(t, "hold_in");
                match_protocol(rule, IPPROTO_UDP);
                match_destination_type(rule, shared[i]);
                if (config_of(t)->asks_groups)
                        verdict(rule, NFT_GOTO, "group");
                else
                        verdict(rule, NF_ACCEPT, NULL);
                rule_end(t, rule);
        }
}

static void put_heard(struct transaction *t, const struct family *family)
{
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule = rule_begin(t, "group");

        match_packet_mark(rule, mask, bits(t, MARK_PASS));
        refresh_tuple(rule, family->number, TUPLE_TURNED, family->heard);
        rule_end(t, rule);

        rule = rule_begin(t, "group");
        match_tuple(rule, family->number, TUPLE_TURNED, family->heard);
        refresh_tuple(rule, family->number, TUPLE_TURNED, family->heard);
        set_packet_mark(rule, mask, 0);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

static void put_group(struct transaction *t)
{
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule = rule_begin(t, "group");

        set_packet_tag(rule, STEER_GROUP_TAG);
        rule_end(t, rule);

        rule = rule_begin(t, "group");
        match_source_type(rule, RTN_LOCAL);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        for (size_t i = 0; i < ARRAY_SIZE(families); i++)
                put_heard(t, &families[i]);

        rule = rule_begin(t, "group");
        match_packet_mark(rule, mask, bits(t, MARK_PASS));
        set_packet_mark(rule, mask, 0);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "group");
        match_packet_mark(rule, mask, bits(t, MARK_DROP));
        verdict(rule, NF_DROP, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "group");
        set_packet_mark(rule, mask, bits(t, MARK_GROUP));
        queue(rule, config_of(t), config_of(t)->hold_queue);
        rule_end(t, rule);
}

static void accept_known_datagrams(struct transaction *t, const struct family *family)
{
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule = rule_begin(t, "hold_in");

        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, TUPLE_TURNED, family->passed);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, TUPLE_TURNED, family->passing);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_protocol(rule, IPPROTO_UDP);
        match_packet_mark(rule, mask, bits(t, MARK_PASS));
        refresh_tuple(rule, family->number, TUPLE_TURNED, family->served);
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, TUPLE_TURNED, family->served);
        refresh_tuple(rule, family->number, TUPLE_TURNED, family->served);
        set_packet_mark(rule, mask, 0);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_protocol(rule, IPPROTO_UDP);
        match_packet_mark(rule, mask, bits(t, MARK_WATCHED));
        refresh_tuple(rule, family->number, TUPLE_TURNED, family->watched);
        rule_end(t, rule);
}

/* Unlike a connection's, no earlier one's remains hide who waits for a datagram. */
static void hold_datagrams(struct transaction *t)
{
        const struct ruleset_config *config = config_of(t);
        struct nftnl_rule *rule;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++)
                accept_known_datagrams(t, &families[i]);

        rule = rule_begin(t, "hold_in");
        match_protocol(rule, IPPROTO_UDP);
        match_socket_mark(rule, 0, 0); /* any */
        match_instance(rule, config);
        set_packet_tag(rule, tag_of(config));
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_protocol(rule, IPPROTO_UDP);
        match_other_packet_tag(rule, tag_of(config));
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

static void put_hold_in(struct transaction *t)
{
        const struct ruleset_config *config = config_of(t);
        struct nftnl_rule *rule;

        accept_not_held(t);
        hold_datagrams(t);

        rule = rule_begin(t, "hold_in");
        match_protocol(rule, IPPROTO_TCP);
        match_instance(rule, config);
        set_packet_tag(rule, tag_of(config));
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        match_other_packet_tag(rule, tag_of(config));
        match_socket_mark(rule, 0, 0); /* any */
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "hold_in");
        set_packet_tag(rule, tag_of(config));
        verdict(rule, NFT_JUMP, "decide");
        rule_end(t, rule);
}

static void put_guard_in(struct transaction *t)
{
        const struct ruleset_config *config = config_of(t);
        struct nftnl_rule *rule = rule_begin(t, "guard_in");

        match_packet_mark(rule, config->mark_mask, bits(t, MARK_ASKED));
        match_packet_tag(rule, tag_of(config));
        apply_fail_policy(t, rule, config->inbound == INBOUND_CLOSED);
        rule_end(t, rule);

        rule = rule_begin(t, "guard_in");
        match_packet_mark(rule, config->mark_mask, bits(t, MARK_GROUP));
        match_packet_tag(rule, STEER_GROUP_TAG);
        count(rule);
        set_packet_mark(rule, config->mark_mask, 0);
        if (config->inbound != INBOUND_CLOSED)
                set_packet_tag(rule, NO_TAG);
        rule_end(t, rule);
}

void inbound_put_chains(struct transaction *t)
{
        put_base_chain(t, "arrive", "filter", NF_INET_LOCAL_IN, HOLD_PRIORITY);
        if (config_of(t)->inbound == INBOUND_OFF)
                return;
        put_chain(t, "group");
        put_base_chain(t, "hold_in", "filter", NF_INET_LOCAL_IN, HOLD_IN_PRIORITY);
        put_base_chain(t, "guard_in", "filter", NF_INET_LOCAL_IN, GUARD_IN_PRIORITY);
}

void inbound_put_rules(struct transaction *t)
{
        put_arrive(t);
        if (config_of(t)->inbound == INBOUND_OFF)
                return;
        put_group(t);
        put_hold_in(t);
        put_guard_in(t);
}
