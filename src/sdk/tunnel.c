/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which interface is a tunnel, and whether it is up, the kernel is asked each time (rtnetlink):
 * interfaces come and go, and a name can be another one's a moment later. What is found is an
 * index, which is never another one's.
 */

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "sdk/tunnel.h"

#define UP (IFF_UP | IFF_RUNNING) /* a TUN device without its program only is the former */

/* As `ip -details link` says: what is sent there, the kernel or a program packs into something. */
static const char *const kinds[] = {
        "amt",       "bareudp", "erspan",    "geneve", "gre",   "gretap",    "gtp",
        "ip6erspan", "ip6gre",  "ip6gretap", "ip6tnl", "ipip",  "ovpn",      "ppp",
        "sit",       "tun",     "vti",       "vti6",   "vxlan", "wireguard", "xfrm",
};

struct question {
        struct nlmsghdr header;
        struct ifinfomsg link;
        struct rtattr name_header;
        char name[IF_NAMESIZE];
};

/* What the kernel says of the interface, which is of type RTM_NEWLINK. */
static int ask(const char *name, struct nlmsghdr *answer, size_t size)
{
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        struct question question = {
                .header = { .nlmsg_len = sizeof(question),
                            .nlmsg_type = RTM_GETLINK,
                            .nlmsg_flags = NLM_F_REQUEST },
                .name_header = { .rta_len = RTA_LENGTH(IF_NAMESIZE), .rta_type = IFLA_IFNAME },
        };
        const struct nlmsgerr *error = NLMSG_DATA(answer);
        ssize_t n;

        snprintf(question.name, sizeof(question.name), "%s", name);
        if (fd < 0 || send(fd, &question, sizeof(question), 0) < 0)
                return -errno;
        n = recv(fd, answer, size, 0);
        if (n < 0)
                return -errno;
        if (!NLMSG_OK(answer, (size_t)n))
                return -EPROTO;
        if (answer->nlmsg_type == NLMSG_ERROR)
                return error->error == -ENODEV ? -ENOENT : error->error;
        return 0;
}

static const struct rtattr *find(const struct rtattr *attribute, size_t size, unsigned short type)
{
        int left = (int)size; /* below 0 where the last one is not padded */

        for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
                if (attribute->rta_type == type)
                        return attribute;
        return NULL;
}

/* NULL: it is no kind of virtual interface. */
static const char *kind_of(const struct nlmsghdr *link)
{
        const struct rtattr *info, *kind = NULL;

        info = find(IFLA_RTA(NLMSG_DATA(link)), IFLA_PAYLOAD(link), IFLA_LINKINFO);
        if (info)
                kind = find(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_KIND);
        return kind ? RTA_DATA(kind) : NULL;
}

static bool is_tunnel(const struct nlmsghdr *link)
{
        const char *kind = kind_of(link);

        for (size_t i = 0; kind && i < ARRAY_SIZE(kinds); i++)
                if (strcmp(kind, kinds[i]) == 0)
                        return true;
        return false;
}

int tunnel_find(const char *name, uint32_t *ret_interface)
{
        _Alignas(struct nlmsghdr) char buffer[8192];
        struct nlmsghdr *answer = (struct nlmsghdr *)buffer;
        const struct ifinfomsg *link = NLMSG_DATA(answer);
        int r;

        if (!*name || strlen(name) >= IF_NAMESIZE)
                return -EINVAL;
        r = ask(name, answer, sizeof(buffer));
        if (r < 0)
                return r;
        if (!is_tunnel(answer))
                return -EINVAL;
        if ((link->ifi_flags & UP) != UP)
                return -ENETDOWN;
        *ret_interface = (uint32_t)link->ifi_index;
        return 0;
}
