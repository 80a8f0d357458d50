/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libnftnl's attributes, wrapped once. The xtables form of the queue is here because
 * kernels without CONFIG_NFT_QUEUE still have NFQUEUE as a target (net/netfilter/
 * nft_compat.c); its argument is struct xt_NFQ_info_v3 of linux/netfilter/xt_NFQUEUE.h.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <stdio.h>
#include <libnftnl/expr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "steer/expression.h"

#define REG NFT_REG_1

static struct nftnl_expr *add(struct nftnl_rule *rule, const char *name)
{
        struct nftnl_expr *expr = nftnl_expr_alloc(name);

        if (!expr)
                abort();
        nftnl_rule_add_expr(rule, expr);
        return expr;
}

static void compare(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t size)
{
        struct nftnl_expr *expr = add(rule, "cmp");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
        nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, size);
}

/* REG = (REG & mask) ^ bits */
static void bitwise(struct nftnl_rule *rule, uint32_t mask, uint32_t bits)
{
        struct nftnl_expr *expr = add(rule, "bitwise");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(mask));
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &mask, sizeof(mask));
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &bits, sizeof(bits));
}

static void load_meta(struct nftnl_rule *rule, uint32_t key)
{
        struct nftnl_expr *expr = add(rule, "meta");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, REG);
}

void match_packet_mark(struct nftnl_rule *rule, uint32_t mask, uint32_t bits)
{
        load_meta(rule, NFT_META_MARK);
        bitwise(rule, mask, 0);
        compare(rule, NFT_CMP_EQ, &bits, sizeof(bits));
}

void match_any_packet_mark(struct nftnl_rule *rule, uint32_t mask)
{
        uint32_t none = 0;

        load_meta(rule, NFT_META_MARK);
        bitwise(rule, mask, 0);
        compare(rule, NFT_CMP_NEQ, &none, sizeof(none));
}

void set_packet_mark(struct nftnl_rule *rule, uint32_t mask, uint32_t bits)
{
        struct nftnl_expr *expr;

        load_meta(rule, NFT_META_MARK);
        bitwise(rule, ~mask, bits);
        expr = add(rule, "meta");
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_MARK);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_SREG, REG);
}

void match_socket_mark(struct nftnl_rule *rule, uint32_t mask, uint32_t bits)
{
        struct nftnl_expr *expr = add(rule, "socket");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_MARK);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_DREG, REG);
        bitwise(rule, mask, 0);
        compare(rule, NFT_CMP_EQ, &bits, sizeof(bits));
}

void match_open_socket(struct nftnl_rule *rule)
{
        uint32_t least = 0;

        /* Who opened the file: there is no such thing to compare where there is no file. */
        load_meta(rule, NFT_META_SKUID);
        compare(rule, NFT_CMP_GTE, &least, sizeof(least));
}

void match_packet_tag(struct nftnl_rule *rule, uint32_t tag)
{
        load_meta(rule, NFT_META_PRIORITY);
        compare(rule, NFT_CMP_EQ, &tag, sizeof(tag));
}

void match_packet_tags(struct nftnl_rule *rule, uint32_t mask, uint32_t bits)
{
        load_meta(rule, NFT_META_PRIORITY);
        bitwise(rule, mask, 0);
        compare(rule, NFT_CMP_EQ, &bits, sizeof(bits));
}

void match_other_packet_tag(struct nftnl_rule *rule, uint32_t tag)
{
        load_meta(rule, NFT_META_PRIORITY);
        compare(rule, NFT_CMP_NEQ, &tag, sizeof(tag));
}

static void load_constant(struct nftnl_rule *rule, uint32_t reg, const void *bytes, uint32_t size)
{
        struct nftnl_expr *expr = add(rule, "immediate");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, reg);
        nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, bytes, size);
}

void set_packet_tag(struct nftnl_rule *rule, uint32_t tag)
{
        struct nftnl_expr *expr;

        load_constant(rule, REG, &tag, sizeof(tag));
        expr = add(rule, "meta");
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, NFT_META_PRIORITY);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_SREG, REG);
}

void match_protocol(struct nftnl_rule *rule, uint8_t protocol)
{
        load_meta(rule, NFT_META_L4PROTO);
        compare(rule, NFT_CMP_EQ, &protocol, sizeof(protocol));
}

void match_other_protocol(struct nftnl_rule *rule, uint8_t protocol)
{
        load_meta(rule, NFT_META_L4PROTO);
        compare(rule, NFT_CMP_NEQ, &protocol, sizeof(protocol));
}

static void load_bytes(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t size,
                       uint32_t reg)
{
        struct nftnl_expr *expr = add(rule, "payload");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, size);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

void match_family(struct nftnl_rule *rule, uint8_t family)
{
        load_meta(rule, NFT_META_NFPROTO);
        compare(rule, NFT_CMP_EQ, &family, sizeof(family));
}

/* Into registers of 4 bytes each from NFT_REG32_00 on. The first that is free. */
static uint32_t load_addresses(struct nftnl_rule *rule, uint8_t family,
                               enum tuple_direction direction)
{
        uint32_t size = family == NFPROTO_IPV4 ? 4 : 16;
        uint32_t source = family == NFPROTO_IPV4 ? 12 : 8; /* its place in the header */
        uint32_t turned = direction == TUPLE_TURNED;
        uint32_t reg = NFT_REG32_00;

        match_family(rule, family);
        load_bytes(rule, NFT_PAYLOAD_NETWORK_HEADER, source + turned * size, size, reg);
        reg += size / 4;
        load_bytes(rule, NFT_PAYLOAD_NETWORK_HEADER, source + !turned * size, size, reg);
        return reg + size / 4;
}

/* The key of steer/passed.h. */
static void load_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction)
{
        uint32_t turned = direction == TUPLE_TURNED;
        uint32_t reg = load_addresses(rule, family, direction);

        load_bytes(rule, NFT_PAYLOAD_TRANSPORT_HEADER, turned * 2, 2, reg);
        load_bytes(rule, NFT_PAYLOAD_TRANSPORT_HEADER, !turned * 2, 2, reg + 1);
}

static void look_up(struct nftnl_rule *rule, const char *set, uint32_t flags)
{
        struct nftnl_expr *expr = add(rule, "lookup");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, NFT_REG32_00);
        nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, flags);
}

void match_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                 const char *set)
{
        load_tuple(rule, family, direction);
        look_up(rule, set, 0);
}

void match_other_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                       const char *set)
{
        load_tuple(rule, family, direction);
        look_up(rule, set, NFT_LOOKUP_F_INV);
}

static void put_into(struct nftnl_rule *rule, uint32_t operation, const char *set)
{
        struct nftnl_expr *expr = add(rule, "dynset");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_SREG_KEY, NFT_REG32_00);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_DYNSET_OP, operation);
        nftnl_expr_set_str(expr, NFTNL_EXPR_DYNSET_SET_NAME, set);
}

void remember_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                    const char *set)
{
        load_tuple(rule, family, direction);
        put_into(rule, NFT_DYNSET_OP_ADD, set);
}

void refresh_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                   const char *set)
{
        load_tuple(rule, family, direction);
        put_into(rule, NFT_DYNSET_OP_UPDATE, set);
}

static void match_flags(struct nftnl_rule *rule, uint8_t mask, uint32_t op, uint8_t flags)
{
        uint32_t none = 0;
        struct nftnl_expr *expr;

        load_bytes(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, REG);
        expr = add(rule, "bitwise");
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, 1);
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &mask, 1);
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &none, 1);
        compare(rule, op, &flags, sizeof(flags));
}

void match_first_segment(struct nftnl_rule *rule, bool is_first)
{
        match_flags(rule, TH_SYN | TH_ACK | TH_RST | TH_FIN, is_first ? NFT_CMP_EQ : NFT_CMP_NEQ,
                    TH_SYN);
}

void match_acceptance(struct nftnl_rule *rule)
{
        match_flags(rule, TH_SYN | TH_ACK, NFT_CMP_EQ, TH_SYN | TH_ACK);
}

void match_reset(struct nftnl_rule *rule)
{
        match_flags(rule, TH_RST, NFT_CMP_EQ, TH_RST);
}

void match_udp_source_port(struct nftnl_rule *rule, uint16_t port)
{
        uint16_t wire_port = htons(port);

        load_bytes(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, REG);
        compare(rule, NFT_CMP_EQ, &wire_port, sizeof(wire_port));
}

void match_later_fragment(struct nftnl_rule *rule)
{
        const uint16_t offset = htons(0xfff8), none = 0;
        struct nftnl_expr *expr;

        match_family(rule, NFPROTO_IPV6);
        expr = add(rule, "exthdr");
        nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_DREG, REG);
        nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, IPPROTO_FRAGMENT);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OFFSET, 2);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_LEN, sizeof(offset));
        expr = add(rule, "bitwise");
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, sizeof(offset));
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, &offset, sizeof(offset));
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &none, sizeof(none));
        compare(rule, NFT_CMP_NEQ, &none, sizeof(none));
}

void match_cgroup(struct nftnl_rule *rule, uint32_t level, uint64_t cgroup_id)
{
        struct nftnl_expr *expr = add(rule, "socket");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_KEY, NFT_SOCKET_CGROUPV2);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_DREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_SOCKET_LEVEL, level);
        compare(rule, NFT_CMP_EQ, &cgroup_id, sizeof(cgroup_id));
}

void match_interface_name(struct nftnl_rule *rule, bool is_leaving, const char *name)
{
        char padded[IFNAMSIZ] = "";

        strncpy(padded, name, sizeof(padded) - 1);
        load_meta(rule, is_leaving ? NFT_META_OIFNAME : NFT_META_IIFNAME);
        compare(rule, NFT_CMP_EQ, padded, sizeof(padded));
}

/* Of the bytes from `from` on in the mapped form: 16, or the 4 of IPv4. */
static void match_prefix(struct nftnl_rule *rule, const struct in6_addr *network, size_t from,
                         unsigned int prefix)
{
        uint32_t size = sizeof(*network) - (uint32_t)from;
        struct in6_addr mask = {}, none = {};
        struct nftnl_expr *expr = add(rule, "bitwise");

        for (unsigned int bit = 0; bit < prefix; bit++)
                mask.s6_addr[bit / 8] |= (uint8_t)(0x80U >> bit % 8);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, size);
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask.s6_addr + from, size);
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, &none, size);
        compare(rule, NFT_CMP_EQ, network->s6_addr + from, size);
}

void match_network(struct nftnl_rule *rule, bool is_destination, const struct in6_addr *network,
                   unsigned int prefix)
{
        bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(network) && prefix >= 96;
        uint32_t size = is_ipv4 ? 4 : 16;
        uint32_t source = is_ipv4 ? 12 : 8; /* its place in the header */

        match_family(rule, is_ipv4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
        load_bytes(rule, NFT_PAYLOAD_NETWORK_HEADER, source + is_destination * size, size, REG);
        match_prefix(rule, network, is_ipv4 ? 12 : 0, prefix);
}

void match_echo(struct nftnl_rule *rule, uint8_t family, bool is_answer)
{
        uint8_t asked = family == NFPROTO_IPV4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
        uint8_t answered = family == NFPROTO_IPV4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
        uint8_t type = is_answer ? answered : asked;

        match_family(rule, family);
        match_protocol(rule, family == NFPROTO_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
        load_bytes(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1, REG);
        compare(rule, NFT_CMP_EQ, &type, sizeof(type));
}

/* Both addresses, and the number by which the program knows its answers. */
static void load_echo_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction)
{
        uint32_t reg = load_addresses(rule, family, direction);

        load_bytes(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 4, 2, reg);
}

void match_echo_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                      const char *set)
{
        load_echo_tuple(rule, family, direction);
        look_up(rule, set, 0);
}

void refresh_echo_tuple(struct nftnl_rule *rule, uint8_t family, enum tuple_direction direction,
                        const char *set)
{
        load_echo_tuple(rule, family, direction);
        put_into(rule, NFT_DYNSET_OP_UPDATE, set);
}

static void match_address_type(struct nftnl_rule *rule, uint32_t which, uint32_t type)
{
        struct nftnl_expr *expr = add(rule, "fib");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_DREG, REG);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_FIB_FLAGS, which);
        compare(rule, NFT_CMP_EQ, &type, sizeof(type));
}

void match_destination_type(struct nftnl_rule *rule, uint32_t type)
{
        match_address_type(rule, NFTA_FIB_F_DADDR, type);
}

void match_source_type(struct nftnl_rule *rule, uint32_t type)
{
        match_address_type(rule, NFTA_FIB_F_SADDR, type);
}

void verdict(struct nftnl_rule *rule, int code, const char *chain)
{
        struct nftnl_expr *expr = add(rule, "immediate");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)code);
        if (chain)
                nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

void count(struct nftnl_rule *rule)
{
        add(rule, "counter");
}

void leave_untracked(struct nftnl_rule *rule)
{
        add(rule, "notrack");
}

void reject_with_reset(struct nftnl_rule *rule)
{
        struct nftnl_expr *expr = add(rule, "reject");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
        nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, 0);
}

void reject_with_unreachable(struct nftnl_rule *rule, uint8_t code)
{
        struct nftnl_expr *expr = add(rule, "reject");

        nftnl_expr_set_u32(expr, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_ICMPX_UNREACH);
        nftnl_expr_set_u8(expr, NFTNL_EXPR_REJECT_CODE, code);
}

/* LOOPBACK_IFINDEX of include/net/flow.h, in every namespace */
static const uint32_t loopback_index = 1;

void match_loopback_interface(struct nftnl_rule *rule)
{
        load_meta(rule, NFT_META_IIF);
        compare(rule, NFT_CMP_EQ, &loopback_index, sizeof(loopback_index));
}

void match_other_interface(struct nftnl_rule *rule)
{
        load_meta(rule, NFT_META_IIF);
        compare(rule, NFT_CMP_NEQ, &loopback_index, sizeof(loopback_index));
}

void match_way_out(struct nftnl_rule *rule)
{
        load_meta(rule, NFT_META_OIF);
        compare(rule, NFT_CMP_NEQ, &loopback_index, sizeof(loopback_index));
}

void deliver_to_listener(struct nftnl_rule *rule, uint8_t family, uint16_t port)
{
        struct in_addr loopback4 = { htonl(INADDR_LOOPBACK) };
        struct in6_addr loopback6 = IN6ADDR_LOOPBACK_INIT;
        uint16_t wire_port = htons(port);
        struct nftnl_expr *expr;

        match_family(rule, family);
        if (family == NFPROTO_IPV4)
                load_constant(rule, NFT_REG_1, &loopback4, sizeof(loopback4));
        else
                load_constant(rule, NFT_REG_1, &loopback6, sizeof(loopback6));
        load_constant(rule, NFT_REG_2, &wire_port, sizeof(wire_port));
        expr = add(rule, "tproxy");
        nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_FAMILY, family);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_REG_ADDR, NFT_REG_1);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_TPROXY_REG_PORT, NFT_REG_2);
}

/* Of all transparent listeners on a loopback address, none is there. */
#define NOBODYS_PORT 1

void deliver_to_socket(struct nftnl_rule *rule, uint8_t family)
{
        deliver_to_listener(rule, family, NOBODYS_PORT);
}

void queue_native(struct nftnl_rule *rule, const struct queue_range *range)
{
        struct nftnl_expr *expr = add(rule, "queue");

        nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_NUM, range->first);
        nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_TOTAL, range->n);
        nftnl_expr_set_u16(expr, NFTNL_EXPR_QUEUE_FLAGS,
                           range->is_closed ? 0 : NFT_QUEUE_FLAG_BYPASS);
}

void queue_xtables(struct nftnl_rule *rule, const struct queue_range *range)
{
        struct nftnl_expr *expr = add(rule, "target");
        struct xt_NFQ_info_v3 *info = calloc(1, sizeof(*info));

        if (!info)
                abort();
        *info = (struct xt_NFQ_info_v3){
                .queuenum = range->first,
                .queues_total = range->n,
                .flags = range->is_closed ? 0 : NFQ_FLAG_BYPASS,
        };
        nftnl_expr_set_str(expr, NFTNL_EXPR_TG_NAME, "NFQUEUE");
        nftnl_expr_set_u32(expr, NFTNL_EXPR_TG_REV, 3);
        nftnl_expr_set(expr, NFTNL_EXPR_TG_INFO, info, sizeof(*info)); /* keeps info */
}
