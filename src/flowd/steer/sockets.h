/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The kernel's sockets (sock_diag): where they send from, what went through them, and their end. */

#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "bpf/steer.abi.h"

struct inet_diag_req_v2;
struct inet_diag_sockid;
struct nlmsghdr;

/* A request about sockets, in whatever state; buffer: 256 bytes, aligned as a message. */
struct inet_diag_req_v2 *sockets_begin_request(char *buffer, uint16_t type, uint8_t family,
                                               uint8_t protocol);
/* MNL_CB_OK, or MNL_CB_ERROR with errno. */
typedef int sockets_answer_fn(const struct nlmsghdr *message, void *userdata);
/* Calls fn for each answer to such a request with NLM_F_DUMP. 0 or a negative errno. */
int sockets_dump(const struct nlmsghdr *request, sockets_answer_fn *fn, void *userdata);
uint64_t sockets_cookie(const struct inet_diag_sockid *id);
struct endpoint sockets_end_here(uint8_t family, const struct inet_diag_sockid *id);

typedef void sockets_fn(uint64_t cookie, const struct endpoint *local, void *userdata);

/*
 * Calls fn for each open TCP socket of this network namespace whose mark is `mark` where
 * mark_mask has bits. Walks the kernel's whole table: for when somebody looks, not for each
 * flow. 0, or a negative errno; fn may have been called by then.
 */
int sockets_list(uint32_t mark, uint32_t mark_mask, sockets_fn *fn, void *userdata);

/* The same for each socket of TCP or UDP that a program holds, but for those of TCP that are not
 * connected. */
int sockets_list_all(sockets_fn *fn, void *userdata);

/* Which socket is meant. Without a cookie it is one of TCP that has both ends; with one, the local
 * end need not be known. */
struct socket_name {
        uint8_t protocol;
        struct endpoint local, remote;
        uint64_t cookie;
        uint32_t interface; /* that it may be bound to; 0: none */
        bool is_closed;     /* by its program: not worth a walk through the table */
};

/* One that was found. */
struct socket_found {
        uint8_t family;
        uint8_t protocol;
        bool is_connected;
        struct steer_tally tally; /* of TCP; has_end is not known */
        uint32_t id[12];          /* the kernel's struct inet_diag_sockid */
};

/* A look into the kernel's table, or a walk through it where that does not find what has a cookie:
 * its local end is not known, or it is bound to an interface. 0, -ENOENT if there is no such socket
 * (any more), or another negative errno. */
int sockets_find(const struct socket_name *name, struct socket_found *ret_found);
/* Whether the kernel can do what sockets_destroy() asks it for. */
bool sockets_can_destroy(void);
/* The local end of one that was found. */
struct endpoint sockets_local(const struct socket_found *found);
/* Its program is told ECONNABORTED; the other end of a connection gets a reset. 0, -ENOENT if it is
 * gone already, -EOPNOTSUPP where the kernel cannot do that. */
int sockets_destroy(const struct socket_found *found);
