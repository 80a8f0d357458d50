/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What ss(8) does, through NETLINK_SOCK_DIAG. A list is one dump a family; the kernel drops by
 * itself what does not bear our mark, so the answer is as long as our own flows are many. One
 * socket is found by its ends, at once; a cookie keeps whoever has the same ends later from being
 * taken for it.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/bpf.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/sockets.h"
#include "steer/without.h"

#define DUMP_MESSAGE_MAX 32768
/* Of TCP, those that a program still holds; what it closed tells its end by itself. */
#define STATES                                                                                     \
        (1U << BPF_TCP_ESTABLISHED | 1U << BPF_TCP_SYN_SENT | 1U << BPF_TCP_FIN_WAIT1 |            \
         1U << BPF_TCP_FIN_WAIT2 | 1U << BPF_TCP_CLOSE_WAIT | 1U << BPF_TCP_LAST_ACK |             \
         1U << BPF_TCP_CLOSING)

_Static_assert(sizeof(struct inet_diag_sockid) == sizeof(((struct socket_found *)0)->id),
               "the kernel's name for a socket");

/* A program for the kernel's filter: `no` leads behind the end, which is "leave it out". */
struct mark_filter {
        struct inet_diag_bc_op op;
        struct inet_diag_markcond condition;
};

struct listing {
        uint8_t protocol;
        uint32_t states;
        uint32_t mark, mark_mask;
        bool held_only; /* by a program: one that is closed can be in those states, too */
        sockets_fn *fn;
        void *userdata;
};

uint64_t sockets_cookie(const struct inet_diag_sockid *id)
{
        return (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];
}

struct endpoint sockets_end_here(uint8_t family, const struct inet_diag_sockid *id)
{
        struct endpoint local = { .port = ntohs(id->idiag_sport) };

        if (family == AF_INET)
                local.address = address_from_ipv4((struct in_addr){ id->idiag_src[0] });
        else
                memcpy(&local.address, id->idiag_src, sizeof(local.address));
        return local;
}

static int on_socket(const struct nlmsghdr *message, void *userdata)
{
        const struct inet_diag_msg *found = mnl_nlmsg_get_payload(message);
        const struct listing *listing = userdata;
        struct endpoint local;

        if (mnl_nlmsg_get_payload_len(message) < sizeof(*found) ||
            (listing->held_only && !found->idiag_inode))
                return MNL_CB_OK;
        local = sockets_end_here(found->idiag_family, &found->id);
        listing->fn(sockets_cookie(&found->id), &local, listing->userdata);
        return MNL_CB_OK;
}

int sockets_dump(const struct nlmsghdr *request, sockets_answer_fn *fn, void *userdata)
{
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        _Alignas(struct nlmsghdr) char buffer[DUMP_MESSAGE_MAX];
        ssize_t n;
        int r;

        if (fd < 0 || send(fd, request, request->nlmsg_len, 0) < 0)
                return -errno;
        do {
                n = recv(fd, buffer, sizeof(buffer), 0);
                if (n < 0)
                        return -errno;
                r = mnl_cb_run(buffer, (size_t)n, 0, 0, fn, userdata);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -errno : 0;
}

struct inet_diag_req_v2 *sockets_begin_request(char *buffer, uint16_t type, uint8_t family,
                                               uint8_t protocol)
{
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct inet_diag_req_v2 *request;

        message->nlmsg_type = type;
        message->nlmsg_flags = NLM_F_REQUEST;
        request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
        request->sdiag_family = family;
        request->sdiag_protocol = protocol;
        request->idiag_states = ~0U;
        return request;
}

static int list_family(uint8_t family, struct listing *listing)
{
        struct mark_filter filter = {
                .op = { .code = INET_DIAG_BC_MARK_COND,
                        .yes = sizeof(filter),
                        .no = sizeof(filter) + sizeof(filter.op) },
                .condition = { .mark = listing->mark, .mask = listing->mark_mask },
        };
        _Alignas(struct nlmsghdr) char buffer[256];
        struct nlmsghdr *message = (struct nlmsghdr *)buffer;
        struct inet_diag_req_v2 *request;

        request = sockets_begin_request(buffer, SOCK_DIAG_BY_FAMILY, family, listing->protocol);
        request->idiag_states = listing->states;
        message->nlmsg_flags |= NLM_F_DUMP;
        mnl_attr_put(message, INET_DIAG_REQ_BYTECODE, sizeof(filter), &filter);
        return sockets_dump(message, on_socket, listing);
}

static int list(struct listing *listing)
{
        int r = list_family(AF_INET, listing);

        return r < 0 ? r : list_family(AF_INET6, listing);
}

int sockets_list(uint32_t mark, uint32_t mark_mask, sockets_fn *fn, void *userdata)
{
        struct listing listing = {
                .protocol = IPPROTO_TCP,
                .states = STATES,
                .mark = mark,
                .mark_mask = mark_mask,
                .fn = fn,
                .userdata = userdata,
        };

        return list(&listing);
}

int sockets_list_all(sockets_fn *fn, void *userdata)
{
        struct listing tcp = {
                .protocol = IPPROTO_TCP,
                .states = STATES,
                .held_only = true,
                .fn = fn,
                .userdata = userdata,
        };
        struct listing udp = {
                .protocol = IPPROTO_UDP,
                .states = ~0U,
                .fn = fn,
                .userdata = userdata,
        };
        int r = list(&tcp);

        return r < 0 ? r : list(&udp);
}

/* --- one socket ------------------------------------------------------------------------ */

static void write_address(__be32 *to, const struct in6_addr *address, uint8_t family)
{
        if (family == AF_INET)
                memcpy(to, address->s6_addr + 12, 4);
        else
                memcpy(to, address, sizeof(*address));
}

static void write_end(const struct endpoint *end, uint8_t family, __be32 *to, __be16 *to_port)
{
        write_address(to, &end->address, family);
        *to_port = htons(end->port);
}

/* Of UDP, whoever asks for one socket has to turn its ends round (udp_dump_one()). */
static void write_ends(const struct socket_name *name, struct inet_diag_req_v2 *request)
{
        bool is_turned = name->protocol == IPPROTO_UDP;
        const struct endpoint *source = is_turned ? &name->remote : &name->local;
        const struct endpoint *destination = is_turned ? &name->local : &name->remote;

        write_end(source, request->sdiag_family, request->id.idiag_src, &request->id.idiag_sport);
        write_end(destination, request->sdiag_family, request->id.idiag_dst,
                  &request->id.idiag_dport);
        request->id.idiag_cookie[0] = request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
        if (name->cookie) {
                request->id.idiag_cookie[0] = (uint32_t)name->cookie;
                request->id.idiag_cookie[1] = (uint32_t)(name->cookie >> 32);
        }
}

/* The answer, or to what there is none, is there when sendto() returns. */
static ssize_t exchange(struct nlmsghdr *message, char *buffer, size_t size)
{
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        ssize_t n;

        if (fd < 0 || send(fd, message, message->nlmsg_len, 0) < 0)
                return -errno;
        n = recv(fd, buffer, size, MSG_DONTWAIT);
        return n < 0 ? -errno : n;
}

static int error_of(const struct nlmsghdr *answer)
{
        return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(answer))->error;
}

static int read_info(const struct nlattr *attribute, void *userdata)
{
        struct steer_tally *tally = userdata;
        struct tcp_info info = {};
        uint16_t size = mnl_attr_get_payload_len(attribute);

        if (mnl_attr_get_type(attribute) != INET_DIAG_INFO)
                return MNL_CB_OK;
        memcpy(&info, mnl_attr_get_payload(attribute), size < sizeof(info) ? size : sizeof(info));
        tally->acked = info.tcpi_bytes_acked;
        tally->received = info.tcpi_bytes_received;
        return MNL_CB_OK;
}

static void read_found(const struct nlmsghdr *answer, uint8_t protocol,
                       struct socket_found *ret_found)
{
        const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(answer);

        *ret_found = (struct socket_found){
                .family = socket->idiag_family,
                .protocol = protocol,
                .is_connected = socket->id.idiag_dport != 0,
                .tally = { .queued = socket->idiag_wqueue, .state = socket->idiag_state },
        };
        memcpy(ret_found->id, &socket->id, sizeof(socket->id));
        (void)mnl_attr_parse(answer, sizeof(*socket), read_info, &ret_found->tally);
}

static struct inet_diag_req_v2 *begin_question(char *buffer, uint16_t type, uint8_t family,
                                               uint8_t protocol)
{
        struct inet_diag_req_v2 *request = sockets_begin_request(buffer, type, family, protocol);

        request->idiag_ext = 1U << (INET_DIAG_INFO - 1);
        return request;
}

/* A listener that has the local end is what the kernel finds where the connection is gone. */
static int find_by_ends(const struct socket_name *name, uint32_t interface,
                        struct socket_found *ret_found)
{
        uint8_t family = address_is_ipv4(&name->remote.address) ? AF_INET : AF_INET6;
        _Alignas(struct nlmsghdr) char request[256], buffer[4096];
        const struct nlmsghdr *answer = (const struct nlmsghdr *)buffer;
        struct inet_diag_req_v2 *asked =
                begin_question(request, SOCK_DIAG_BY_FAMILY, family, name->protocol);
        ssize_t n;

        asked->id.idiag_if = interface;
        write_ends(name, asked);
        n = exchange((struct nlmsghdr *)request, buffer, sizeof(buffer));
        if (n < 0)
                return (int)n;
        if (!mnl_nlmsg_ok(answer, (int)n))
                return -EPROTO;
        if (answer->nlmsg_type == NLMSG_ERROR) /* ESTALE: another one has these ends */
                return error_of(answer) == -ESTALE ? -ENOENT : error_of(answer) ?: -EPROTO;
        if (mnl_nlmsg_get_payload_len(answer) < sizeof(struct inet_diag_msg))
                return -EPROTO;
        read_found(answer, name->protocol, ret_found);
        return name->protocol == IPPROTO_TCP && !ret_found->is_connected ? -ENOENT : 0;
}

struct search {
        const struct socket_name *name;
        struct socket_found *ret_found;
        bool is_found;
};

static int on_searched(const struct nlmsghdr *message, void *userdata)
{
        const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(message);
        struct search *search = userdata;

        if (mnl_nlmsg_get_payload_len(message) < sizeof(*socket) ||
            sockets_cookie(&socket->id) != search->name->cookie)
                return MNL_CB_OK;
        read_found(message, search->name->protocol, search->ret_found);
        search->is_found = true;
        return MNL_CB_OK;
}

static int search_family(struct search *search, uint8_t family)
{
        _Alignas(struct nlmsghdr) char buffer[256];
        struct nlmsghdr *request = (struct nlmsghdr *)buffer;

        (void)begin_question(buffer, SOCK_DIAG_BY_FAMILY, family, search->name->protocol);
        request->nlmsg_flags |= NLM_F_DUMP;
        return sockets_dump(request, on_searched, search);
}

static int find_by_cookie(const struct socket_name *name, struct socket_found *ret_found)
{
        static const uint8_t searched[] = { AF_INET, AF_INET6 };
        struct search search = { .name = name, .ret_found = ret_found };
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(searched) && r >= 0 && !search.is_found; i++)
                r = search_family(&search, searched[i]);
        if (r < 0)
                return r;
        return search.is_found ? 0 : -ENOENT;
}

int sockets_find(const struct socket_name *name, struct socket_found *ret_found)
{
        struct socket_found found;
        int r = -ENOENT;

        if (name->local.port)
                r = find_by_ends(name, 0, &found);
        if (r == -ENOENT && name->local.port && name->interface)
                r = find_by_ends(name, name->interface, &found);
        if (r == -ENOENT && name->cookie && !name->is_closed)
                r = find_by_cookie(name, &found);
        if (r >= 0)
                *ret_found = found;
        return r;
}

struct endpoint sockets_local(const struct socket_found *found)
{
        struct inet_diag_sockid id;

        memcpy(&id, found->id, sizeof(id));
        return sockets_end_here(found->family, &id);
}

/* Of no socket at all, which a kernel that can would miss. */
bool sockets_can_destroy(void)
{
        const struct socket_found none = { .family = AF_INET, .protocol = IPPROTO_TCP };

        return sockets_destroy(&none) != -EOPNOTSUPP;
}

int sockets_destroy(const struct socket_found *found)
{
        _Alignas(struct nlmsghdr) char request[256], buffer[4096];
        const struct nlmsghdr *answer = (const struct nlmsghdr *)buffer;
        struct inet_diag_req_v2 *asked =
                begin_question(request, SOCK_DESTROY, found->family, found->protocol);
        ssize_t n;

        if (is_told_away("sock-destroy"))
                return -EOPNOTSUPP;
        ((struct nlmsghdr *)request)->nlmsg_flags |= NLM_F_ACK;
        memcpy(&asked->id, found->id, sizeof(asked->id));
        n = exchange((struct nlmsghdr *)request, buffer, sizeof(buffer));
        if (n < 0)
                return (int)n;
        return mnl_nlmsg_ok(answer, (int)n) && answer->nlmsg_type == NLMSG_ERROR ? error_of(answer)
                                                                                 : -EPROTO;
}
