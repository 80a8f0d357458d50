/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Sockets that stand for one end of a flow, or speak from addresses which are not the host's. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/endpoint.h"

/* A close-on-exec, non-blocking socket bound to local (port 0: any). type: SOCK_STREAM or
 * SOCK_DGRAM. Needs CAP_NET_ADMIN. The descriptor, the caller's, or a negative errno. */
int transparent_socket(int type, const struct endpoint *local);
/* A socket of type on its way to remote, from local's address; mark keeps it from being steered. */
int transparent_connect(int type, const struct endpoint *local, const struct endpoint *remote,
                        uint32_t mark);
/* A stream socket on its way over lo to a server of this host, from an address that is not this
 * host's. */
int transparent_visit(const struct endpoint *visitor, const struct endpoint *server, uint32_t mark);
/* A datagram socket from remote to app: the program's flow, seen from its far end. */
int transparent_datagram(const struct endpoint *remote, const struct endpoint *app, uint32_t mark);
/* Two datagram sockets on lo, each connected to the other, so that they hear nobody else. 0 or a
 * negative errno. */
int transparent_pair(bool is_ipv4, const uint32_t marks[2], int ret_fds[2]);
/* accept4(2): close-on-exec, non-blocking. The descriptor, the caller's, or a negative errno. */
int transparent_accept(int fd, struct endpoint *ret_peer);
/* getsockname(2). */
int transparent_local(int fd, struct endpoint *ret_local);
/* 127.0.0.1 or ::1, and no port. */
struct endpoint transparent_lo(bool is_ipv4);
/* What a sockaddr_in or sockaddr_in6 says. */
struct endpoint transparent_endpoint(const struct sockaddr *address);
