/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Addresses and networks of both families as one: IPv4 is mapped into IPv6, as the
 * platform compares them too.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE (INET6_ADDRSTRLEN + sizeof("[]:65535"))

struct address {
        struct in6_addr host;
        uint16_t port;
};

struct network {
        struct in6_addr host;
        uint8_t prefix; /* 0: every address */
};

/* Numeric text only. False if it is none. */
bool address_parse(struct address *ret, const char *text, uint16_t port);
bool address_is_ipv4(const struct address *address);
/* The last 4 of its bytes are those of IPv4. */
const uint8_t *address_ipv4(const struct address *address);
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *ret);
/* "198.18.0.2:80" or "[fd00::2]:80". Returns buffer. */
const char *address_write(const struct address *address, char buffer[ADDRESS_TEXT_SIZE]);

/* text: NULL for every address, or as a value_destination() left it. */
void network_parse(struct network *ret, const char *text);
bool network_contains(const struct network *network, const struct in6_addr *host);
bool network_overlaps(const struct network *a, const struct network *b);
