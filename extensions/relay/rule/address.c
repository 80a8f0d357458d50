/* SPDX-License-Identifier: Apache-2.0 */

/* The relay's own arithmetic on addresses: 128 bits, whatever family they came from. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/rule/address.h"

#define IPV4_OFFSET 12 /* of the 16 bytes of a mapped address */

bool address_parse(struct address *ret, const char *text, uint16_t port)
{
        struct address address = { .port = port };

        if (inet_pton(AF_INET, text, &address.host.s6_addr[IPV4_OFFSET]) == 1)
                memset(&address.host.s6_addr[IPV4_OFFSET - 2], 0xff, 2);
        else if (inet_pton(AF_INET6, text, &address.host) != 1)
                return false;
        *ret = address;
        return true;
}

bool address_is_ipv4(const struct address *address)
{
        return IN6_IS_ADDR_V4MAPPED(&address->host);
}

const uint8_t *address_ipv4(const struct address *address)
{
        return &address->host.s6_addr[IPV4_OFFSET];
}

socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *ret)
{
        struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(address->port) };
        struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(address->port) };

        *ret = (struct sockaddr_storage){};
        if (address_is_ipv4(address)) {
                memcpy(&ipv4.sin_addr, address_ipv4(address), sizeof(ipv4.sin_addr));
                memcpy(ret, &ipv4, sizeof(ipv4));
                return sizeof(ipv4);
        }
        ipv6.sin6_addr = address->host;
        memcpy(ret, &ipv6, sizeof(ipv6));
        return sizeof(ipv6);
}

const char *address_write(const struct address *address, char buffer[ADDRESS_TEXT_SIZE])
{
        char host[INET6_ADDRSTRLEN] = "";

        if (address_is_ipv4(address)) {
                inet_ntop(AF_INET, address_ipv4(address), host, sizeof(host));
                snprintf(buffer, ADDRESS_TEXT_SIZE, "%s:%u", host, address->port);
        } else {
                inet_ntop(AF_INET6, &address->host, host, sizeof(host));
                snprintf(buffer, ADDRESS_TEXT_SIZE, "[%s]:%u", host, address->port);
        }
        return buffer;
}

void network_parse(struct network *ret, const char *text)
{
        char host[INET6_ADDRSTRLEN] = "";
        struct address address;
        const char *slash;
        unsigned int bits;

        *ret = (struct network){};
        if (!text)
                return;
        slash = strchrnul(text, '/');
        snprintf(host, sizeof(host), "%.*s", (int)(slash - text), text);
        if (!address_parse(&address, host, 0))
                return;
        bits = address_is_ipv4(&address) ? 32 : 128;
        ret->host = address.host;
        ret->prefix = (uint8_t)(128 - bits + (*slash ? (unsigned int)atoi(slash + 1) : bits));
}

static bool same_bits(const struct in6_addr *a, const struct in6_addr *b, unsigned int n)
{
        uint8_t mask = (uint8_t)(0xff00 >> (n % 8));

        if (memcmp(a, b, n / 8) != 0)
                return false;
        return n % 8 == 0 || ((a->s6_addr[n / 8] ^ b->s6_addr[n / 8]) & mask) == 0;
}

bool network_contains(const struct network *network, const struct in6_addr *host)
{
        return same_bits(&network->host, host, network->prefix);
}

/* Networks are nested or apart: the shorter prefix decides. */
bool network_overlaps(const struct network *a, const struct network *b)
{
        return same_bits(&a->host, &b->host, a->prefix < b->prefix ? a->prefix : b->prefix);
}
