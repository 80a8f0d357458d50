/* SPDX-License-Identifier: Apache-2.0 */

/* rtnetlink requests, each acknowledged. Rules and routes that exist already are as good. */

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/interface.h"
#include "footprint/footprint.h"
#include "steer/route.h"

static const uint8_t families[] = { AF_INET, AF_INET6 };

/* 0, or the kernel's error. What else it answers goes to fn, if there is one. */
static int ask(struct nlmsghdr *message, mnl_cb_t fn, void *userdata)
{
        struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        char answer[1024];
        ssize_t n;
        int r = 0;

        if (!socket)
                return -errno;
        message->nlmsg_flags |= NLM_F_REQUEST | (fn ? 0 : NLM_F_ACK);
        message->nlmsg_seq = (uint32_t)time(NULL);
        if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
            mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
                r = -errno;
        if (r >= 0) {
                n = mnl_socket_recvfrom(socket, answer, sizeof(answer));
                if (n < 0 || mnl_cb_run(answer, (size_t)n, message->nlmsg_seq,
                                        mnl_socket_get_portid(socket), fn, userdata) < 0)
                        r = -errno;
        }
        mnl_socket_close(socket);
        return r;
}

static int request(struct nlmsghdr *message)
{
        return ask(message, NULL, NULL);
}

static int change_rule(const struct route_config *config, uint8_t family, uint16_t type,
                       uint16_t flags)
{
        uint8_t buffer[MNL_NLMSG_HDRLEN + 256] = {};
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct fib_rule_hdr *rule;

        message->nlmsg_type = type;
        message->nlmsg_flags = flags;
        rule = mnl_nlmsg_put_extra_header(message, sizeof(*rule));
        rule->family = family;
        rule->action = FR_ACT_TO_TBL;
        rule->table = RT_TABLE_UNSPEC;
        mnl_attr_put_u32(message, FRA_PRIORITY, FOOTPRINT_ROUTE_PRIORITY);
        mnl_attr_put_u32(message, FRA_FWMARK, config->mark);
        mnl_attr_put_u32(message, FRA_FWMASK, config->mark_mask);
        mnl_attr_put_u32(message, FRA_TABLE, config->table);
        mnl_attr_put_u8(message, FRA_PROTOCOL, FOOTPRINT_ROUTE_PROTOCOL);
        return request(message);
}

static int change_route(const struct route_config *config, uint8_t family, uint16_t type,
                        uint16_t flags)
{
        uint8_t buffer[MNL_NLMSG_HDRLEN + 256] = {};
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct rtmsg *route;

        message->nlmsg_type = type;
        message->nlmsg_flags = flags;
        route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
        route->rtm_family = family;
        route->rtm_table = RT_TABLE_UNSPEC;
        route->rtm_protocol = FOOTPRINT_ROUTE_PROTOCOL;
        route->rtm_scope = RT_SCOPE_HOST;
        route->rtm_type = RTN_LOCAL;
        mnl_attr_put_u32(message, RTA_TABLE, config->table);
        mnl_attr_put_u32(message, RTA_OIF, LOOPBACK_INDEX);
        return request(message);
}

typedef int change_fn(const struct route_config *config, uint8_t family, uint16_t type,
                      uint16_t flags);

/* 1, 0 for what is there already, or a negative errno. */
static int add(const struct route_config *config, uint8_t family, uint16_t type, change_fn *change)
{
        int r;

        r = change(config, family, type, NLM_F_CREATE | NLM_F_EXCL);
        return r == -EEXIST ? 0 : r < 0 ? r : 1;
}

static int add_family(const struct route_config *config, uint8_t family)
{
        int n_routes, n_rules;

        n_routes = add(config, family, RTM_NEWROUTE, change_route);
        if (n_routes < 0)
                return n_routes;
        n_rules = add(config, family, RTM_NEWRULE, change_rule);
        return n_rules < 0 ? n_rules : n_routes + n_rules;
}

int route_add(const struct route_config *config)
{
        int n_added = 0, r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(families) && r >= 0; i++) {
                r = add_family(config, families[i]);
                if (families[i] == AF_INET6 && (r == -EAFNOSUPPORT || r == -EOPNOTSUPP))
                        r = 0; /* a machine without IPv6 has nothing to route there */
                if (r > 0)
                        n_added += r;
        }
        if (r < 0)
                route_remove(config);
        return r < 0 ? r : n_added;
}

static int on_route(const struct nlmsghdr *message, void *userdata)
{
        const struct nlattr *attribute;
        uint32_t *interface = userdata;

        mnl_attr_for_each(attribute, message, sizeof(struct rtmsg))
        {
                if (mnl_attr_get_type(attribute) == RTA_OIF)
                        *interface = mnl_attr_get_u32(attribute);
        }
        return MNL_CB_STOP;
}

static void put_address(struct nlmsghdr *message, uint16_t type, const struct endpoint *endpoint)
{
        const uint8_t *bytes = endpoint->address.s6_addr;

        if (address_is_ipv4(&endpoint->address))
                mnl_attr_put(message, type, 4, bytes + 12);
        else
                mnl_attr_put(message, type, 16, bytes);
}

uint32_t route_interface(const struct endpoint *from, const struct endpoint *to)
{
        uint8_t buffer[MNL_NLMSG_HDRLEN + 256] = {};
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        bool is_ipv4 = address_is_ipv4(&to->address);
        uint32_t interface = 0;
        struct rtmsg *route;

        message->nlmsg_type = RTM_GETROUTE;
        route = mnl_nlmsg_put_extra_header(message, sizeof(*route));
        route->rtm_family = is_ipv4 ? AF_INET : AF_INET6;
        route->rtm_dst_len = route->rtm_src_len = is_ipv4 ? 32 : 128;
        put_address(message, RTA_DST, to);
        put_address(message, RTA_SRC, from);
        return ask(message, on_route, &interface) < 0 ? 0 : interface;
}

void route_remove(const struct route_config *config)
{
        for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
                (void)change_rule(config, families[i], RTM_DELRULE, 0);
                (void)change_route(config, families[i], RTM_DELROUTE, 0);
        }
}
