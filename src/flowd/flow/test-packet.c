/* SPDX-License-Identifier: Apache-2.0 */

/* Packet headers: what is read, and each way in which one can be cut off or lie. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow/packet.h"

/* 198.18.0.1:40000 to 198.18.0.2:443, TCP SYN, sequence number 1 */
static const uint8_t ipv4_syn[] = {
        0x45, 0,    0,    40,   0, 0, 0x40, 0, 64, 6, 0, 0, 198,  18, 0,    1,    198, 18, 0, 2,
        0x9c, 0x40, 0x01, 0xbb, 0, 0, 0,    1, 0,  0, 0, 0, 0x50, 2,  0xff, 0xff, 0,   0,  0, 0,
};

/* [fd00::1]:40000 to [fd00::2]:53, a hop-by-hop header, UDP with "hi" */
static const uint8_t ipv6_udp[] = {
        0x60, 0, 0, 0, 0,    18, 0, 64, 0xfd, 0,    0, 0,  0, 0,  0, 0, 0,   0,   0, 0,
        0,    0, 0, 1, 0xfd, 0,  0, 0,  0,    0,    0, 0,  0, 0,  0, 0, 0,   0,   0, 2,
        17,   0, 1, 4, 0,    0,  0, 0,  0x9c, 0x40, 0, 53, 0, 10, 0, 0, 'h', 'i',
};

static void an_ipv4_segment_gives_its_endpoints(void **state)
{
        char text[ENDPOINT_TEXT_MAX];
        struct packet packet;

        assert_int_equal(packet_parse(ipv4_syn, sizeof(ipv4_syn), &packet), 0);
        assert_int_equal(packet.protocol, IPPROTO_TCP);
        assert_string_equal(endpoint_to_string(&packet.source, text), "198.18.0.1:40000");
        assert_string_equal(endpoint_to_string(&packet.destination, text), "198.18.0.2:443");
        assert_int_equal(packet.sequence, 1);
}

static void ipv6_extension_headers_are_skipped(void **state)
{
        char text[ENDPOINT_TEXT_MAX];
        struct packet packet;

        assert_int_equal(packet_parse(ipv6_udp, sizeof(ipv6_udp), &packet), 0);
        assert_int_equal(packet.protocol, IPPROTO_UDP);
        assert_string_equal(endpoint_to_string(&packet.destination, text), "[fd00::2]:53");
        assert_int_equal(packet.payload_size, 2);
        assert_memory_equal(packet.payload, "hi", 2);
}

static void refuse_with(const uint8_t *model, size_t size, size_t at, uint8_t value)
{
        struct packet packet;
        uint8_t bytes[64];

        memcpy(bytes, model, size);
        bytes[at] = value;
        assert_int_equal(packet_parse(bytes, size, &packet), -EBADMSG);
}

/* What comes in over IPv6 meets us before the kernel has put it together. */
static void the_first_fragment_gives_its_endpoints(void **state)
{
        char text[ENDPOINT_TEXT_MAX];
        uint8_t bytes[sizeof(ipv6_udp)];
        struct packet packet;

        memcpy(bytes, ipv6_udp, sizeof(bytes));
        bytes[6] = IPPROTO_FRAGMENT;
        bytes[41] = 0xff; /* reserved */
        bytes[42] = 0;
        bytes[43] = 1; /* more of them */
        assert_int_equal(packet_parse(bytes, sizeof(bytes), &packet), 0);
        assert_string_equal(endpoint_to_string(&packet.destination, text), "[fd00::2]:53");
        assert_true(packet.is_fragment);
        bytes[43] = 0;
        assert_int_equal(packet_parse(bytes, sizeof(bytes), &packet), 0);
        assert_false(packet.is_fragment);
        refuse_with(bytes, sizeof(bytes), 43, 8);
}

static void what_is_cut_off_is_refused(void **state)
{
        struct packet packet;

        for (size_t size = 0; size < 28; size++)
                assert_int_equal(packet_parse(ipv4_syn, size, &packet), -EBADMSG);
        for (size_t size = 0; size < 56; size++)
                assert_int_equal(packet_parse(ipv6_udp, size, &packet), -EBADMSG);
}

static void headers_that_lie_are_refused(void **state)
{
        refuse_with(ipv4_syn, sizeof(ipv4_syn), 0, 0x44);  /* a header shorter than itself */
        refuse_with(ipv4_syn, sizeof(ipv4_syn), 0, 0x4f);  /* longer than the packet */
        refuse_with(ipv4_syn, sizeof(ipv4_syn), 0, 0x75);  /* no such version */
        refuse_with(ipv4_syn, sizeof(ipv4_syn), 7, 1);     /* not the first fragment */
        refuse_with(ipv4_syn, sizeof(ipv4_syn), 9, 1);     /* ICMP */
        refuse_with(ipv6_udp, sizeof(ipv6_udp), 41, 0xff); /* an extension beyond the end */
        refuse_with(ipv6_udp, sizeof(ipv6_udp), 40, 0);    /* extensions without end */
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_ipv4_segment_gives_its_endpoints),
                cmocka_unit_test(ipv6_extension_headers_are_skipped),
                cmocka_unit_test(the_first_fragment_gives_its_endpoints),
                cmocka_unit_test(what_is_cut_off_is_refused),
                cmocka_unit_test(headers_that_lie_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
