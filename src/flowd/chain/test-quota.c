/* SPDX-License-Identifier: Apache-2.0 */

/* Who counts together, and that what was taken is given back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chain/quota.h"
#include "flow/flow.h"
#include "owner/owner.h"

#define PART 2

static const struct steer_file curl = { .inode = 7, .device = 8, .generation = 9 };
static const struct steer_file wget = { .inode = 17, .device = 8, .generation = 9 };

static int set_up(void **state)
{
        struct quota *quota = malloc(sizeof(*quota));

        assert_non_null(quota);
        assert_int_equal(quota_init(quota), 0);
        quota->n_waiting_max = PART;
        quota->n_delivered_max = PART;
        *state = quota;
        return 0;
}

/* Whatever a test took it has given back. */
static int tear_down(void **state)
{
        struct quota *quota = *state;

        assert_true(list_is_empty(&quota->all));
        assert_int_equal(quota->shares.n_items, 0);
        quota_deinit(quota);
        free(quota);
        return 0;
}

static struct process process_of(const struct steer_file *file, uint32_t pid)
{
        return (struct process){ .file = *file, .key = { .tgid = pid } };
}

static struct flow flow_of(struct process *process)
{
        return (struct flow){ .process = process, .owner = WIRE_OWNER_PROGRAM, .n_held = 1 };
}

static void leave(struct quota *quota, struct flow *flow)
{
        quota_release(flow);
        flow->n_held = 0;
        quota_leave(quota, flow);
        assert_null(flow->share);
}

static void fill(struct quota *quota, struct process *process, struct flow flows[static PART])
{
        for (int i = 0; i < PART; i++) {
                flows[i] = flow_of(process);
                assert_true(quota_wait(quota, &flows[i]));
        }
}

static void leave_all(struct quota *quota, struct flow flows[static PART])
{
        for (int i = 0; i < PART; i++)
                leave(quota, &flows[i]);
}

static void test_processes_of_a_program_share_its_part(void **state)
{
        struct process parent = process_of(&curl, 1), child = process_of(&curl, 2);
        struct flow flows[PART], one_more = flow_of(&child);
        struct quota *quota = *state;

        child.file.changed_ns = 5; /* somebody touched it in between */
        fill(quota, &parent, flows);
        assert_false(quota_wait(quota, &one_more));
        leave(quota, &flows[0]);
        assert_true(quota_wait(quota, &one_more));
        assert_true(quota_wait(quota, &one_more)); /* it is counted once */
        leave(quota, &one_more);
        leave_all(quota, flows);
}

static void test_others_have_their_own(void **state)
{
        struct process program = process_of(&curl, 1), other = process_of(&wget, 2);
        struct flow flows[PART], others = flow_of(&other), users = flow_of(&program);
        struct flow nobodys = { .owner = WIRE_OWNER_UNATTRIBUTED, .n_held = 1 };
        struct quota *quota = *state;

        users.uid = 1000;
        fill(quota, &program, flows);
        assert_true(quota_wait(quota, &others));
        assert_true(quota_wait(quota, &users));
        assert_true(quota_wait(quota, &nobodys));
        leave_all(quota, flows);
        leave(quota, &others);
        leave(quota, &users);
        leave(quota, &nobodys);
}

static void test_what_carries_a_flow_on_counts_for_its_origin(void **state)
{
        struct process program = process_of(&curl, 1), proxy = process_of(&wget, 2);
        struct flow flows[PART], carrier = flow_of(&proxy);
        struct quota *quota = *state;

        carrier.origin_flow = 1;
        carrier.origin = &program;
        fill(quota, &program, flows);
        assert_false(quota_wait(quota, &carrier));
        leave_all(quota, flows);
}

static void test_packets_count_as_flows_do(void **state)
{
        struct process program = process_of(&curl, 1);
        struct flow flow = flow_of(&program), other = flow_of(&program);
        struct quota *quota = *state;

        assert_true(quota_hold(quota, &flow)); /* it does not wait for a provider */
        assert_true(quota_wait(quota, &flow));
        assert_true(quota_hold(quota, &flow));
        flow.n_held++;
        assert_false(quota_hold(quota, &flow));
        assert_false(quota_wait(quota, &other));
        quota_release(&flow); /* it waits on without them */
        flow.n_held = 0;
        assert_true(quota_wait(quota, &other));
        leave(quota, &flow);
        leave(quota, &other);
}

static void test_delivered_flows_count_apart(void **state)
{
        struct process program = process_of(&curl, 1);
        struct flow flow = flow_of(&program);
        struct quota *quota = *state;
        struct share *first, *second;

        assert_true(quota_may_deliver(quota, &flow));
        first = quota_deliver(quota, &flow);
        second = quota_deliver(quota, &flow);
        assert_false(quota_may_deliver(quota, &flow));
        assert_true(quota_wait(quota, &flow));
        assert_null(quota_undeliver(quota, first));
        assert_true(quota_may_deliver(quota, &flow));
        leave(quota, &flow);
        assert_null(quota_undeliver(quota, second));
        assert_null(quota_undeliver(quota, NULL));
}

#define quota_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        static const struct CMUnitTest tests[] = {
                quota_test(test_processes_of_a_program_share_its_part),
                quota_test(test_others_have_their_own),
                quota_test(test_what_carries_a_flow_on_counts_for_its_origin),
                quota_test(test_packets_count_as_flows_do),
                quota_test(test_delivered_flows_count_apart),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
