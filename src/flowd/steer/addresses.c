/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel's list is the truth, and its events only say that the list has to be read
 * again: then an address that stands on two interfaces survives the loss of one, a lost
 * event (ENOBUFS) is an event like any other, and what an earlier flowd left in the map
 * goes the same way as what has gone since. A burst of events costs one reading; one that
 * the list changed under is put off a moment.
 */

#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "base/log.h"
#include "steer/addresses.h"
#include "steer/hooks.h"

#define DUMP_MESSAGE_MAX 8192
#define RETRY_NS         20000000ULL

/* The host's end of a point-to-point link is IFA_LOCAL, and IFA_ADDRESS then the other end. */
static const struct nlattr *find_own_end(const struct nlmsghdr *message)
{
        const struct nlattr *attribute, *found = NULL;

        mnl_attr_for_each(attribute, message, sizeof(struct ifaddrmsg))
        {
                if (mnl_attr_get_type(attribute) == IFA_LOCAL)
                        return attribute;
                if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
                        found = attribute;
        }
        return found;
}

static bool parse_address(const struct nlmsghdr *message, struct in6_addr *ret_address)
{
        const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
        const struct nlattr *end = find_own_end(message);
        struct in_addr ipv4;

        /* Until nobody else claims it, it may be another host's. */
        if (!end || header->ifa_flags & IFA_F_TENTATIVE)
                return false;
        if (header->ifa_family == AF_INET6 && mnl_attr_get_payload_len(end) == 16) {
                memcpy(ret_address, mnl_attr_get_payload(end), 16);
                return true;
        }
        if (header->ifa_family != AF_INET || mnl_attr_get_payload_len(end) != 4)
                return false;
        memcpy(&ipv4, mnl_attr_get_payload(end), 4);
        *ret_address = address_from_ipv4(ipv4);
        return true;
}

static int on_address(const struct nlmsghdr *message, void *userdata)
{
        struct addresses *addresses = userdata;
        struct in6_addr address;

        if (message->nlmsg_type == RTM_NEWADDR && parse_address(message, &address) &&
            addresses->n_found < STEER_LOCAL_ADDRESSES_MAX)
                memcpy(&addresses->found[addresses->n_found++], &address, sizeof(address));
        return MNL_CB_OK;
}

/* A socket of its own: no event comes between. -EINTR: the list changed on the way, and what
 * was found may be neither the old one nor the new. */
static int dump(struct addresses *addresses)
{
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        _Alignas(struct nlmsghdr) char buffer[DUMP_MESSAGE_MAX];
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        ssize_t n;
        int r;

        message->nlmsg_type = RTM_GETADDR;
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        mnl_nlmsg_put_extra_header(message, sizeof(struct rtgenmsg)); /* AF_UNSPEC: both */
        if (fd < 0 || send(fd, message, message->nlmsg_len, 0) < 0)
                return -errno;
        addresses->n_found = 0;
        do {
                n = recv(fd, buffer, sizeof(buffer), 0);
                if (n < 0)
                        return -errno;
                r = mnl_cb_run(buffer, (size_t)n, 0, 0, on_address, addresses);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -errno : 0;
}

static int compare(const void *a, const void *b)
{
        return memcmp(a, b, sizeof(struct steer_address));
}

/* The next key is asked for while its predecessor is still there. */
static int forget_gone(struct addresses *addresses)
{
        struct steer_address address, next;
        bool more = hooks_next_local_address(addresses->hooks, NULL, &next);
        int r = 0;

        while (more && r >= 0) {
                address = next;
                more = hooks_next_local_address(addresses->hooks, &address, &next);
                if (!bsearch(&address, addresses->found, addresses->n_found, sizeof(address),
                             compare))
                        r = hooks_set_local_address(addresses->hooks, &address, false);
        }
        return r;
}

static void tell_if_full(struct addresses *addresses)
{
        bool is_full = addresses->n_found == STEER_LOCAL_ADDRESSES_MAX;

        if (is_full && !addresses->is_full)
                log_warning("this host has %d addresses or more; flows to those above that are "
                            "judged like flows to other hosts: have a rule allow them",
                            STEER_LOCAL_ADDRESSES_MAX);
        addresses->is_full = is_full;
}

/* What is gone leaves first: its place may be needed. */
static int refresh(struct addresses *addresses)
{
        int r;

        r = dump(addresses);
        if (r == -EINTR) {
                loop_timer_start(addresses->loop, &addresses->retry, now_ns() + RETRY_NS);
                return 0;
        }
        if (r < 0)
                return r;
        qsort(addresses->found, addresses->n_found, sizeof(*addresses->found), compare);
        tell_if_full(addresses);
        r = forget_gone(addresses);
        for (size_t i = 0; i < addresses->n_found && r >= 0; i++)
                r = hooks_set_local_address(addresses->hooks, &addresses->found[i], true);
        return r;
}

static int on_change(void *userdata)
{
        int r;

        r = refresh(userdata);
        if (r < 0)
                log_error("the host's addresses cannot be read: %s; until they change again, "
                          "loopback means those known before",
                          strerror(-r));
        return 0;
}

static int on_events(uint32_t events, void *userdata)
{
        struct addresses *addresses = userdata;
        char ignored;

        while (recv(addresses->fd, &ignored, sizeof(ignored), MSG_DONTWAIT) >= 0 ||
               errno == ENOBUFS)
                ;
        return on_change(addresses);
}

int addresses_open(struct addresses *addresses, struct loop *loop, struct hooks *hooks)
{
        struct sockaddr_nl groups = {
                .nl_family = AF_NETLINK,
                .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
        };
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        int r;

        addresses->loop = loop;
        addresses->hooks = hooks;
        addresses->io.fd = addresses->fd = -1;
        loop_timer_init(&addresses->retry, on_change, addresses);
        /* Before the first reading: a change in between is an event. */
        if (fd < 0 || bind(fd, (struct sockaddr *)&groups, sizeof(groups)) < 0)
                return -errno;
        r = refresh(addresses);
        if (r >= 0)
                r = loop_add(loop, &addresses->io, fd, EPOLLIN, on_events, addresses);
        if (r >= 0)
                addresses->fd = take_fd(&fd);
        return r;
}

void addresses_close(struct addresses *addresses)
{
        loop_timer_stop(&addresses->retry);
        loop_remove(addresses->loop, &addresses->io);
        addresses->fd = close_fd(addresses->fd);
}
