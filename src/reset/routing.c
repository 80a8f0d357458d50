/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rules and routes bear our protocol's number and lead to a table of ours, which has the number of
 * the instance's queue in its own. What is listed is sent back as it came, to be deleted.
 *
 * Which number is an instance's, its nft table says, or its pinned state. Where both are gone
 * nothing is touched, unless all instances are meant: it could be another's.
 */

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "footprint/footprint.h"
#include "reset/netfilter.h"
#include "reset/netlink.h"
#include "reset/networks.h"
#include "reset/pins.h"
#include "reset/routing.h"

struct routing {
        const struct reset *reset;
        uint32_t pinned; /* number of the instance's table, as its pinned state says; 0: unknown */
        uint32_t own;    /* the same, in this namespace */

        size_t n;
        struct nlmsghdr **messages; /* to be sent back */
};

static bool is_meant(const struct routing *routing, uint32_t table)
{
        return routing->reset->instance ? routing->own && table == routing->own
                                        : footprint_is_route_table(table);
}

static int keep(struct routing *routing, const struct nlmsghdr *message)
{
        struct nlmsghdr *copy = malloc(message->nlmsg_len), **messages;

        messages = reallocarray(routing->messages, routing->n + 1, sizeof(*messages));
        if (messages)
                routing->messages = messages;
        if (!copy || !messages) {
                free(copy);
                errno = ENOMEM;
                return MNL_CB_ERROR;
        }
        memcpy(copy, message, message->nlmsg_len);
        messages[routing->n++] = copy;
        return MNL_CB_OK;
}

static uint32_t get_number(const struct nlmsghdr *message, size_t offset, uint16_t type)
{
        const struct nlattr *attribute;

        mnl_attr_for_each(attribute, message, offset)
        {
                if (mnl_attr_get_type(attribute) != type)
                        continue;
                return mnl_attr_get_payload_len(attribute) == 1 ? mnl_attr_get_u8(attribute)
                                                                : mnl_attr_get_u32(attribute);
        }
        return 0;
}

static int on_message(const struct nlmsghdr *message, void *userdata)
{
        const struct rtmsg *route = mnl_nlmsg_get_payload(message);
        struct routing *routing = userdata;
        uint32_t table, protocol;

        if (message->nlmsg_type == RTM_NEWRULE) {
                table = get_number(message, sizeof(struct fib_rule_hdr), FRA_TABLE);
                protocol = get_number(message, sizeof(struct fib_rule_hdr), FRA_PROTOCOL);
        } else {
                table = get_number(message, sizeof(*route), RTA_TABLE);
                protocol = route->rtm_protocol;
        }
        if (protocol != FOOTPRINT_ROUTE_PROTOCOL || !is_meant(routing, table))
                return MNL_CB_OK;
        return keep(routing, message);
}

static int list(struct routing *routing, uint8_t family, uint16_t type)
{
        char buffer[256] = {};
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct rtmsg *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
        size_t n_before = routing->n;
        int r = -EINTR;

        message->nlmsg_type = type;
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        header->rtm_family = family;
        for (int i = 0; i < NETLINK_TRIES && r == -EINTR; i++) {
                while (routing->n > n_before)
                        free(routing->messages[--routing->n]);
                r = netlink_ask(NETLINK_ROUTE, message, message->nlmsg_len, on_message, routing);
        }
        return r;
}

static int drop(struct nlmsghdr *message)
{
        message->nlmsg_type += RTM_DELROUTE - RTM_NEWROUTE; /* and so of rules */
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
        message->nlmsg_pid = 0;
        return netlink_ask(NETLINK_ROUTE, message, message->nlmsg_len, NULL, NULL);
}

static void remove_listed(struct reset *reset, struct routing *routing, const char *what,
                          const char *where)
{
        for (size_t i = 0; i < routing->n; i++) {
                struct nlmsghdr *message = routing->messages[i];
                const struct rtmsg *header = mnl_nlmsg_get_payload(message);
                bool is_ipv6 = header->rtm_family == AF_INET6;
                uint32_t table =
                        message->nlmsg_type == RTM_NEWRULE
                                ? get_number(message, sizeof(struct fib_rule_hdr), FRA_TABLE)
                                : get_number(message, sizeof(*header), RTA_TABLE);

                reset_tell(reset, DEED_REMOVE, reset->is_trial ? 0 : drop(message),
                           "the IPv%d %s table %u%s", is_ipv6 ? 6 : 4, what, table, where);
                free(message);
        }
        free(routing->messages);
        routing->messages = NULL;
        routing->n = 0;
}

static void remove_kind(struct reset *reset, struct routing *routing, uint16_t type,
                        const char *what, const char *where)
{
        static const uint8_t families[] = { AF_INET, AF_INET6 };
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                r = list(routing, families[i], type);
                if (r < 0 && r != -EAFNOSUPPORT && r != -EOPNOTSUPP)
                        reset_tell(reset, DEED_REMOVE, r, "every %s table of ours%s", what, where);
        }
        remove_listed(reset, routing, what, where);
}

static void remove_routing(struct reset *reset, const char *where, void *userdata)
{
        struct routing *routing = userdata;

        routing->own = 0;
        if (reset->instance)
                routing->own = netfilter_find_route_table(reset->instance) ?: routing->pinned;
        remove_kind(reset, routing, RTM_GETRULE, "policy rule to", where);
        remove_kind(reset, routing, RTM_GETROUTE, "route in", where);
}

void routing_remove(struct reset *reset)
{
        struct routing routing = { .reset = reset };

        if (reset->instance)
                routing.pinned = pins_find_route_table(reset->instance);
        networks_visit(reset, remove_routing, &routing);
}
