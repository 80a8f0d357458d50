/* SPDX-License-Identifier: Apache-2.0 */

/* Addresses in one form for both families, and their text. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/endpoint.h"

struct in6_addr address_from_ipv4(struct in_addr ipv4)
{
        struct in6_addr address = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

        memcpy(&address.s6_addr[12], &ipv4, sizeof(ipv4));
        return address;
}

bool address_is_ipv4(const struct in6_addr *address)
{
        return IN6_IS_ADDR_V4MAPPED(address);
}

int address_from_string(const char *text, struct in6_addr *ret)
{
        struct in_addr ipv4;

        if (inet_pton(AF_INET, text, &ipv4) == 1) {
                *ret = address_from_ipv4(ipv4);
                return 0;
        }
        return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EINVAL;
}

const char *address_to_string(const struct in6_addr *address, char *buffer)
{
        if (address_is_ipv4(address))
                return inet_ntop(AF_INET, &address->s6_addr[12], buffer, INET6_ADDRSTRLEN);
        return inet_ntop(AF_INET6, address, buffer, INET6_ADDRSTRLEN);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
        return a->port == b->port && memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

const char *endpoint_to_string(const struct endpoint *endpoint, char *buffer)
{
        char address[INET6_ADDRSTRLEN];

        address_to_string(&endpoint->address, address);
        snprintf(buffer, ENDPOINT_TEXT_MAX,
                 address_is_ipv4(&endpoint->address) ? "%s:%u" : "[%s]:%u", address,
                 endpoint->port);
        return buffer;
}
