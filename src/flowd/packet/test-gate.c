/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A gate between packets of the test's own, whose verdicts are counted where a queue would have
 * them, and the other end of its channel, where the test is the provider's thread.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "packet/gate.h"
#include "packet/lane.h"

#define TIMEOUT_NS  (50 * 1000000ULL)
#define MEMORY_SIZE ((size_t)WIRE_PACKET_SLOTS * WIRE_PACKET_SLOT_SIZE)

struct scene {
        struct lane lane;
        struct gate first, second;
        struct packet_rules rules;
        struct channel provider; /* of the first */
        uint8_t *memory;
        size_t n_asked;
        uint64_t asked[WIRE_PACKET_SLOTS * 20];
        char texts[WIRE_PACKET_SLOTS * 20][8];
};

static int note_question(const struct wire_message *message, int *fd, void *userdata)
{
        struct scene *scene = userdata;
        uint64_t id = wire_get(message, WIRE_ATTR_PACKET);

        if (message->type == NX_MSG_PROVIDER_PACKET_MEMORY) {
                scene->memory = mmap(NULL, MEMORY_SIZE, PROT_READ, MAP_SHARED, *fd, 0);
                assert_ptr_not_equal(scene->memory, MAP_FAILED);
                assert_ptr_equal(
                        mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0),
                        MAP_FAILED);
                return 0;
        }
        assert_int_equal(message->type, NX_MSG_PROVIDER_PACKET);
        assert_true(scene->n_asked < ARRAY_SIZE(scene->asked));
        snprintf(scene->texts[scene->n_asked], sizeof(scene->texts[0]), "%.*s",
                 (int)wire_get(message, WIRE_ATTR_COUNT) - 1,
                 scene->memory + id % WIRE_PACKET_SLOTS * WIRE_PACKET_SLOT_SIZE + 1);
        scene->asked[scene->n_asked++] = id;
        return 0;
}

static void open_first(struct scene *scene)
{
        int fds[2];

        assert_int_equal(channel_pair(fds), 0);
        assert_int_equal(gate_open(&scene->first, fds[0]), 0);
        assert_int_equal(channel_init(&scene->provider, fds[1]), 0);
        assert_int_equal(channel_receive(&scene->provider, note_question, scene), 0);
}

static int setup(void **state)
{
        struct scene *scene = calloc(1, sizeof(*scene));

        assert_int_equal(loop_init(&scene->lane.loop), 0);
        list_init(&scene->lane.order);
        scene->rules.n = 1;
        gate_init(&scene->first, &scene->lane, 1, WIRE_FAIL_CLOSED, TIMEOUT_NS);
        gate_init(&scene->second, &scene->lane, 2, WIRE_FAIL_OPEN, TIMEOUT_NS);
        scene->first.rules = &scene->rules;
        list_append(&scene->lane.order, &scene->first.in_order);
        list_append(&scene->lane.order, &scene->second.in_order);
        open_first(scene);
        *state = scene;
        return 0;
}

static int teardown(void **state)
{
        struct scene *scene = *state;

        gate_close(&scene->first);
        gate_close(&scene->second);
        channel_deinit(&scene->provider);
        munmap(scene->memory, MEMORY_SIZE);
        loop_deinit(&scene->lane.loop);
        free(scene);
        return 0;
}

/* A packet that says text, behind a byte of its header. */
static void come(struct scene *scene, const char *text, size_t size)
{
        struct held_packet *packet = calloc(1, sizeof(*packet));
        uint8_t *bytes = calloc(1, size + 1);

        list_init(&packet->waiting);
        packet->facts.direction = NX_DIRECTION_OUTBOUND;
        packet->size = size + 1;
        memcpy(bytes + 1, text, strlen(text) < size ? strlen(text) : size);
        lane_advance(&scene->lane, packet, bytes);
        free(bytes);
}

static void come_all(struct scene *scene, size_t n, size_t size)
{
        for (size_t i = 0; i < n; i++)
                come(scene, "x", size);
}

/* The provider's thread reads all that it is asked. */
static void hear(struct scene *scene)
{
        gate_flush(&scene->first);
        while (channel_receive(&scene->provider, note_question, scene) == 0)
                ;
}

static void answer(struct scene *scene, uint64_t id, enum nx_packet_verdict verdict)
{
        struct wire_writer *writer;

        writer = channel_begin(&scene->provider, NX_MSG_ENGINE_PACKET_VERDICT, 0);
        wire_put(writer, WIRE_ATTR_PACKET, id);
        wire_put(writer, WIRE_ATTR_PACKET_VERDICT, (uint64_t)verdict);
        assert_int_equal(channel_end(&scene->provider), 0);
}

static void work(struct scene *scene)
{
        assert_int_equal(channel_flush(&scene->provider), 0);
        assert_int_equal(loop_dispatch(&scene->lane.loop, 0), 0);
}

static void wait_for_timeout(struct scene *scene)
{
        assert_int_equal(loop_dispatch(&scene->lane.loop, 0), 0); /* arms the timer */
        assert_int_equal(loop_dispatch(&scene->lane.loop, 1000), 0);
}

static void expect_counts(const struct gate *gate, uint64_t shown, uint64_t allowed,
                          uint64_t dropped, uint64_t by_fail_policy)
{
        assert_int_equal(gate->counters.shown, shown);
        assert_int_equal(gate->counters.allowed, allowed);
        assert_int_equal(gate->counters.dropped, dropped);
        assert_int_equal(gate->counters.by_fail_policy, by_fail_policy);
}

static void test_each_answer_is_for_its_packet(void **state)
{
        struct scene *scene = *state;

        come(scene, "one", 4);
        come(scene, "two", 4);
        hear(scene);
        assert_int_equal(scene->n_asked, 2);
        assert_string_equal(scene->texts[0], "one");
        assert_string_equal(scene->texts[1], "two");
        answer(scene, scene->asked[1], NX_PACKET_VERDICT_DROP);
        answer(scene, scene->asked[0], NX_PACKET_VERDICT_ALLOW);
        answer(scene, scene->asked[0], NX_PACKET_VERDICT_DROP); /* once more: it has gone */
        work(scene);
        expect_counts(&scene->first, 2, 1, 1, 0);
        assert_true(gate_is_idle(&scene->first));
}

static void test_more_than_there_are_slots_wait_in_order(void **state)
{
        struct scene *scene = *state;
        char text[8];

        for (int i = 0; i < 100; i++) {
                snprintf(text, sizeof(text), "%d", i);
                come(scene, text, 4);
        }
        assert_false(gate_has_room(&scene->first, 1));
        hear(scene);
        assert_int_equal(scene->n_asked, WIRE_PACKET_SLOTS);
        for (size_t i = 0; i < 100; i++) {
                answer(scene, scene->asked[i], NX_PACKET_VERDICT_ALLOW);
                work(scene);
                hear(scene);
        }
        for (int i = 0; i < 100; i++)
                assert_int_equal(atoi(scene->texts[i]), i);
        expect_counts(&scene->first, 100, 100, 0, 0);
}

static void test_a_thread_that_lets_time_pass_is_asked_no_more(void **state)
{
        struct scene *scene = *state;

        come_all(scene, 70, 4);
        hear(scene);
        wait_for_timeout(scene);
        expect_counts(&scene->first, 64, 0, 0, 70);
        assert_true(gate_has_room(&scene->first, 16));
        come(scene, "x", 4);
        expect_counts(&scene->first, 64, 0, 0, 71);
        /* It answers again, about what has gone: from now on it is asked. */
        answer(scene, scene->asked[5], NX_PACKET_VERDICT_ALLOW);
        work(scene);
        come(scene, "back", 5);
        hear(scene);
        assert_string_equal(scene->texts[64], "back");
        /* Its other slots are taken until it has said that it read them. */
        assert_int_equal(scene->asked[64] % WIRE_PACKET_SLOTS, scene->asked[5] % WIRE_PACKET_SLOTS);
        answer(scene, scene->asked[64], NX_PACKET_VERDICT_ALLOW);
        work(scene);
        expect_counts(&scene->first, 65, 1, 0, 71);
}

static void test_one_packets_wait_is_not_every_packets(void **state)
{
        struct scene *scene = *state;

        come(scene, "slow", 5);
        hear(scene);
        wait_for_timeout(scene);
        come_all(scene, 3, 4); /* there is room, but nobody who answers */
        expect_counts(&scene->first, 1, 0, 0, 4);
}

static void test_who_never_answers_for_a_slot_does_not_stop_the_others(void **state)
{
        struct scene *scene = *state;

        come_all(scene, 64, 4);
        hear(scene);
        wait_for_timeout(scene);
        answer(scene, scene->asked[0], NX_PACKET_VERDICT_ALLOW);
        work(scene);
        come_all(scene, 2, 4); /* one is asked about, and one waits behind it */
        assert_false(gate_has_room(&scene->first, 1));
        wait_for_timeout(scene);
        assert_true(gate_has_room(&scene->first, 1));
        expect_counts(&scene->first, 65, 0, 0, 66);
        assert_true(gate_is_idle(&scene->first));
}

static void test_delayed_packets_are_bounded(void **state)
{
        struct scene *scene = *state;
        const size_t size = NX_PACKET_BYTES_DELAYED_MAX / 200;

        for (size_t i = 0; i < 210; i++) {
                come(scene, "x", size - 1);
                hear(scene);
                answer(scene, scene->asked[i], NX_PACKET_VERDICT_DELAY);
                work(scene);
        }
        expect_counts(&scene->first, 210, 0, 0, 10);
        assert_int_equal(scene->first.n_delayed, 200);
        answer(scene, scene->asked[7], NX_PACKET_VERDICT_ALLOW);
        answer(scene, scene->asked[3], NX_PACKET_VERDICT_DROP);
        work(scene);
        expect_counts(&scene->first, 210, 1, 1, 10);
        gate_close(&scene->first);
        expect_counts(&scene->first, 210, 1, 1, 208);
        assert_true(gate_is_idle(&scene->first));
}

static void test_the_next_gate_sees_what_the_first_allowed(void **state)
{
        struct scene *scene = *state;

        scene->second.rules = &scene->rules; /* its provider is gone, and its policy open */
        come(scene, "one", 4);
        come(scene, "two", 4);
        hear(scene);
        answer(scene, scene->asked[0], NX_PACKET_VERDICT_ALLOW);
        answer(scene, scene->asked[1], NX_PACKET_VERDICT_DROP);
        work(scene);
        expect_counts(&scene->first, 2, 1, 1, 0);
        expect_counts(&scene->second, 0, 0, 0, 1);
}

static void test_lies_close_the_channel(void **state)
{
        struct scene *scene = *state;

        come(scene, "one", 4);
        hear(scene);
        answer(scene, scene->asked[0] + WIRE_PACKET_SLOTS, NX_PACKET_VERDICT_ALLOW);
        work(scene);
        assert_int_equal(scene->first.channel.fd, -1);
        expect_counts(&scene->first, 1, 0, 0, 1);
        /* The same with bytes that are no message. */
        channel_deinit(&scene->provider);
        munmap(scene->memory, MEMORY_SIZE);
        open_first(scene);
        assert_int_equal(send(scene->provider.fd, "nonsense", 8, 0), 8);
        work(scene);
        assert_int_equal(scene->first.channel.fd, -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_each_answer_is_for_its_packet, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_more_than_there_are_slots_wait_in_order, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_a_thread_that_lets_time_pass_is_asked_no_more,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_one_packets_wait_is_not_every_packets, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(
                        test_who_never_answers_for_a_slot_does_not_stop_the_others, setup,
                        teardown),
                cmocka_unit_test_setup_teardown(test_delayed_packets_are_bounded, setup, teardown),
                cmocka_unit_test_setup_teardown(test_the_next_gate_sees_what_the_first_allowed,
                                                setup, teardown),
                cmocka_unit_test_setup_teardown(test_lies_close_the_channel, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
