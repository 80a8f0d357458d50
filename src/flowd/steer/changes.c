/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two sockets that listen. A first change is looked at when it is there; while more come, each look
 * waits twice as long as the one before, and what did not fit into the socket meanwhile (ENOBUFS)
 * may have been about us.
 *
 * A netfilter transaction is told as its messages and then, by NEWGEN, whose it was. In all
 * messages that are about something in a table, the first attribute is the table's name.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/changes.h"
#include "steer/passed.h"

#define RECEIVE_BUFFER (1024 * 1024)
#define MESSAGE_MAX    32768
#define BATCH          4096 /* datagrams in one look; of more, the rest waits for the next */
#define PAUSE_FIRST_NS 10000000ULL
#define PAUSE_LAST_NS  400000000ULL
#define QUIET_NS       1000000000ULL

/* --- what is told ------------------------------------------------------------------------- */

static bool is_ours(const struct changes *changes, const char *table)
{
        for (size_t i = 0; i < CHANGES_TABLES; i++)
                if (strcmp(changes->tables[i], table) == 0)
                        return true;
        return false;
}

static bool is_about_us(const struct changes *changes, const struct nlmsghdr *message)
{
        const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
        const struct nlattr *attribute;

        if (header->nfgen_family != NFPROTO_INET)
                return false;
        mnl_attr_for_each(attribute, message, sizeof(*header))
        {
                if (mnl_attr_get_type(attribute) == NFTA_TABLE_NAME)
                        return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 &&
                               is_ours(changes, mnl_attr_get_str(attribute));
        }
        return false;
}

static void note_who(struct changes *changes, const struct nlmsghdr *message)
{
        const struct nlattr *attribute;
        const char *name = "somebody";
        uint32_t pid = 0;

        mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
        {
                if (mnl_attr_get_type(attribute) == NFTA_GEN_PROC_PID &&
                    mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
                        pid = ntohl(mnl_attr_get_u32(attribute));
                else if (mnl_attr_get_type(attribute) == NFTA_GEN_PROC_NAME &&
                         mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
                        name = mnl_attr_get_str(attribute);
        }
        snprintf(changes->who, sizeof(changes->who), "%.32s (pid %u)", name, pid);
}

/* Is it the end of a transaction that was about a table of ours? */
static bool ends_change(struct changes *changes, const struct nlmsghdr *message)
{
        bool is_touched = changes->is_touched;

        if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN)) {
                changes->is_touched |= is_about_us(changes, message);
                return false;
        }
        changes->is_touched = false;
        if (is_touched)
                note_who(changes, message);
        return is_touched;
}

/* libmnl takes a length of more than INT_MAX for a small one. */
static bool is_message(const struct nlmsghdr *message, int size)
{
        return mnl_nlmsg_ok(message, size) && message->nlmsg_len <= (uint32_t)size;
}

/* Reads what is there. May a table of ours be another than before? */
static bool read_netfilter(struct changes *changes)
{
        _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
        bool has_changed = false;
        ssize_t n;

        for (int i = 0; i < BATCH; i++) {
                const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;
                int size;

                n = recv(changes->netfilter_fd, buffer, sizeof(buffer), MSG_DONTWAIT);
                if (n < 0 && errno != ENOBUFS)
                        break;
                has_changed |= n < 0;
                size = (int)n;
                for (; is_message(message, size); message = mnl_nlmsg_next(message, &size))
                        has_changed |= ends_change(changes, message);
        }
        return has_changed;
}

/* What the filter lets through is about policy rules, or about a route of our protocol. */
static bool read_routing(struct changes *changes)
{
        bool has_changed = false;
        char ignored;

        while (recv(changes->routing_fd, &ignored, sizeof(ignored), MSG_DONTWAIT) >= 0 ||
               errno == ENOBUFS)
                has_changed = true;
        return has_changed;
}

/* --- when it is looked at ----------------------------------------------------------------- */

static int on_change(uint32_t events, void *userdata);

static int listen_again(struct changes *changes)
{
        int r;

        r = loop_add(changes->loop, &changes->netfilter_io, changes->netfilter_fd, EPOLLIN,
                     on_change, changes);
        return r < 0 ? r
                     : loop_add(changes->loop, &changes->routing_io, changes->routing_fd, EPOLLIN,
                                on_change, changes);
}

/* Not by asking for no events: that a socket is full is told all the same. */
static void stop_listening(struct changes *changes)
{
        loop_remove(changes->loop, &changes->netfilter_io);
        loop_remove(changes->loop, &changes->routing_io);
}

static void look(struct changes *changes)
{
        bool has_changed;

        changes->who[0] = '\0';
        has_changed = read_netfilter(changes);
        has_changed |= read_routing(changes) || changes->has_failed;
        changes->looked_ns = now_ns();
        if (has_changed)
                changes->has_failed = changes->fn(changes->who, changes->userdata) < 0;
}

static void wait(struct changes *changes)
{
        stop_listening(changes);
        loop_timer_start(changes->loop, &changes->timer, now_ns() + changes->pause_ns);
        changes->pause_ns *= 2;
        if (changes->pause_ns > PAUSE_LAST_NS)
                changes->pause_ns = PAUSE_LAST_NS;
}

static int on_pause_over(void *userdata)
{
        struct changes *changes = userdata;

        look(changes);
        if (!changes->has_failed)
                return listen_again(changes);
        wait(changes);
        return 0;
}

static int on_change(uint32_t events, void *userdata)
{
        struct changes *changes = userdata;
        bool was_quiet = now_ns() > changes->looked_ns + QUIET_NS;

        if (was_quiet) {
                changes->pause_ns = PAUSE_FIRST_NS;
                look(changes);
        }
        if (!was_quiet || changes->has_failed)
                wait(changes);
        return 0;
}

/* --- what is listened to ------------------------------------------------------------------ */

static int attach(int fd, struct sock_filter *code, unsigned short n)
{
        const struct sock_fprog program = { .len = n, .filter = code };

        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
                                                                                           : 0;
}

static int join(int fd, const int *groups, size_t n_groups)
{
        struct sockaddr_nl address = { .nl_family = AF_NETLINK }; /* the kernel's is not ours */
        int size = RECEIVE_BUFFER;

        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        for (size_t i = 0; i < n_groups; i++)
                if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
                               sizeof(groups[i])) < 0)
                        return -errno;
        return 0;
}

/* A filter loads in network order what the kernel wrote in its own. */
static int open_netfilter(const struct passed *passed, int *ret_fd)
{
        static const int groups[] = { NFNLGRP_NFTABLES };
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        struct sockaddr_nl ours = {};
        socklen_t size = sizeof(ours);
        int r;

        if (fd < 0 || getsockname(passed->fd, (struct sockaddr *)&ours, &size) < 0)
                return -errno;
        r = attach(fd,
                   (struct sock_filter[]){
                           BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
                           BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(ours.nl_pid), 0, 1),
                           BPF_STMT(BPF_RET | BPF_K, 0),
                           BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
                   },
                   4);
        if (r >= 0)
                r = join(fd, groups, ARRAY_SIZE(groups));
        if (r >= 0)
                *ret_fd = take_fd(&fd);
        return r;
}

static int open_routing(int *ret_fd)
{
        static const int groups[] = { RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, RTNLGRP_IPV4_ROUTE,
                                      RTNLGRP_IPV6_ROUTE };
        const uint32_t protocol = NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol);
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        int r;

        if (fd < 0)
                return -errno;
        r = attach(
                fd,
                (struct sock_filter[]){
                        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 3),
                        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, protocol),
                        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FOOTPRINT_ROUTE_PROTOCOL, 1, 0),
                        BPF_STMT(BPF_RET | BPF_K, 0),
                        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
                },
                7);
        if (r >= 0)
                r = join(fd, groups, ARRAY_SIZE(groups));
        if (r >= 0)
                *ret_fd = take_fd(&fd);
        return r;
}

int changes_open(struct changes *changes, struct loop *loop,
                 const char *const tables[static CHANGES_TABLES], const struct passed *passed,
                 changes_fn *fn, void *userdata)
{
        int r;

        *changes = (struct changes)CHANGES_NULL;
        changes->loop = loop;
        memcpy(changes->tables, tables, sizeof(changes->tables));
        changes->fn = fn;
        changes->userdata = userdata;
        changes->netfilter_io.fd = changes->routing_io.fd = -1;
        loop_timer_init(&changes->timer, on_pause_over, changes);
        r = open_netfilter(passed, &changes->netfilter_fd);
        if (r >= 0)
                r = open_routing(&changes->routing_fd);
        if (r >= 0)
                r = listen_again(changes);
        if (r < 0)
                changes_close(changes);
        return r;
}

void changes_close(struct changes *changes)
{
        if (!changes->loop)
                return;
        loop_timer_stop(&changes->timer);
        stop_listening(changes);
        changes->netfilter_fd = close_fd(changes->netfilter_fd);
        changes->routing_fd = close_fd(changes->routing_fd);
}
