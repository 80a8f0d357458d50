/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The chains, as `nft list table inet netext` shows them (M is the instance's mark mask):
 *
 *   In each chain, what most packets of a claimed flow are comes first.
 *
 *   hold: output, just behind mangle. Decides who waits. Without proxies, the first rule and those
 *      of undecided.
 *      tcp, in cut4 or cut6                       refresh it there, goto refuse. Only where the
 *                                                 kernel cannot end a connection
 *      mark & M == PASS_SOCKET                    accept     rules allowed it at connect()
 *      tcp, a first segment, its socket's mark & M == ONWARD
 *                                                 turned, into onward4 or onward6; accept
 *      mark & M == 0                              goto undecided
 *      mark & M == DELIVER                        accept     a proxy claimed it
 *      mark & M == RELAY                          goto speak
 *      mark & M == OWN                            accept     our own sockets
 *      udp, mark & M == CLAIMED                   into claimed4 or claimed6
 *      mark & M == CLAIMED                        mark & M := ASKED, tag, accept: see as_queued()
 *      mark & M == ASKED, a tag                   accept     so did another instance
 *                                                 goto undecided
 *
 *   undecided: what no mark speaks for.
 *      tcp, not a first segment                   accept     only connection attempts are asked
 *      udp, in claimed4 or claimed6               tag, accept: a proxy claimed it before
 *      tcp or udp [, socket in our cgroup]        jump decide
 *      tcp or udp, mark & M != 0, socket in the extensions' cgroup   jump decide
 *
 *   speak: from our sockets that speak for destinations. They can only answer a program here.
 *      udp, leaves the host                       drop
 *      udp, turned in claimed4 or claimed6        tag as an answer, and refresh it there
 *                                                 accept
 *
 *   decide: verdicts come back here (NF_REPEAT), what has none is sent to be asked.
 *      mark & M == 0                              goto ask
 *      udp, mark & M == PASS                      into passed4 or passed6
 *      udp, mark & M == PASS_LINED                into passing4 or passing6
 *      mark & M == PASS, no priority              mark & M := ASKED, tag as passed, accept: guard
 *                                                 clears both
 *      mark & M == PASS                           clear ours, accept
 *      mark & M == PASS_ONCE or PASS_LINED        clear ours, accept
 *      mark & M == DROP                           drop
 *      mark & M == REFUSE, NO_HOST or NO_NETWORK  goto refuse
 *                                                 goto ask
 *
 *   ask: steer/passed.h says why what passed may have to wait.
 *      udp, in passed4, not in lined4, or 6       accept     decided before
 *      udp, in asked4 or asked6                   into lined4 or lined6
 *      udp, in asked4 or asked6                   mark & M := LINED, queue
 *      udp, in served4 or served6                 refresh it there, while hold_in looks there
 *      udp, in served4 or served6                 accept     answers another host
 *      udp, in watched4 or watched6, as it is or turned
 *                                                 refresh it there, mark & M := ASKED, queue: that
 *                                                 of steer/watch.h. Only while what came in can be
 *                                                 inspected
 *      udp, in ended4 or ended6                   refresh it there, goto refuse
 *      mark & M == WATCHED, our tag               drop       there was no room in the set
 *      our tag                                    mark & M := ASKED, queue: it comes in
 *      udp, its socket's mark & M == PASS_SOCKET  accept     a tunnel's: no socket of UDP bears
 *                                                 that mark, so the kernel carries an allowed
 *                                                 connection on
 *      udp from a socket that a process has open  into asked4 or asked6; mark & M := ASKED, queue
 *      the same, and there was no room in the set mark & M := LINED, queue
 *      tcp                                        mark & M := ASKED, queue
 *                                                 what the kernel itself says passes
 *
 *   turn: output, next after hold, of the type that routes again. Only while flows are delivered.
 *      (Not in hold: a held packet comes back to a place in the kernel's list, and tproxy adds a
 *      hook before it, for fragments; then it meets hold as the next one, which does not route.)
 *      tcp, mark & M == DELIVER                   accept     its socket's mark routed it to lo
 *      mark & M == ASKED, our tag                 mark & M := DELIVER, which routes it to lo
 *      tcp, its socket's mark & M == DELIVER      mark & M := DELIVER, which routes it to lo:
 *                                                 others may have overwritten the packet's mark
 *      udp, our tag                               the same, and refresh it in claimed4 or claimed6
 *      tcp SYN and ACK, or RST, mark & M == 0, in onward4 or onward6
 *                                                 mark & M := ONWARD, which routes it to lo: the
 *                                                 kernel's own answer; no socket is marked yet
 *      tcp, its socket's mark & M == ONWARD       the same
 *
 *   guard: output, next after those. Nobody listened to the queue, or it was full.
 *      mark & M == PASS_SOCKET                    clear ours, accept: no packet leaves with them
 *      mark & M == 0, or DELIVER                  accept
 *      mark & M == ASKED, tagged as passed        clear both, accept
 *      mark & M == ASKED or LINED [, socket in our cgroup]   count, then the fail policy: goto
 *                                                 refuse, or clear ours
 *      mark & M == RELAY, CARRIED or OWN          clear ours
 *      (An instance beside this one may have the same bits: what it must still see stays.)
 *
 *   refuse: tcp gets a reset, udp a port unreachable: connect() and send() fail at once. What
 *      a proxy's upstream could not reach gets the ICMP error that says so.
 *
 *   deliver, datagrams: prerouting; confine: postrouting; see steer/deliver.c
 *
 *   arrive, hold_in, guard_in: input, see steer/inbound.c
 *
 *   untrack: output, before the connection table. Only while what came in can be inspected.
 *      mark & M == ONWARD, or an answer as in turn     notrack: the visitor's own connection has
 *                                                 the same ends
 *
 * No expression looks at the connection table: see steer/passed.h.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>

#include "base/cleanup.h"
#include "steer/chains.h"
#include "steer/deliver.h"
#include "steer/expression.h"
#include "steer/inbound.h"
#include "steer/mark.h"
#include "steer/passed.h"
#include "steer/ruleset.h"
#include "steer/transaction.h"

#define TURN_PRIORITY  (HOLD_PRIORITY + 1)
#define GUARD_PRIORITY (HOLD_PRIORITY + 2)
/* The server is on this host: it answers at once, or when the first segment is repeated. */
#define ONWARD_SECONDS   4
#define UNTRACK_PRIORITY (NF_IP_PRI_CONNTRACK - 5)
#define TAG_MASK         0xffff0000U

static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

static void accept_mark(struct transaction *t, enum mark mark)
{
        decide_mark(t, "hold", mark, NF_ACCEPT, NULL);
}

/*
 * A packet whose mark is another than when it was queued has its route looked up anew, and that
 * costs more than all our chains (nf_reroute()). So it gets the old one back, and a tag says what
 * came of it.
 */
static void as_queued(struct transaction *t, struct nftnl_rule *rule, uint32_t tag)
{
        set_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_ASKED));
        set_packet_tag(rule, tag);
        verdict(rule, NF_ACCEPT, NULL);
}

/* Of all instances the one whose verdict it is sees it first: NF_REPEAT comes back to its chain. */
static void take_claimed(struct transaction *t)
{
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "hold");
                match_protocol(rule, IPPROTO_UDP);
                match_packet_mark(rule, mask, bits(t, MARK_CLAIMED));
                refresh_tuple(rule, families[i].number, TUPLE_AS_SENT, families[i].claimed);
                rule_end(t, rule);
        }
        rule = rule_begin(t, "hold");
        match_packet_mark(rule, mask, bits(t, MARK_CLAIMED));
        as_queued(t, rule, tag_of(config_of(t)));
        rule_end(t, rule);

        rule = rule_begin(t, "hold");
        match_packet_mark(rule, mask, bits(t, MARK_ASKED));
        match_packet_tags(rule, TAG_MASK, TAG_BASE);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

/* An extension holds the socket: it answers a program here, and is no way past the filters. */
static void drop_leaving_answers(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "speak");

        match_protocol(rule, IPPROTO_UDP);
        match_way_out(rule);
        verdict(rule, NF_DROP, NULL);
        rule_end(t, rule);
}

/* An answer: its flow is not idle. One whose flow is over must not bring it back. */
static void note_answers(struct transaction *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                struct nftnl_rule *rule = rule_begin(t, "speak");

                match_protocol(rule, IPPROTO_UDP);
                match_tuple(rule, families[i].number, TUPLE_TURNED, families[i].claimed);
                refresh_tuple(rule, families[i].number, TUPLE_TURNED, families[i].claimed);
                set_packet_tag(rule, answer_tag_of(config_of(t)));
                rule_end(t, rule);
        }
}

static void put_speak(struct transaction *t)
{
        struct nftnl_rule *rule;

        drop_leaving_answers(t);
        note_answers(t);
        rule = rule_begin(t, "speak");
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

/*
 * Extensions can live outside of our cgroup. Their own traffic is none of ours; what carries
 * a flow on is marked, first as that, then with the verdict.
 */
static void hold_carried(struct transaction *t)
{
        const struct ruleset_config *config = config_of(t);

        for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
                struct nftnl_rule *rule = rule_begin(t, "undecided");

                match_protocol(rule, protocols[i]);
                match_any_packet_mark(rule, config->mark_mask);
                match_cgroup(rule, config->extension_cgroup_level, config->extension_cgroup_id);
                verdict(rule, NFT_JUMP, "decide");
                rule_end(t, rule);
        }
}

/* Our first segment to a server that is visited; others may have overwritten the packet's mark. */
static void match_visit(struct transaction *t, struct nftnl_rule *rule)
{
        match_protocol(rule, IPPROTO_TCP);
        match_first_segment(rule, true);
        match_socket_mark(rule, config_of(t)->mark_mask, bits(t, MARK_ONWARD));
}

/* So that the server's answer, which no socket marks, finds its way to us. */
static void take_onward(struct transaction *t)
{
        struct nftnl_rule *rule;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "hold");
                match_visit(t, rule);
                refresh_tuple(rule, families[i].number, TUPLE_TURNED, families[i].onward);
                rule_end(t, rule);
        }
        rule = rule_begin(t, "hold");
        match_visit(t, rule);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

/* What the kernel says in the server's name, unmarked; our own answer to the visitor is marked. */
typedef void answer_fn(struct nftnl_rule *rule);
static answer_fn *const answers[] = { match_acceptance, match_reset };

typedef void answered_fn(struct transaction *t, struct nftnl_rule *rule);

static void for_server_answers(struct transaction *t, const char *chain, answered_fn *fn)
{
        for (size_t i = 0; i < ARRAY_SIZE(families) * ARRAY_SIZE(answers); i++) {
                const struct family *family = &families[i / ARRAY_SIZE(answers)];
                struct nftnl_rule *rule = rule_begin(t, chain);

                match_protocol(rule, IPPROTO_TCP);
                answers[i % ARRAY_SIZE(answers)](rule);
                match_packet_mark(rule, config_of(t)->mark_mask, 0);
                match_tuple(rule, family->number, TUPLE_AS_SENT, family->onward);
                fn(t, rule);
                rule_end(t, rule);
        }
}

static void untrack_answer(struct transaction *t, struct nftnl_rule *rule)
{
        leave_untracked(rule);
}

static void turn_answer(struct transaction *t, struct nftnl_rule *rule)
{
        set_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_ONWARD));
}

static void put_untrack(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "untrack");

        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_ONWARD));
        leave_untracked(rule);
        rule_end(t, rule);
        for_server_answers(t, "untrack", untrack_answer);
}

static bool receives(const struct ruleset_config *config)
{
        return config->delivery.is_on && config->inbound != INBOUND_OFF;
}

static void accept_later_segments(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "undecided");

        match_protocol(rule, IPPROTO_TCP);
        match_first_segment(rule, false);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

/* The tag spares turn a look into the set. */
static void tag_claimed_datagrams(struct transaction *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                struct nftnl_rule *rule = rule_begin(t, "undecided");

                match_protocol(rule, IPPROTO_UDP);
                match_tuple(rule, families[i].number, TUPLE_AS_SENT, families[i].claimed);
                set_packet_tag(rule, tag_of(config_of(t)));
                verdict(rule, NF_ACCEPT, NULL);
                rule_end(t, rule);
        }
}

static void put_undecided(struct transaction *t)
{
        accept_later_segments(t);
        if (config_of(t)->delivery.is_on)
                tag_claimed_datagrams(t);
        for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
                struct nftnl_rule *rule = rule_begin(t, "undecided");

                match_protocol(rule, protocols[i]);
                match_instance(rule, config_of(t));
                verdict(rule, NFT_JUMP, "decide");
                rule_end(t, rule);
        }
        if (config_of(t)->delivery.is_on)
                hold_carried(t);
}

static void refuse_cut(struct transaction *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                struct nftnl_rule *rule = rule_begin(t, "hold");

                match_cut(rule, &families[i], TUPLE_AS_SENT);
                verdict(rule, NFT_GOTO, "refuse");
                rule_end(t, rule);
        }
}

static void put_hold(struct transaction *t)
{
        struct nftnl_rule *rule;

        if (config_of(t)->cuts)
                refuse_cut(t);
        accept_mark(t, MARK_PASS_SOCKET);
        if (receives(config_of(t)))
                take_onward(t);
        if (config_of(t)->delivery.is_on) {
                decide_mark(t, "hold", MARK_UNDECIDED, NFT_GOTO, "undecided");
                accept_mark(t, MARK_DELIVER);
                decide_mark(t, "hold", MARK_RELAY, NFT_GOTO, "speak");
                accept_mark(t, MARK_OWN);
                take_claimed(t);
        }
        rule = rule_begin(t, "hold");
        verdict(rule, NFT_GOTO, "undecided");
        rule_end(t, rule);
}

/* What has a priority of its own has no room for the tag. */
static void pass_as_queued(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "decide");

        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_PASS));
        match_packet_tag(rule, NO_TAG);
        as_queued(t, rule, passed_tag_of(config_of(t)));
        rule_end(t, rule);
}

static void remember_verdict(struct transaction *t, enum mark mark, const struct family *family,
                             const char *set)
{
        struct nftnl_rule *rule = rule_begin(t, "decide");

        match_protocol(rule, IPPROTO_UDP);
        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, mark));
        refresh_tuple(rule, family->number, TUPLE_AS_SENT, set);
        rule_end(t, rule);
}

static void put_verdicts(struct transaction *t)
{
        static const enum mark passes[] = { MARK_PASS, MARK_PASS_ONCE, MARK_PASS_LINED };
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                remember_verdict(t, MARK_PASS, &families[i], families[i].passed);
                remember_verdict(t, MARK_PASS_LINED, &families[i], families[i].passing);
        }
        pass_as_queued(t);
        for (size_t i = 0; i < ARRAY_SIZE(passes); i++) {
                rule = rule_begin(t, "decide");
                match_packet_mark(rule, mask, bits(t, passes[i]));
                set_packet_mark(rule, mask, 0);
                verdict(rule, NF_ACCEPT, NULL);
                rule_end(t, rule);
        }

        decide_mark(t, "decide", MARK_DROP, NF_DROP, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(refusals); i++)
                decide_mark(t, "decide", refusals[i], NFT_GOTO, "refuse");
}

/* A server's answer: the flow that another host began is not idle. */
static void note_served(struct transaction *t, const struct family *family)
{
        struct nftnl_rule *rule = rule_begin(t, "ask");

        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, TUPLE_AS_SENT, family->served);
        refresh_tuple(rule, family->number, TUPLE_AS_SENT, family->served);
        rule_end(t, rule);
}

/* tuple: of what the caller sends, or of what it is answered. */
static void watch(struct transaction *t, const struct family *family, enum tuple_direction tuple)
{
        struct nftnl_rule *rule = rule_begin(t, "ask");

        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, tuple, family->watched);
        refresh_tuple(rule, family->number, tuple, family->watched);
        set_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_ASKED));
        queue(rule, config_of(t), config_of(t)->watch_queue);
        rule_end(t, rule);
}

static void put_watches(struct transaction *t)
{
        struct nftnl_rule *rule;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                watch(t, &families[i], TUPLE_AS_SENT);
                watch(t, &families[i], TUPLE_TURNED);
        }
        rule = rule_begin(t, "ask");
        match_packet_mark(rule, config_of(t)->mark_mask, bits(t, MARK_WATCHED));
        match_packet_tag(rule, tag_of(config_of(t)));
        verdict(rule, NF_DROP, NULL);
        rule_end(t, rule);
}

/* The first rule is for each datagram, and saves it those about verdicts. */
static void put_decide(struct transaction *t)
{
        struct nftnl_rule *rule;

        decide_mark(t, "decide", MARK_UNDECIDED, NFT_GOTO, "ask");
        put_verdicts(t);

        rule = rule_begin(t, "decide");
        verdict(rule, NFT_GOTO, "ask");
        rule_end(t, rule);
}

/* Somebody ended it; before its datagrams are asked about as those of another. */
static void refuse_ended(struct transaction *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                struct nftnl_rule *rule = rule_begin(t, "ask");

                match_ended(rule, &families[i], TUPLE_AS_SENT);
                verdict(rule, NFT_GOTO, "refuse");
                rule_end(t, rule);
        }
}

static void accept_passed(struct transaction *t, const struct family *family)
{
        struct nftnl_rule *rule = rule_begin(t, "ask");

        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, TUPLE_AS_SENT, family->passed);
        match_other_tuple(rule, family->number, TUPLE_AS_SENT, family->lined);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

static void line_up(struct transaction *t, const struct family *family)
{
        struct nftnl_rule *rule;

        rule = rule_begin(t, "ask");
        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, TUPLE_AS_SENT, family->asked);
        refresh_tuple(rule, family->number, TUPLE_AS_SENT, family->lined);
        rule_end(t, rule);

        rule = rule_begin(t, "ask");
        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, TUPLE_AS_SENT, family->asked);
        ask_as(t, rule, MARK_LINED);
}

static void accept_served(struct transaction *t, const struct family *family)
{
        struct nftnl_rule *rule = rule_begin(t, "ask");

        match_protocol(rule, IPPROTO_UDP);
        match_tuple(rule, family->number, TUPLE_AS_SENT, family->served);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

/* What comes in has our tag, and no socket yet. */
static void ask_about_arrivals(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "ask");

        match_packet_tag(rule, tag_of(config_of(t)));
        ask(t, rule);
}

static void accept_tunnelled(struct transaction *t)
{
        struct nftnl_rule *rule = rule_begin(t, "ask");

        match_protocol(rule, IPPROTO_UDP);
        match_socket_mark(rule, config_of(t)->mark_mask, bits(t, MARK_PASS_SOCKET));
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);
}

/* A connection can be a program's whose socket only the kernel has: a later way of MPTCP. */
static void ask_about_processes(struct transaction *t)
{
        struct nftnl_rule *rule;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "ask");
                match_protocol(rule, IPPROTO_UDP);
                match_open_socket(rule);
                refresh_tuple(rule, families[i].number, TUPLE_AS_SENT, families[i].asked);
                ask(t, rule);
        }
        rule = rule_begin(t, "ask");
        match_protocol(rule, IPPROTO_UDP);
        match_open_socket(rule);
        ask_as(t, rule, MARK_LINED);

        rule = rule_begin(t, "ask");
        match_protocol(rule, IPPROTO_TCP);
        ask(t, rule);
}

static void put_ask(struct transaction *t)
{
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                accept_passed(t, &families[i]);
                line_up(t, &families[i]);
                if (config_of(t)->inbound != INBOUND_OFF)
                        note_served(t, &families[i]);
                accept_served(t, &families[i]);
        }
        if (receives(config_of(t)))
                put_watches(t);
        refuse_ended(t);
        ask_about_arrivals(t);
        accept_tunnelled(t);
        ask_about_processes(t);
}

/* The first rule is for each packet of a connection that rules allowed. */
static void put_guard(struct transaction *t)
{
        static const enum mark unheard[] = { MARK_ASKED, MARK_LINED };
        static const enum mark on_sockets[] = { MARK_RELAY, MARK_CARRIED, MARK_OWN };
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule;

        rule = rule_begin(t, "guard");
        match_packet_mark(rule, mask, bits(t, MARK_PASS_SOCKET));
        set_packet_mark(rule, mask, 0);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        decide_mark(t, "guard", MARK_UNDECIDED, NF_ACCEPT, NULL);
        if (config_of(t)->delivery.is_on)
                decide_mark(t, "guard", MARK_DELIVER, NF_ACCEPT, NULL);

        rule = rule_begin(t, "guard");
        match_packet_mark(rule, mask, bits(t, MARK_ASKED));
        match_packet_tag(rule, passed_tag_of(config_of(t)));
        set_packet_mark(rule, mask, 0);
        set_packet_tag(rule, NO_TAG);
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        for (size_t i = 0; i < ARRAY_SIZE(unheard); i++) {
                rule = rule_begin(t, "guard");
                match_packet_mark(rule, mask, bits(t, unheard[i]));
                match_instance(rule, config_of(t));
                apply_fail_policy(t, rule, config_of(t)->closed);
                rule_end(t, rule);
        }

        for (size_t i = 0; i < ARRAY_SIZE(on_sockets); i++) {
                rule = rule_begin(t, "guard");
                match_packet_mark(rule, mask, bits(t, on_sockets[i]));
                set_packet_mark(rule, mask, 0);
                rule_end(t, rule);
        }
}

static void put_refuse(struct transaction *t)
{
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule;

        rule = rule_begin(t, "refuse");
        match_packet_mark(rule, mask, bits(t, MARK_NO_HOST));
        reject_with_unreachable(rule, NFT_REJECT_ICMPX_HOST_UNREACH);
        rule_end(t, rule);

        rule = rule_begin(t, "refuse");
        match_packet_mark(rule, mask, bits(t, MARK_NO_NETWORK));
        reject_with_unreachable(rule, NFT_REJECT_ICMPX_NO_ROUTE);
        rule_end(t, rule);

        rule = rule_begin(t, "refuse");
        match_protocol(rule, IPPROTO_TCP);
        reject_with_reset(rule);
        rule_end(t, rule);

        rule = rule_begin(t, "refuse");
        reject_with_unreachable(rule, NFT_REJECT_ICMPX_PORT_UNREACH);
        rule_end(t, rule);
}

static void turn_onward(struct transaction *t)
{
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule;

        for_server_answers(t, "turn", turn_answer);
        rule = rule_begin(t, "turn");
        match_protocol(rule, IPPROTO_TCP);
        match_socket_mark(rule, mask, bits(t, MARK_ONWARD));
        set_packet_mark(rule, mask, bits(t, MARK_ONWARD));
        rule_end(t, rule);
}

static void put_turn(struct transaction *t)
{
        uint32_t mask = config_of(t)->mark_mask;
        struct nftnl_rule *rule = rule_begin(t, "turn");

        match_protocol(rule, IPPROTO_TCP);
        match_packet_mark(rule, mask, bits(t, MARK_DELIVER));
        verdict(rule, NF_ACCEPT, NULL);
        rule_end(t, rule);

        rule = rule_begin(t, "turn");
        match_packet_mark(rule, mask, bits(t, MARK_ASKED));
        match_packet_tag(rule, tag_of(config_of(t)));
        set_packet_mark(rule, mask, bits(t, MARK_DELIVER));
        rule_end(t, rule);

        rule = rule_begin(t, "turn");
        match_protocol(rule, IPPROTO_TCP);
        match_socket_mark(rule, mask, bits(t, MARK_DELIVER));
        set_packet_mark(rule, mask, bits(t, MARK_DELIVER));
        rule_end(t, rule);

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                rule = rule_begin(t, "turn");
                match_protocol(rule, IPPROTO_UDP);
                match_packet_tag(rule, tag_of(config_of(t)));
                match_family(rule, families[i].number);
                set_packet_mark(rule, mask, bits(t, MARK_DELIVER));
                refresh_tuple(rule, families[i].number, TUPLE_AS_SENT, families[i].claimed);
                rule_end(t, rule);
        }
}

static void put_sets(struct transaction *t, const struct family *family)
{
        const struct {
                const char *name;
                uint64_t timeout_ms;
        } sets[] = {
                { family->passed, PASSED_SECONDS * 1000 },
                { family->passing, PASSED_SECONDS * 1000 },
                { family->asked, LINE_SECONDS * 1000 },
                { family->lined, LINE_SECONDS * 1000 },
                { family->served, PASSED_SECONDS * 1000 },
                { family->claimed, CLAIMED_SECONDS * 1000 },
                { family->watched, PASSED_SECONDS * 1000 },
                { family->heard, PASSED_SECONDS * 1000 },
                { family->onward, ONWARD_SECONDS * 1000 },
                { family->ended, PASSED_SECONDS * 1000 },
                { family->cut, CLAIMED_SECONDS * 1000 },
        };

        for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
                put_set(t, &(struct expiring_set){
                                   .name = sets[i].name,
                                   .key_type = family->key_type,
                                   .key_size = family->key_size,
                                   .max_elements = PASSED_MAX,
                                   .timeout_ms = sets[i].timeout_ms,
                           });
}

static void put_objects(struct transaction *t)
{
        put_table(t);
        for (size_t i = 0; i < ARRAY_SIZE(families); i++)
                put_sets(t, &families[i]);
        put_chain(t, "refuse");
        put_chain(t, "ask");
        put_chain(t, "decide");
        put_chain(t, "undecided");
        put_base_chain(t, "hold", "filter", NF_INET_LOCAL_OUT, HOLD_PRIORITY);
        put_base_chain(t, "guard", "filter", NF_INET_LOCAL_OUT, GUARD_PRIORITY);
        inbound_put_chains(t);
        if (config_of(t)->delivery.is_on) {
                put_chain(t, "speak");
                put_base_chain(t, "turn", "route", NF_INET_LOCAL_OUT, TURN_PRIORITY);
                deliver_put_chains(t);
        }
        if (receives(config_of(t)))
                put_base_chain(t, "untrack", "filter", NF_INET_LOCAL_OUT, UNTRACK_PRIORITY);
}

static void put_rules(struct transaction *t)
{
        put_refuse(t);
        put_ask(t);
        put_decide(t);
        put_undecided(t);
        put_hold(t);
        put_guard(t);
        inbound_put_rules(t);
        if (config_of(t)->delivery.is_on) {
                put_speak(t);
                put_turn(t);
                deliver_put_rules(t);
        }
        if (receives(config_of(t))) {
                turn_onward(t);
                put_untrack(t);
        }
}

/*
 * Over what an earlier flowd left, or from nothing: the chains stay and their rules are
 * new. A chain that went and came back would drop every held packet with it
 * (nf_queue_nf_hook_drop()), and forget the UDP flows that passed.
 */
static void put_over(struct transaction *t)
{
        put_objects(t);
        put_rules_removal(t);
        put_rules(t);
}

/* Where what is there does not fit: another version's table. */
static void put_afresh(struct transaction *t)
{
        put_table_removal(t);
        put_objects(t);
        put_rules(t);
}

static int apply_by(struct ruleset_config *config, transaction_fn *way)
{
        static const enum queue_mechanism mechanisms[] = { QUEUE_NATIVE, QUEUE_XTABLES };
        int r = -ENOTSUP;

        for (size_t i = 0; i < ARRAY_SIZE(mechanisms) && r < 0; i++) {
                config->mechanism = mechanisms[i];
                r = transact(config->table, way, config);
        }
        return r;
}

/*
 * What is known to fail is not tried again: a transaction that is taken back takes chains with
 * it that it had added, and with a base chain every held packet (nf_queue_nf_hook_drop()).
 */
int ruleset_apply(struct ruleset_config *config)
{
        static transaction_fn *const ways[] = { put_over, put_afresh };
        int r = -ENOTSUP;

        for (size_t i = 0; i < ARRAY_SIZE(ways) && r < 0; i++) {
                if (config->mechanism_is_known)
                        r = transact(config->table, ways[i], config);
                else
                        r = apply_by(config, ways[i]);
        }
        config->mechanism_is_known |= r >= 0;
        return r;
}

int ruleset_remove(const char *table)
{
        return transact(table, put_table_removal, NULL);
}

const char *queue_mechanism_to_string(enum queue_mechanism mechanism)
{
        return mechanism == QUEUE_NATIVE ? "nft queue" : "xtables NFQUEUE through nft_compat";
}
