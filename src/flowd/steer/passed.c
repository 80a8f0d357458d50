/* SPDX-License-Identifier: Apache-2.0 */

/* One small transaction for one element; one that has run out by itself is fine. */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/passed.h"

int passed_open(void)
{
        struct sockaddr_nl address = { .nl_family = AF_NETLINK };
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return take_fd(&fd);
}

static uint32_t make_key(uint8_t *key, const struct endpoint *local, const struct endpoint *remote)
{
        bool is_ipv4 = address_is_ipv4(&local->address);
        uint32_t skipped = is_ipv4 ? 12 : 0, size = 16 - skipped;
        uint16_t ports[] = { htons(local->port), 0, htons(remote->port), 0 };

        memcpy(key, local->address.s6_addr + skipped, size);
        memcpy(key + size, remote->address.s6_addr + skipped, size);
        memcpy(key + 2 * size, ports, sizeof(ports));
        return 2 * size + (uint32_t)sizeof(ports);
}

DEFINE_CLEANUP(struct nftnl_set *, set, nftnl_set_free)

static struct nftnl_set *make_set(const char *table, const char *name, const struct endpoint *local,
                                  const struct endpoint *remote)
{
        _cleanup_(cleanup_set) struct nftnl_set *set = nftnl_set_alloc();
        struct nftnl_set_elem *element = nftnl_set_elem_alloc();
        uint8_t key[PASSED_KEY_IPV6];
        uint32_t size;

        if (!set || !element) {
                if (element)
                        nftnl_set_elem_free(element);
                return NULL;
        }
        size = make_key(key, local, remote);
        nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key, size);
        nftnl_set_elem_add(set, element);
        nftnl_set_set_str(set, NFTNL_SET_TABLE, table);
        nftnl_set_set_str(set, NFTNL_SET_NAME, name);
        return take_ptr(set);
}

static void drain(int fd)
{
        char buffer[4096];

        while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
                ;
}

static void forget(int fd, const char *table, const char *name, const struct endpoint *local,
                   const struct endpoint *remote)
{
        _cleanup_(cleanup_set) struct nftnl_set *set = make_set(table, name, local, remote);
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        char buffer[1024];
        struct mnl_nlmsg_batch *batch;

        if (!set)
                return;
        batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer));
        nftnl_batch_begin(mnl_nlmsg_batch_current(batch), 0);
        mnl_nlmsg_batch_next(batch);
        nftnl_set_elems_nlmsg_build_payload(nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch),
                                                                  NFT_MSG_DELSETELEM, NFPROTO_INET,
                                                                  0, 1),
                                            set);
        mnl_nlmsg_batch_next(batch);
        nftnl_batch_end(mnl_nlmsg_batch_current(batch), 2);
        mnl_nlmsg_batch_next(batch);
        (void)sendto(fd, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch), 0,
                     (struct sockaddr *)&kernel, sizeof(kernel));
        mnl_nlmsg_batch_stop(batch);
        drain(fd);
}

void passed_forget(int fd, const char *table, const struct endpoint *local,
                   const struct endpoint *remote)
{
        bool is_ipv4 = address_is_ipv4(&local->address);

        forget(fd, table, is_ipv4 ? "passed4" : "passed6", local, remote);
        /* Where the element ran out in between, an answer made the flow look like a served one. */
        forget(fd, table, is_ipv4 ? "served4" : "served6", local, remote);
}
