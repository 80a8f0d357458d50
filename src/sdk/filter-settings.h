/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Rules and a default action, parsed: two flat blocks, so that a copy is cheap. */

#include <netext/filter.h>

#include "base/cleanup.h"
#include "wire/channel.h"

struct filter_rule {
        enum nx_filter_action action;
        enum nx_direction direction;
        int protocol;
        uint32_t user;
        bool has_network;
        struct in6_addr network;
        uint8_t prefix; /* of the 128 bits of the mapped form */
        uint16_t port_first, port_last;
        uint32_t program, domain, label; /* offsets in the text, 0 for none */
};

struct nx_filter_settings {
        enum nx_filter_action default_action;
        bool loopback;
        struct filter_rule *rules;
        size_t n_rules, rules_capacity;
        char *text;
        size_t text_size, text_capacity;
};

/* NULL where memory is out. */
struct nx_filter_settings *filter_settings_copy(const struct nx_filter_settings *settings);
/* All or nothing: BEGIN, the rules and COMMIT, each with id. 0, or -ENOBUFS. */
int filter_settings_send(const struct nx_filter_settings *settings, struct channel *channel,
                         uint64_t id);

/* filter-network.c: "198.18.0.0/15", "fd00::/8" or one address; bits behind the prefix are
 * cleared. 0, or -EINVAL. */
int filter_network_parse(const char *text, struct in6_addr *ret_network, uint8_t *ret_prefix);

DEFINE_CLEANUP(struct nx_filter_settings *, settings, nx_filter_settings_free)
