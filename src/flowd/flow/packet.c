/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The only place that reads packet headers. The kernel has checked lengths and checksums
 * of what its own stack sends, but raw sockets send what they like: every step checks
 * that the bytes are there. Formats: RFC 791, RFC 8200, RFC 9293, RFC 768.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>

#include "flow/packet.h"

#define EXTENSION_HEADERS_MAX 8

static int parse_transport(const uint8_t *bytes, size_t size, struct packet *packet)
{
        uint16_t ports[2];
        uint32_t sequence;

        if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
                return -EBADMSG;
        if (size < sizeof(struct udphdr))
                return -EBADMSG;
        memcpy(ports, bytes, sizeof(ports));
        packet->source.port = ntohs(ports[0]);
        packet->destination.port = ntohs(ports[1]);
        memcpy(&sequence, bytes + sizeof(ports), sizeof(sequence)); /* where UDP has other things */
        packet->sequence = packet->protocol == IPPROTO_TCP ? ntohl(sequence) : 0;
        packet->payload = bytes + sizeof(struct udphdr);
        packet->payload_size = size - sizeof(struct udphdr);
        return 0;
}

static int parse_ipv4(const uint8_t *bytes, size_t size, struct packet *packet)
{
        struct iphdr header;
        size_t header_size;

        if (size < sizeof(header))
                return -EBADMSG;
        memcpy(&header, bytes, sizeof(header));
        header_size = header.ihl * 4U;
        if (header_size < sizeof(header) || header_size > size)
                return -EBADMSG;
        if (ntohs(header.frag_off) & IP_OFFMASK)
                return -EBADMSG;
        packet->is_fragment = ntohs(header.frag_off) & IP_MF;
        packet->protocol = header.protocol;
        packet->source.address = address_from_ipv4((struct in_addr){ header.saddr });
        packet->destination.address = address_from_ipv4((struct in_addr){ header.daddr });
        return parse_transport(bytes + header_size, size - header_size, packet);
}

static bool is_extension(uint8_t next)
{
        return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
               next == IPPROTO_FRAGMENT;
}

/* How long it says to be; a fragment's header has no field for it. */
static size_t extension_size(const uint8_t *bytes, uint8_t kind)
{
        return kind == IPPROTO_FRAGMENT ? sizeof(struct ip6_frag) : 8 + bytes[1] * 8U;
}

/* False: it is a later one, which does not say whose it is. */
static bool read_fragment(const uint8_t *bytes, struct packet *packet)
{
        struct ip6_frag header;

        memcpy(&header, bytes, sizeof(header));
        packet->is_fragment = header.ip6f_offlg & IP6F_MORE_FRAG;
        return !(header.ip6f_offlg & IP6F_OFF_MASK);
}

static int parse_ipv6(const uint8_t *bytes, size_t size, struct packet *packet)
{
        struct ip6_hdr header;
        size_t at = sizeof(header), extension;
        uint8_t next;

        if (size < sizeof(header))
                return -EBADMSG;
        memcpy(&header, bytes, sizeof(header));
        next = header.ip6_nxt;
        for (int i = 0; is_extension(next); i++) {
                if (i == EXTENSION_HEADERS_MAX || size - at < 8)
                        return -EBADMSG;
                if (next == IPPROTO_FRAGMENT && !read_fragment(bytes + at, packet))
                        return -EBADMSG;
                extension = extension_size(bytes + at, next);
                next = bytes[at];
                at += extension;
                if (at > size)
                        return -EBADMSG;
        }
        packet->protocol = next;
        packet->source.address = header.ip6_src;
        packet->destination.address = header.ip6_dst;
        return parse_transport(bytes + at, size - at, packet);
}

int packet_parse(const uint8_t *bytes, size_t size, struct packet *ret_packet)
{
        struct packet packet = {};
        int r;

        if (size == 0)
                return -EBADMSG;
        if (bytes[0] >> 4 == 4)
                r = parse_ipv4(bytes, size, &packet);
        else if (bytes[0] >> 4 == 6)
                r = parse_ipv6(bytes, size, &packet);
        else
                r = -EBADMSG;
        if (r < 0)
                return r;
        *ret_packet = packet;
        return 0;
}
