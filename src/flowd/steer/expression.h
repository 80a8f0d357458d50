/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The nft expressions that our rules are made of. A rule is a sequence of these; each
 * works on the register REG and either goes on or ends the rule.
 */

#include <libnftnl/rule.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Masked mark equals bits; foreign bits do not matter. */
void match_packet_mark(struct nftnl_rule *rule, uint32_t mask, uint32_t bits);
/* Masked mark is not zero. */
void match_any_packet_mark(struct nftnl_rule *rule, uint32_t mask);
/* Our field of the mark becomes bits; foreign bits stay. */
void set_packet_mark(struct nftnl_rule *rule, uint32_t mask, uint32_t bits);

/* The mark of the packet's socket. */
void match_socket_mark(struct nftnl_rule *rule, uint32_t mask, uint32_t bits);
/* A process has the packet's socket open. The kernel has no file for its own (sock_create_kern()).
 */
void match_open_socket(struct nftnl_rule *rule);
/* A number that goes with a packet as far as lo (skb->priority); nobody else uses it there. */
void match_packet_tag(struct nftnl_rule *rule, uint32_t tag);
/* The tag's masked bits are these. */
void match_packet_tags(struct nftnl_rule *rule, uint32_t mask, uint32_t bits);
void match_other_packet_tag(struct nftnl_rule *rule, uint32_t tag);
void set_packet_tag(struct nftnl_rule *rule, uint32_t tag);

enum tuple_direction {
        TUPLE_AS_SENT, /* source, destination */
        TUPLE_TURNED,  /* destination, source: the tuple of the packet's answer */
};

/* The packet's 4-tuple is in the set of its family; family: NFPROTO_IPV4 or NFPROTO_IPV6. */
void match_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                 const char *set);
/* It is not there. */
void match_other_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                       const char *set);
/* Adds it; a set that is full ends the rule. */
void remember_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                    const char *set);

/* Adds it, or has it live for another time-out; a set that is full ends the rule. */
void refresh_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                   const char *set);

/* NFPROTO_IPV4 or NFPROTO_IPV6 */
void match_family(struct nftnl_rule *rule, uint8_t family);
void match_protocol(struct nftnl_rule *rule, uint8_t protocol);
void match_other_protocol(struct nftnl_rule *rule, uint8_t protocol);
/* A TCP segment that is (or is not) the first of a connection: SYN alone. */
void match_first_segment(struct nftnl_rule *rule, bool is_first);
/* A TCP segment that says SYN and ACK: the listener's answer to the first. */
void match_acceptance(struct nftnl_rule *rule);
/* One that says RST. */
void match_reset(struct nftnl_rule *rule);
void match_udp_source_port(struct nftnl_rule *rule, uint16_t port);
/* A fragment of IPv6, and not the first: it goes where that went, or nowhere. */
void match_later_fragment(struct nftnl_rule *rule);
/* The packet's socket was made in this cgroup or below. */
void match_cgroup(struct nftnl_rule *rule, uint32_t level, uint64_t cgroup_id);

/* What the destination of a packet that came in is here: RTN_LOCAL, RTN_MULTICAST, … */
void match_destination_type(struct nftnl_rule *rule, uint32_t type);
/* The same of where it comes from. */
void match_source_type(struct nftnl_rule *rule, uint32_t type);
/* The packet came in over lo; or through another interface. */
void match_loopback_interface(struct nftnl_rule *rule);
void match_other_interface(struct nftnl_rule *rule);
/* It leaves by another than lo. */
void match_way_out(struct nftnl_rule *rule);

/* The name of the interface that it leaves by, or came in through. */
void match_interface_name(struct nftnl_rule *rule, bool is_leaving, const char *name);

/* The packet's source or destination is in a network; prefix: of the 128 bits of the mapped form.
 */
void match_network(struct nftnl_rule *rule, bool is_destination, const struct in6_addr *network,
                   unsigned int prefix);
/* An ICMP echo, asked or answered. */
void match_echo(struct nftnl_rule *rule, uint8_t family, bool is_answer);
/* Its addresses and its number are in the set of its family; or are put there for a time-out. */
void match_echo_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                      const char *set);
void refresh_echo_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                        const char *set);

/* verdict: NF_ACCEPT, NF_DROP, or NFT_JUMP and NFT_GOTO with chain. */
void verdict(struct nftnl_rule *rule, int verdict, const char *chain);
void count(struct nftnl_rule *rule);
/* The connection table, where there is one, has nothing to do with the packet. */
void leave_untracked(struct nftnl_rule *rule);
void reject_with_reset(struct nftnl_rule *rule);
/* code: NFT_REJECT_ICMPX_…, for both families. */
void reject_with_unreachable(struct nftnl_rule *rule, uint8_t code);
/* To the socket that the flow has already, else to the transparent listener on the family's
 * loopback address. Goes on where there is neither. */
void deliver_to_listener(struct nftnl_rule *rule, uint8_t family, uint16_t port);
/* To the socket that the flow has already; goes on where there is none. */
void deliver_to_socket(struct nftnl_rule *rule, uint8_t family);
/* One of n queues; packets between the same two addresses go to the same. */
struct queue_range {
        uint16_t first;
        uint16_t n;
        bool is_closed; /* where nobody listens the packet is dropped; else the next hook has it */
};
void queue_native(struct nftnl_rule *rule, const struct queue_range *range);
void queue_xtables(struct nftnl_rule *rule, const struct queue_range *range);
