/* SPDX-License-Identifier: Apache-2.0 */

/* Endpoints are 16 bytes with IPv4 mapped; the kernel wants each family's own form. */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/interface.h"
#include "deliver/transparent.h"

#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif

union address {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
};

static socklen_t to_address(const struct endpoint *endpoint, union address *ret)
{
        *ret = (union address){};
        if (address_is_ipv4(&endpoint->address)) {
                ret->ipv4.sin_family = AF_INET;
                ret->ipv4.sin_port = htons(endpoint->port);
                memcpy(&ret->ipv4.sin_addr, endpoint->address.s6_addr + 12, 4);
                return sizeof(ret->ipv4);
        }
        ret->ipv6.sin6_family = AF_INET6;
        ret->ipv6.sin6_port = htons(endpoint->port);
        ret->ipv6.sin6_addr = endpoint->address;
        return sizeof(ret->ipv6);
}

static struct endpoint from_address(const union address *address)
{
        struct endpoint endpoint = {};

        if (address->any.sa_family == AF_INET) {
                endpoint.address = address_from_ipv4(address->ipv4.sin_addr);
                endpoint.port = ntohs(address->ipv4.sin_port);
        } else {
                endpoint.address = address->ipv6.sin6_addr;
                endpoint.port = ntohs(address->ipv6.sin6_port);
        }
        return endpoint;
}

struct endpoint transparent_lo(bool is_ipv4)
{
        struct endpoint lo = { .address = IN6ADDR_LOOPBACK_INIT };

        if (is_ipv4)
                lo.address = address_from_ipv4((struct in_addr){ htonl(INADDR_LOOPBACK) });
        return lo;
}

struct endpoint transparent_endpoint(const struct sockaddr *address)
{
        union address copy = {};

        memcpy(&copy, address,
               address->sa_family == AF_INET ? sizeof(copy.ipv4) : sizeof(copy.ipv6));
        return from_address(&copy);
}

static int make_transparent(int fd, sa_family_t family)
{
        int on = 1, r;

        r = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (r >= 0 && family == AF_INET)
                r = setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on));
        if (r >= 0 && family == AF_INET6)
                r = setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, &on, sizeof(on));
        if (r >= 0 && family == AF_INET6)
                r = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        return r < 0 ? -errno : 0;
}

static int open_socket(sa_family_t family, int type)
{
        _cleanup_fd_ int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int r = fd < 0 ? -errno : make_transparent(fd, family);

        return r < 0 ? r : take_fd(&fd);
}

int transparent_socket(int type, const struct endpoint *local)
{
        _cleanup_fd_ int fd = -1;
        union address address;
        socklen_t size;

        size = to_address(local, &address);
        fd = open_socket(address.any.sa_family, type);
        if (fd < 0)
                return fd;
        if (bind(fd, &address.any, size) < 0)
                return -errno;
        return take_fd(&fd);
}

int transparent_datagram(const struct endpoint *remote, const struct endpoint *app, uint32_t mark)
{
        _cleanup_fd_ int fd = transparent_socket(SOCK_DGRAM, remote);
        union address address;
        socklen_t size;

        if (fd < 0)
                return fd;
        if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
                return -errno;
        size = to_address(app, &address);
        if (connect(fd, &address.any, size) < 0)
                return -errno;
        return take_fd(&fd);
}

/* The address that the program chose, where it still is the host's; the port is taken. */
static void bind_to_address(int fd, const struct endpoint *local)
{
        struct endpoint from = { .address = local->address };
        union address address;
        int on = 1;
        socklen_t size = to_address(&from, &address);

        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        (void)bind(fd, &address.any, size);
}

int transparent_connect(int type, const struct endpoint *local, const struct endpoint *remote,
                        uint32_t mark)
{
        _cleanup_fd_ int fd = -1;
        union address address;
        socklen_t size;

        size = to_address(remote, &address);
        fd = socket(address.any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
                return -errno;
        bind_to_address(fd, local);
        if (connect(fd, &address.any, size) < 0 && errno != EINPROGRESS)
                return -errno;
        return take_fd(&fd);
}

/* What others have sent before it was connected. */
static void forget_strangers(int fd)
{
        char byte;

        while (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT | MSG_TRUNC) >= 0)
                ;
}

int transparent_pair(bool is_ipv4, const uint32_t marks[2], int ret_fds[2])
{
        struct endpoint ends[2] = { transparent_lo(is_ipv4) };
        _cleanup_fd_ int first = -1, second = -1;
        union address address;
        socklen_t size;
        int r;

        size = to_address(&ends[0], &address);
        first = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (first < 0 || setsockopt(first, SOL_SOCKET, SO_MARK, &marks[0], sizeof(marks[0])) < 0 ||
            bind(first, &address.any, size) < 0)
                return -errno;
        r = transparent_local(first, &ends[0]);
        if (r < 0)
                return r;
        second = transparent_connect(SOCK_DGRAM, &ends[0], &ends[0], marks[1]);
        if (second < 0)
                return second;
        r = transparent_local(second, &ends[1]);
        if (r < 0)
                return r;
        size = to_address(&ends[1], &address);
        if (connect(first, &address.any, size) < 0)
                return -errno;
        forget_strangers(first);
        forget_strangers(second);
        ret_fds[0] = take_fd(&first);
        ret_fds[1] = take_fd(&second);
        return 0;
}

/* Bound to lo: else its route, and with it the interface it seems to come from, would be that of
 * the server's address. */
int transparent_visit(const struct endpoint *visitor, const struct endpoint *server, uint32_t mark)
{
        _cleanup_fd_ int fd = -1;
        union address address;
        socklen_t size;
        int lo = LOOPBACK_INDEX;

        size = to_address(visitor, &address);
        fd = open_socket(address.any.sa_family, SOCK_STREAM);
        if (fd < 0)
                return fd;
        if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &lo, sizeof(lo)) < 0 ||
            bind(fd, &address.any, size) < 0)
                return -errno;
        size = to_address(server, &address);
        if (connect(fd, &address.any, size) < 0 && errno != EINPROGRESS)
                return -errno;
        return take_fd(&fd);
}

int transparent_accept(int fd, struct endpoint *ret_peer)
{
        union address address = {};
        socklen_t size = sizeof(address);
        int accepted;

        accepted = accept4(fd, &address.any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted < 0)
                return -errno;
        *ret_peer = from_address(&address);
        return accepted;
}

int transparent_local(int fd, struct endpoint *ret_local)
{
        union address address = {};
        socklen_t size = sizeof(address);

        if (getsockname(fd, &address.any, &size) < 0)
                return -errno;
        *ret_local = from_address(&address);
        return 0;
}
