/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An address and a port. IPv4 addresses are kept IPv4-mapped (::ffff:a.b.c.d, RFC 4291
 * section 2.5.5.2), so that one form serves both families and a mapped socket's peer
 * equals the same peer of an AF_INET socket.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct endpoint {
        struct in6_addr address;
        uint16_t port; /* host byte order */
};

/* "[fd00::1]:443" and its NUL */
#define ENDPOINT_TEXT_MAX (INET6_ADDRSTRLEN + 9)

struct in6_addr address_from_ipv4(struct in_addr ipv4);
bool address_is_ipv4(const struct in6_addr *address);

/* Parses "198.18.0.1" or "fd00::1". 0, or -EINVAL. */
int address_from_string(const char *text, struct in6_addr *ret);
/* buffer: INET6_ADDRSTRLEN bytes; mapped addresses print as IPv4. Returns buffer. */
const char *address_to_string(const struct in6_addr *address, char *buffer);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
/* buffer: ENDPOINT_TEXT_MAX bytes. Returns buffer. */
const char *endpoint_to_string(const struct endpoint *endpoint, char *buffer);
