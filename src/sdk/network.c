/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Networks as text. Both families become one: an IPv4 network is the mapped one with a
 * prefix that is 96 longer, so that whoever matches compares 128 bits and no more.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/endpoint.h"
#include "sdk/settings.h"

/* One to three digits and nothing else. */
static int parse_prefix(const char *text, unsigned int max, unsigned int *ret_prefix)
{
        size_t length = strlen(text);
        unsigned int prefix;

        if (length == 0 || length > 3 || strspn(text, "0123456789") != length)
                return -EINVAL;
        prefix = (unsigned int)strtoul(text, NULL, 10);
        if (prefix > max)
                return -EINVAL;
        *ret_prefix = prefix;
        return 0;
}

static void clear_behind(struct in6_addr *address, unsigned int prefix)
{
        for (unsigned int bit = prefix; bit < 128; bit++)
                address->s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
}

int network_parse(const char *text, struct in6_addr *ret_network, uint8_t *ret_prefix)
{
        const char *slash = strchrnul(text, '/');
        char address_text[INET6_ADDRSTRLEN];
        struct in6_addr address;
        unsigned int bits, prefix;
        int r;

        if ((size_t)(slash - text) >= sizeof(address_text))
                return -EINVAL;
        memcpy(address_text, text, (size_t)(slash - text));
        address_text[slash - text] = '\0';
        r = address_from_string(address_text, &address);
        if (r < 0)
                return r;

        bits = strchr(address_text, ':') ? 128 : 32;
        prefix = bits;
        if (*slash) {
                r = parse_prefix(slash + 1, bits, &prefix);
                if (r < 0)
                        return r;
        }
        prefix += 128 - bits;
        clear_behind(&address, prefix);
        *ret_network = address;
        *ret_prefix = (uint8_t)prefix;
        return 0;
}
