/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Rules and a default action, parsed: two flat blocks, so that a copy is cheap. The first
 * rule that matches a flow says what becomes of it.
 */

#include <netext/filter.h>
#include <netext/packet.h>

#include "base/cleanup.h"
#include "wire/channel.h"

struct rule {
        enum nx_filter_action action;
        enum nx_direction direction;
        int protocol;
        int ip_protocol; /* of a packet filter's, as is interface */
        uint32_t user;
        bool has_network, has_local_network;
        struct in6_addr network, local_network;
        uint8_t prefix, local_prefix; /* of the 128 bits of the mapped form */
        uint16_t port_first, port_last, local_port_first, local_port_last;
        uint64_t device, inode; /* of the executable; inode 0: any */
        uint32_t program, digest, cgroup, unit, started_by, signer, domain, set, label,
                interface; /* offsets in the text, 0 for none */
};

struct settings {
        enum nx_filter_action default_action;
        bool loopback;
        uint32_t udp_idle_s; /* of a proxy */
        struct rule *rules;
        size_t n_rules, rules_capacity;
        char *text;
        size_t text_size, text_capacity;
};

void settings_init(struct settings *settings, enum nx_filter_action default_action, bool loopback);
void settings_deinit(struct settings *settings);
/* Puts a rule before the index-th. 0, or -EINVAL, -E2BIG, -ENOMEM with settings unchanged. */
int settings_insert_rule(struct settings *settings, size_t index, enum nx_filter_action action,
                         const struct nx_rule *rule);
/* Behind the others. The same errors. */
int settings_add_packet_rule(struct settings *settings, const struct nx_packet_rule *rule);
/* NULL where memory is out. */
struct settings *settings_copy(const struct settings *settings);
struct settings *settings_free(struct settings *settings);
/* All or nothing: BEGIN, the rules and COMMIT, each with id. 0, or -ENOBUFS. */
int settings_send(const struct settings *settings, struct channel *channel, uint64_t id);

/* network.c: "198.18.0.0/15", "fd00::/8" or one address; bits behind the prefix are
 * cleared. 0, or -EINVAL. */
int network_parse(const char *text, struct in6_addr *ret_network, uint8_t *ret_prefix);

DEFINE_CLEANUP(struct settings *, settings, settings_free)
