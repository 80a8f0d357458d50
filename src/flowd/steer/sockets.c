/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What ss(8) does: one dump a family through NETLINK_SOCK_DIAG. The kernel drops by
 * itself what does not bear our mark, so the answer is as long as our own flows are many.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/sockets.h"

#define DUMP_MESSAGE_MAX 32768
/* Those that a program still holds; what it closed tells its end by itself. */
#define STATES                                                                                     \
        (1U << TCP_ESTABLISHED | 1U << TCP_SYN_SENT | 1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 |  \
         1U << TCP_CLOSE_WAIT | 1U << TCP_LAST_ACK | 1U << TCP_CLOSING)

/* A program for the kernel's filter: `no` leads behind the end, which is "leave it out". */
struct mark_filter {
        struct inet_diag_bc_op op;
        struct inet_diag_markcond condition;
};

struct listing {
        sockets_fn *fn;
        void *userdata;
};

static int on_socket(const struct nlmsghdr *message, void *userdata)
{
        const struct inet_diag_msg *found = mnl_nlmsg_get_payload(message);
        const struct listing *listing = userdata;
        struct endpoint local = { .port = ntohs(found->id.idiag_sport) };
        uint64_t cookie;

        if (mnl_nlmsg_get_payload_len(message) < sizeof(*found))
                return MNL_CB_OK;
        if (found->idiag_family == AF_INET)
                local.address = address_from_ipv4((struct in_addr){ found->id.idiag_src[0] });
        else
                memcpy(&local.address, found->id.idiag_src, sizeof(local.address));
        cookie = (uint64_t)found->id.idiag_cookie[1] << 32 | found->id.idiag_cookie[0];
        listing->fn(cookie, &local, listing->userdata);
        return MNL_CB_OK;
}

static int ask(int fd, uint8_t family, uint32_t mark, uint32_t mark_mask)
{
        struct mark_filter filter = {
                .op = { .code = INET_DIAG_BC_MARK_COND,
                        .yes = sizeof(filter),
                        .no = sizeof(filter) + sizeof(filter.op) },
                .condition = { .mark = mark, .mask = mark_mask },
        };
        char buffer[256];
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct inet_diag_req_v2 *request;

        message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
        request->sdiag_family = family;
        request->sdiag_protocol = IPPROTO_TCP;
        request->idiag_states = STATES;
        mnl_attr_put(message, INET_DIAG_REQ_BYTECODE, sizeof(filter), &filter);
        return send(fd, message, message->nlmsg_len, 0) < 0 ? -errno : 0;
}

static int list_family(uint8_t family, uint32_t mark, uint32_t mark_mask, struct listing *listing)
{
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        _Alignas(struct nlmsghdr) char buffer[DUMP_MESSAGE_MAX];
        ssize_t n;
        int r;

        if (fd < 0)
                return -errno;
        r = ask(fd, family, mark, mark_mask);
        if (r < 0)
                return r;
        do {
                n = recv(fd, buffer, sizeof(buffer), 0);
                if (n < 0)
                        return -errno;
                r = mnl_cb_run(buffer, (size_t)n, 0, 0, on_socket, listing);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -errno : 0;
}

int sockets_list(uint32_t mark, uint32_t mark_mask, sockets_fn *fn, void *userdata)
{
        struct listing listing = { .fn = fn, .userdata = userdata };
        int r;

        r = list_family(AF_INET, mark, mark_mask, &listing);
        return r < 0 ? r : list_family(AF_INET6, mark, mark_mask, &listing);
}
