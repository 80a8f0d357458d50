/* SPDX-License-Identifier: Apache-2.0 */

/* One ctnetlink message (linux/netfilter/nfnetlink_conntrack.h); an entry that is gone is fine. */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/conntrack.h"

int conntrack_open(void)
{
        struct sockaddr_nl address = { .nl_family = AF_NETLINK };
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return take_fd(&fd);
}

static void put_addresses(struct nlmsghdr *message, const struct in6_addr *source,
                          const struct in6_addr *destination)
{
        struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_IP);

        if (address_is_ipv4(source)) {
                mnl_attr_put(message, CTA_IP_V4_SRC, 4, &source->s6_addr[12]);
                mnl_attr_put(message, CTA_IP_V4_DST, 4, &destination->s6_addr[12]);
        } else {
                mnl_attr_put(message, CTA_IP_V6_SRC, 16, source);
                mnl_attr_put(message, CTA_IP_V6_DST, 16, destination);
        }
        mnl_attr_nest_end(message, nest);
}

static void put_tuple(struct nlmsghdr *message, uint8_t protocol, const struct endpoint *local,
                      const struct endpoint *remote)
{
        struct nlattr *tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
        struct nlattr *nest;

        put_addresses(message, &local->address, &remote->address);
        nest = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
        mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
        mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(local->port));
        mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(remote->port));
        mnl_attr_nest_end(message, nest);
        mnl_attr_nest_end(message, tuple);
}

static void drain(int fd)
{
        char buffer[4096];

        while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
                ;
}

void conntrack_forget(int fd, uint32_t mark_mask, uint8_t protocol, const struct endpoint *local,
                      const struct endpoint *remote)
{
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        char buffer[512];
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct nfgenmsg *generic;

        message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
        message->nlmsg_flags = NLM_F_REQUEST;
        generic = mnl_nlmsg_put_extra_header(message, sizeof(*generic));
        *generic = (struct nfgenmsg){
                .nfgen_family = address_is_ipv4(&remote->address) ? AF_INET : AF_INET6,
                .version = NFNETLINK_V0,
        };
        put_tuple(message, protocol, local, remote);
        mnl_attr_put_u32(message, CTA_MARK, 0);
        mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(mark_mask));
        (void)sendto(fd, message, message->nlmsg_len, 0, (struct sockaddr *)&kernel,
                     sizeof(kernel));
        drain(fd);
}
