/* SPDX-License-Identifier: Apache-2.0 */

/* The flow table: how long a flow that is over is kept. */

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "flow/table.h"
#include "owner/owner.h"

struct scene {
        struct owners owners;
        struct flow_table table;
        __u64 last_id;
};

static int set_up(void **state)
{
        static struct scene scene;

        memset(&scene, 0, sizeof(scene));
        *state = &scene;
        return owners_init(&scene.owners, NULL, "") < 0 ||
               flow_table_init(&scene.table, &scene.owners, &scene.last_id) < 0;
}

static int tear_down(void **state)
{
        struct scene *scene = *state;

        flow_table_deinit(&scene->table);
        owners_deinit(&scene->owners);
        return 0;
}

static struct flow *add(struct scene *scene)
{
        const struct flow flow = { .protocol = IPPROTO_TCP };
        struct flow *added = flow_table_add(&scene->table, &flow);

        assert_non_null(added);
        return added;
}

static void numbers_go_on_where_those_of_an_earlier_table_ended(void **state)
{
        struct scene *scene = *state;
        uint64_t last = add(scene)->id;

        flow_table_deinit(&scene->table);
        assert_return_code(flow_table_init(&scene->table, &scene->owners, &scene->last_id), 0);
        assert_int_equal(add(scene)->id, last + 1);
}

static void a_flow_that_is_over_is_forgotten_after_many_others(void **state)
{
        struct scene *scene = *state;
        uint64_t first = add(scene)->id;

        flow_table_close(&scene->table, flow_table_find(&scene->table, first), 1);
        for (int i = 1; i < FLOW_CLOSED_MAX; i++)
                flow_table_close(&scene->table, add(scene), 1);
        assert_non_null(flow_table_find(&scene->table, first));
        flow_table_close(&scene->table, add(scene), 1);
        assert_null(flow_table_find(&scene->table, first));
}

static void a_hundred_thousand_open_flows_are_known(void **state)
{
        struct scene *scene = *state;
        uint64_t first = add(scene)->id, last = 0;

        for (int i = 1; i < 100000; i++)
                last = add(scene)->id;
        assert_int_equal(last, first + 99999);
        assert_non_null(flow_table_find(&scene->table, first));
}

/* Its program left while a proxy peeked, the proxy refused, and both are told to the table. */
static void a_flow_that_ends_twice_is_kept_once(void **state)
{
        struct scene *scene = *state;
        struct flow *flow = add(scene);

        flow->closed_ns = 1;
        flow->verdict = NX_VERDICT_REFUSE;
        flow_table_unpin(&scene->table, flow);
        flow_table_close(&scene->table, flow, 2);
        flow_table_close(&scene->table, flow, 3);
        assert_int_equal(scene->table.n_closed, 1);
        for (int i = 0; i <= FLOW_CLOSED_MAX; i++)
                flow_table_close(&scene->table, add(scene), 4);
        assert_int_equal(scene->table.n_flows, FLOW_CLOSED_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(numbers_go_on_where_those_of_an_earlier_table_ended,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_flow_that_is_over_is_forgotten_after_many_others,
                                                set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_hundred_thousand_open_flows_are_known, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(a_flow_that_ends_twice_is_kept_once, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
