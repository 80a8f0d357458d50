/* SPDX-License-Identifier: Apache-2.0 */

/* What is kept of a provider's rules beside what the kernel gets: for people who look at them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netext/filter.h>

#include "base/cleanup.h"
#include "chain/settings.h"

DEFINE_CLEANUP(struct settings *, settings, settings_free)

static struct wire_message message_from(struct wire_writer *writer)
{
        struct wire_message message;
        const char *problem;
        size_t offset = 0;

        assert_int_equal(wire_end(writer), 0);
        assert_return_code(wire_parse(writer->buffer, writer->size, &offset, &message, &problem),
                           0);
        return message;
}

static void add(struct settings *settings, uint16_t port, uint32_t session)
{
        uint8_t buffer[256];
        struct wire_writer writer;
        struct wire_message message;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_ENGINE_SETTINGS_RULE, 1);
        wire_put(&writer, WIRE_ATTR_ACTION, NX_FILTER_ACTION_DROP);
        wire_put(&writer, WIRE_ATTR_PORT_FIRST, port);
        if (session)
                wire_put(&writer, WIRE_ATTR_SESSION, session);
        message = message_from(&writer);
        assert_return_code(settings_add(settings, &message), 0);
}

/* Rules about ports, up to a 0. */
static struct settings *settings_about(const uint16_t *ports)
{
        uint8_t buffer[64];
        struct settings *settings;
        struct wire_writer writer;
        struct wire_message message;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_ENGINE_SETTINGS_BEGIN, 1);
        wire_put(&writer, WIRE_ATTR_ACTION, NX_FILTER_ACTION_ALLOW);
        wire_put(&writer, WIRE_ATTR_LOOPBACK, false);
        message = message_from(&writer);
        assert_return_code(settings_begin(&settings, &message, NULL, NULL, NULL), 0);
        for (; *ports; ports++)
                add(settings, *ports, 0);
        return settings;
}

#define ABOUT(...) settings_about((const uint16_t[]){ __VA_ARGS__, 0 })

static void count(struct settings *settings, uint32_t rule, unsigned int n)
{
        const struct steer_outcome outcome = { .rule = rule, .generation = settings->generation };

        while (n-- > 0)
                settings_count(settings, &outcome);
}

static void assert_counts(const struct settings *settings, const uint64_t *counts, size_t n)
{
        assert_int_equal(settings->n_rules + 1, n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(settings->counts[i], counts[i]);
}

#define assert_counted(settings, ...)                                                              \
        assert_counts(settings, (const uint64_t[]){ __VA_ARGS__ },                                 \
                      ARRAY_SIZE(((const uint64_t[]){ __VA_ARGS__ })))

static void test_each_rule_counts_its_flows(void **state)
{
        _cleanup_(cleanup_settings) struct settings *settings = ABOUT(80, 81);
        struct steer_outcome earlier = { .rule = 1, .generation = 6 };
        struct steer_outcome unknown = { .rule = 3, .generation = 7 };

        settings->generation = 7;
        count(settings, 0, 3);
        count(settings, 1, 1);
        count(settings, 2, 2);
        settings_count(settings, &earlier);
        settings_count(settings, &unknown);
        assert_counted(settings, 3, 1, 2);
}

static void test_what_did_not_change_counts_on(void **state)
{
        _cleanup_(cleanup_settings) struct settings *before = ABOUT(80, 81, 82);
        _cleanup_(cleanup_settings) struct settings *same = ABOUT(80, 81, 82);
        _cleanup_(cleanup_settings) struct settings *shorter = ABOUT(80, 81);
        _cleanup_(cleanup_settings) struct settings *longer = ABOUT(80, 81, 82, 83);
        _cleanup_(cleanup_settings) struct settings *other = ABOUT(80, 90, 82);

        for (uint32_t rule = 0; rule <= 3; rule++)
                count(before, rule, rule + 1);
        settings_keep_counts(same, before);
        assert_counted(same, 1, 2, 3, 4);
        settings_keep_counts(shorter, before);
        assert_counted(shorter, 0, 2, 3);
        settings_keep_counts(longer, before);
        assert_counted(longer, 0, 2, 3, 4, 0);
        settings_keep_counts(other, before);
        assert_counted(other, 0, 2, 0, 0);
}

/* It would stand in an answer to netextd twice, which ends the link. */
static void test_what_is_no_part_of_a_rule_is_not_kept(void **state)
{
        _cleanup_(cleanup_settings) struct settings *settings = ABOUT(80);
        struct wire_message rule;
        size_t offset = 0;

        add(settings, 81, 5);
        assert_true(settings_next_message(settings, &offset, &rule));
        assert_true(settings_next_message(settings, &offset, &rule));
        assert_int_equal(wire_get(&rule, WIRE_ATTR_PORT_FIRST), 81);
        assert_false(wire_has(&rule, WIRE_ATTR_SESSION));
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_rule_counts_its_flows),
                cmocka_unit_test(test_what_did_not_change_counts_on),
                cmocka_unit_test(test_what_is_no_part_of_a_rule_is_not_kept),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
