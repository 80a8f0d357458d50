/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The rules of a packet filter, as they come from its provider, and whether they are about a
 * packet: the kernel asks about what any session wants, and the lanes find out which. */

#include "steer/packet-table.h"
#include "wire/codec.h"

/* What rules can be about, of one packet. */
struct packet_facts {
        enum nx_direction direction;
        char interface[IF_NAMESIZE];
        uint8_t protocol;
        struct in6_addr remote; /* IPv4 mapped */
};

/* From the network header on. 0, or -EBADMSG for what is cut off, or no IP. */
int packet_facts_read(struct packet_facts *facts, const uint8_t *bytes, size_t size);
bool packet_rules_match(const struct packet_rules *rules, const struct packet_facts *facts);

/* NX_MSG_ENGINE_SETTINGS_BEGIN. 0 or -ENOMEM; the caller's to free(). */
int packet_rules_begin(struct packet_rules **ret_rules, const struct wire_message *message);
/* NX_MSG_ENGINE_SETTINGS_RULE. 0, -E2BIG, or -EBADMSG for a field that makes no sense. */
int packet_rules_add(struct packet_rules *rules, const struct wire_message *message);
/* What a session without settings wants: all. -ENOMEM. */
int packet_rules_all(struct packet_rules **ret_rules);
