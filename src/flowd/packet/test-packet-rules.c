/* SPDX-License-Identifier: Apache-2.0 */

/* Which packets are a rule's: a table of packets, told by their bytes, and rules. */

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "packet/rules.h"

static const uint8_t ipv4[20] = { 0x45, [9] = IPPROTO_UDP, [12] = 198, 18, 0, 1, 198, 19, 0, 2 };
/* fd00::1 to fd00::2, hop-by-hop options and a fragment's header before UDP */
static const uint8_t ipv6[40 + 8 + 8] = {
        0x60,     [6] = IPPROTO_HOPOPTS,   [8] = 0xfd,         [23] = 1, [24] = 0xfd,
        [39] = 2, [40] = IPPROTO_FRAGMENT, [48] = IPPROTO_UDP,
};

static struct packet_facts facts_of(const uint8_t *bytes, size_t size, enum nx_direction direction)
{
        struct packet_facts facts = { .direction = direction, .interface = "eth0" };

        assert_int_equal(packet_facts_read(&facts, bytes, size), 0);
        return facts;
}

static void test_what_rules_are_about(void **state)
{
        static const struct {
                struct packet_rule rule;
                const char *network;
                bool matches[3]; /* IPv4 out, IPv4 in, IPv6 out */
        } cases[] = {
                { {}, NULL, { true, true, true } },
                { { .direction = NX_DIRECTION_INBOUND }, NULL, { false, true, false } },
                { { .interface = "eth0" }, NULL, { true, true, true } },
                { { .interface = "eth" }, NULL, {} },
                { { .protocol = IPPROTO_UDP }, NULL, { true, true, true } },
                { { .protocol = IPPROTO_FRAGMENT }, NULL, {} },
                { { .prefix = 96 + 16 }, "::ffff:198.19.0.0", { true, false, false } },
                { { .prefix = 96 + 15 }, "::ffff:198.18.0.0", { true, true, false } },
                { { .prefix = 128 }, "fd00::2", { false, false, true } },
                { { .prefix = 127 }, "fd00::", {} },
                { { .prefix = 0 }, "::", { true, true, true } },
        };
        const struct packet_facts facts[] = {
                facts_of(ipv4, sizeof(ipv4), NX_DIRECTION_OUTBOUND),
                facts_of(ipv4, sizeof(ipv4), NX_DIRECTION_INBOUND),
                facts_of(ipv6, sizeof(ipv6), NX_DIRECTION_OUTBOUND),
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct packet_rules rules = { .n = 1, .rules = { cases[i].rule } };

                rules.rules[0].has_network = cases[i].network;
                if (cases[i].network)
                        assert_int_equal(
                                inet_pton(AF_INET6, cases[i].network, &rules.rules[0].network), 1);
                for (size_t j = 0; j < ARRAY_SIZE(facts); j++)
                        if (packet_rules_match(&rules, &facts[j]) != cases[i].matches[j])
                                fail_msg("case %zu, packet %zu", i, j);
        }
}

static void test_loopback_has_to_be_asked_for(void **state)
{
        struct packet_facts facts = facts_of(ipv4, sizeof(ipv4), NX_DIRECTION_OUTBOUND);
        struct packet_rules rules = { .n = 1 };

        strcpy(facts.interface, "lo");
        assert_false(packet_rules_match(&rules, &facts));
        rules.loopback = true;
        assert_true(packet_rules_match(&rules, &facts));
}

static void test_what_is_cut_off_is_no_packet(void **state)
{
        struct packet_facts facts = { .direction = NX_DIRECTION_OUTBOUND };

        for (size_t size = 0; size < sizeof(ipv4); size++)
                assert_int_equal(packet_facts_read(&facts, ipv4, size), -EBADMSG);
        for (size_t size = 0; size < sizeof(ipv6); size++)
                assert_int_equal(packet_facts_read(&facts, ipv6, size), -EBADMSG);
        assert_int_equal(packet_facts_read(&facts, (const uint8_t[64]){ 0x70 }, 64), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_rules_are_about),
                cmocka_unit_test(test_loopback_has_to_be_asked_for),
                cmocka_unit_test(test_what_is_cut_off_is_no_packet),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
