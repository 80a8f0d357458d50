/* SPDX-License-Identifier: Apache-2.0 */

/*
 * As the kernel delivers such a datagram (__udp_is_mcast_sock()), by what sock_diag says of each
 * socket. It does not tell what the hooks left there (INET_DIAG_REQ_SK_BPF_STORAGES has no answer of
 * UDP, Linux 6.18), so they keep it by the socket's cookie as well.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "steer/hooks.h"
#include "steer/receivers.h"
#include "steer/sockets.h"
#include "steer/without.h"

struct listing {
        struct hooks *hooks;
        const struct receivers_question *question;
        receivers_fn *fn;
        void *userdata;
};

/* What is told of a socket beside its ends. */
struct facts {
        uint64_t cgroup_id;
        bool is_ipv6_only;
};

static int read_fact(const struct nlattr *attribute, void *userdata)
{
        struct facts *facts = userdata;

        switch (mnl_attr_get_type(attribute)) {
        case INET_DIAG_SKV6ONLY:
                facts->is_ipv6_only = mnl_attr_get_u8(attribute);
                break;
        case INET_DIAG_CGROUP_ID:
                facts->cgroup_id = mnl_attr_get_u64(attribute);
                break;
        }
        return MNL_CB_OK;
}

static bool is_any(const struct in6_addr *address)
{
        static const struct in_addr any4 = { INADDR_ANY };
        struct in6_addr any = address_from_ipv4(any4);

        return IN6_IS_ADDR_UNSPECIFIED(address) || IN6_ARE_ADDR_EQUAL(address, &any);
}

static struct endpoint peer_of(const struct inet_diag_msg *socket)
{
        struct inet_diag_sockid turned = socket->id;

        turned.idiag_sport = socket->id.idiag_dport;
        memcpy(turned.idiag_src, socket->id.idiag_dst, sizeof(turned.idiag_src));
        return sockets_end_here(socket->idiag_family, &turned);
}

static bool is_reached(const struct inet_diag_msg *socket, const struct facts *facts,
                       const struct receivers_question *question)
{
        struct endpoint here = sockets_end_here(socket->idiag_family, &socket->id);
        struct endpoint peer = peer_of(socket);

        if (peer.port && !endpoint_equal(&peer, &question->sender))
                return false;
        if (socket->id.idiag_if && socket->id.idiag_if != question->interface)
                return false;
        if (facts->is_ipv6_only && address_is_ipv4(&question->group.address))
                return false;
        return is_any(&here.address) ||
               IN6_ARE_ADDR_EQUAL(&here.address, &question->group.address);
}

static int on_socket(const struct nlmsghdr *message, void *userdata)
{
        const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(message);
        struct listing *listing = userdata;
        struct receiver receiver = {};
        struct steer_owner owner;
        struct facts facts = {};

        if (mnl_nlmsg_get_payload_len(message) < sizeof(*socket) ||
            mnl_attr_parse(message, sizeof(*socket), read_fact, &facts) < 0 ||
            !is_reached(socket, &facts, listing->question))
                return MNL_CB_OK;
        receiver.cookie = sockets_cookie(&socket->id);
        receiver.cgroup_id = facts.cgroup_id;
        if (hooks_find_receiver(listing->hooks, receiver.cookie, &owner))
                receiver.owner = &owner;
        listing->fn(&receiver, listing->userdata);
        return MNL_CB_OK;
}

static int list_family(uint8_t family, struct listing *listing)
{
        _Alignas(struct nlmsghdr) char buffer[256];
        struct nlmsghdr *request = (struct nlmsghdr *)buffer;
        struct inet_diag_req_v2 *asked =
                sockets_begin_request(buffer, SOCK_DIAG_BY_FAMILY, family, IPPROTO_UDP);

        request->nlmsg_flags |= NLM_F_DUMP;
        asked->id.idiag_sport = htons(listing->question->group.port);
        return sockets_dump(request, on_socket, listing);
}

/* Sockets of IPv6 can have what comes over IPv4 as well. */
int receivers_list(struct hooks *hooks, const struct receivers_question *question,
                   receivers_fn *fn, void *userdata)
{
        struct listing listing = {
                .hooks = hooks, .question = question, .fn = fn, .userdata = userdata
        };
        int r = 0;

        if (address_is_ipv4(&question->group.address))
                r = list_family(AF_INET, &listing);
        return r < 0 ? r : list_family(AF_INET6, &listing);
}

static void ignore(const struct receiver *receiver, void *userdata)
{
}

/* Of a port that nobody has. */
bool receivers_are_told(struct hooks *hooks)
{
        const struct receivers_question question = { .group.port = 1 };

        return !is_told_away("udp-diag") &&
               receivers_list(hooks, &question, ignore, NULL) >= 0;
}
