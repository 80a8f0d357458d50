/* SPDX-License-Identifier: Apache-2.0 */

/* The protocol is found as nft's `meta l4proto` finds it: behind the extension headers of IPv6. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdlib.h>
#include <string.h>

#include "base/endpoint.h"
#include "packet/rules.h"

#define EXTENSION_HEADERS_MAX 8

static int read_ipv4(struct packet_facts *facts, const uint8_t *bytes, size_t size)
{
        struct iphdr header;

        if (size < sizeof(header))
                return -EBADMSG;
        memcpy(&header, bytes, sizeof(header));
        facts->protocol = header.protocol;
        facts->remote = address_from_ipv4((struct in_addr){
                facts->direction == NX_DIRECTION_OUTBOUND ? header.daddr : header.saddr });
        return 0;
}

static bool is_extension(uint8_t next)
{
        return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
               next == IPPROTO_FRAGMENT || next == IPPROTO_AH;
}

static size_t extension_size(const uint8_t *bytes, uint8_t kind)
{
        if (kind == IPPROTO_FRAGMENT)
                return sizeof(struct ip6_frag);
        return kind == IPPROTO_AH ? (bytes[1] + 2U) * 4U : (bytes[1] + 1U) * 8U;
}

static int read_ipv6(struct packet_facts *facts, const uint8_t *bytes, size_t size)
{
        struct ip6_hdr header;
        size_t at = sizeof(header), extension;

        if (size < sizeof(header))
                return -EBADMSG;
        memcpy(&header, bytes, sizeof(header));
        facts->protocol = header.ip6_nxt;
        facts->remote = facts->direction == NX_DIRECTION_OUTBOUND ? header.ip6_dst : header.ip6_src;
        for (int i = 0; is_extension(facts->protocol) && i < EXTENSION_HEADERS_MAX; i++) {
                if (size - at < 8)
                        return -EBADMSG;
                extension = extension_size(bytes + at, facts->protocol);
                if (extension > size - at)
                        return -EBADMSG;
                facts->protocol = bytes[at];
                at += extension;
        }
        return 0;
}

int packet_facts_read(struct packet_facts *facts, const uint8_t *bytes, size_t size)
{
        if (size == 0)
                return -EBADMSG;
        if (bytes[0] >> 4 == 4)
                return read_ipv4(facts, bytes, size);
        return bytes[0] >> 4 == 6 ? read_ipv6(facts, bytes, size) : -EBADMSG;
}

static bool is_in(const struct in6_addr *address, const struct in6_addr *network,
                  unsigned int prefix)
{
        unsigned int whole = prefix / 8, rest = prefix % 8;

        if (memcmp(address, network, whole) != 0)
                return false;
        return rest == 0 || ((address->s6_addr[whole] ^ network->s6_addr[whole]) &
                             0xff << (8 - rest) & 0xff) == 0;
}

static bool rule_matches(const struct packet_rule *rule, const struct packet_facts *facts)
{
        if (rule->direction != NX_DIRECTION_ANY && rule->direction != facts->direction)
                return false;
        if (rule->interface[0] && strcmp(rule->interface, facts->interface) != 0)
                return false;
        if (rule->protocol && rule->protocol != facts->protocol)
                return false;
        return !rule->has_network || is_in(&facts->remote, &rule->network, rule->prefix);
}

bool packet_rules_match(const struct packet_rules *rules, const struct packet_facts *facts)
{
        if (!rules->loopback && strcmp(facts->interface, "lo") == 0)
                return false;
        for (size_t i = 0; i < rules->n; i++)
                if (rule_matches(&rules->rules[i], facts))
                        return true;
        return false;
}

int packet_rules_begin(struct packet_rules **ret_rules, const struct wire_message *message)
{
        struct packet_rules *rules = calloc(1, sizeof(*rules));

        if (!rules)
                return -ENOMEM;
        rules->loopback = wire_get(message, WIRE_ATTR_LOOPBACK);
        *ret_rules = rules;
        return 0;
}

int packet_rules_add(struct packet_rules *rules, const struct wire_message *message)
{
        const char *interface = wire_get_string(message, WIRE_ATTR_INTERFACE) ?: "";
        struct packet_rule rule = {
                .direction = (enum nx_direction)wire_get(message, WIRE_ATTR_DIRECTION),
                .protocol = (uint8_t)wire_get(message, WIRE_ATTR_IP_PROTOCOL),
                .has_network = wire_has(message, WIRE_ATTR_REMOTE_ADDRESS),
                .network = wire_get_address(message, WIRE_ATTR_REMOTE_ADDRESS),
                .prefix = (uint8_t)wire_get(message, WIRE_ATTR_REMOTE_PREFIX),
        };

        if (rules->n >= NX_PACKET_RULES_MAX)
                return -E2BIG;
        if (rule.prefix > 128 || strlen(interface) >= sizeof(rule.interface))
                return -EBADMSG;
        memcpy(rule.interface, interface, strlen(interface));
        rules->rules[rules->n++] = rule;
        return 0;
}

int packet_rules_all(struct packet_rules **ret_rules)
{
        struct packet_rules *rules = calloc(1, sizeof(*rules));

        if (!rules)
                return -ENOMEM;
        rules->n = 1;
        *ret_rules = rules;
        return 0;
}
