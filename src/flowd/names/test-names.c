/* SPDX-License-Identifier: Apache-2.0 */

/* Names and domains, with a list in place of the kernel's map. */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "names/names.h"
#include "steer/hooks.h"

static struct {
        struct steer_address address;
        uint32_t domain;
} told[64];
static size_t n_told;

int hooks_set_name(struct hooks *hooks, const struct steer_address *address, uint32_t domain,
                   uint64_t expiry_ns)
{
        assert_true(n_told < ARRAY_SIZE(told));
        told[n_told].address = *address;
        told[n_told++].domain = domain;
        return 0;
}

static struct in6_addr address(const char *text)
{
        struct in6_addr parsed;

        assert_int_equal(address_from_string(text, &parsed), 0);
        return parsed;
}

static bool was_told(const char *text, uint32_t domain)
{
        struct in6_addr wanted = address(text);

        for (size_t i = 0; i < n_told; i++)
                if (told[i].domain == domain && memcmp(&told[i].address, &wanted, 16) == 0)
                        return true;
        return false;
}

static void learn(struct names *names, const char *name, const char *text)
{
        struct in6_addr learnt = address(text);

        names_learn(names, name, &learnt, 60);
}

static int make_names(void **state)
{
        static struct names names;

        n_told = 0;
        *state = &names;
        return names_init(&names, NULL);
}

static int free_names(void **state)
{
        names_deinit(*state);
        return 0;
}

static void a_name_is_below_any_of_its_domains(void **state)
{
        const char *const domains[] = { "example.org", "Example.NET", "b.example.com" };
        struct names *names = *state;
        uint32_t number = names_use_domains(names, domains, ARRAY_SIZE(domains));

        learn(names, "example.org", "198.18.0.1");
        learn(names, "www.example.net", "198.18.0.2");
        learn(names, "a.b.example.com", "fd00::3");
        assert_true(was_told("198.18.0.1", number));
        assert_true(was_told("198.18.0.2", number));
        assert_true(was_told("fd00::3", number));
        learn(names, "badexample.org", "198.18.0.4");
        learn(names, "example.com", "198.18.0.5");
        learn(names, "org", "198.18.0.6");
        assert_int_equal(n_told, 3);
}

static void domains_that_come_into_use_know_what_was_resolved(void **state)
{
        const char *const domains[] = { "example.org" };
        struct names *names = *state;
        uint32_t number;

        learn(names, "www.example.org", "198.18.0.1");
        assert_int_equal(n_told, 0);
        number = names_use_domains(names, domains, 1);
        names_catch_up(names);
        assert_true(was_told("198.18.0.1", number));
        names_catch_up(names);
        assert_int_equal(n_told, 1);
}

/* The kernel's map outlives us: see names.c. */
static void the_same_domains_have_the_same_number(void **state)
{
        const char *const some[] = { "b.test", "a.test", "a.test" }, *const same[] = { "A.test",
                                                                                       "b.test" };
        const char *const other[] = { "a.test", "c.test" }, *const one[] = { "a.test" };
        struct names *names = *state, second;
        uint32_t number = names_use_domains(names, some, ARRAY_SIZE(some));

        assert_int_not_equal(number, 0);
        assert_int_equal(names_use_domains(names, same, ARRAY_SIZE(same)), number);
        assert_int_not_equal(names_use_domains(names, other, ARRAY_SIZE(other)), number);
        assert_int_not_equal(names_use_domains(names, one, 1), number);
        assert_int_equal(names_init(&second, NULL), 0);
        assert_int_equal(names_use_domains(&second, same, ARRAY_SIZE(same)), number);
        names_deinit(&second);
}

static void domains_that_nobody_uses_learn_nothing(void **state)
{
        const char *const domains[] = { "example.org" };
        struct names *names = *state;
        uint32_t number = names_use_domains(names, domains, 1);

        assert_int_equal(names_use_domains(names, domains, 1), number);
        names_drop_domain(names, number);
        learn(names, "example.org", "198.18.0.1");
        assert_int_equal(n_told, 1);
        names_drop_domain(names, number);
        learn(names, "example.org", "198.18.0.2");
        assert_int_equal(n_told, 1);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_name_is_below_any_of_its_domains, make_names,
                                                free_names),
                cmocka_unit_test_setup_teardown(domains_that_come_into_use_know_what_was_resolved,
                                                make_names, free_names),
                cmocka_unit_test_setup_teardown(the_same_domains_have_the_same_number, make_names,
                                                free_names),
                cmocka_unit_test_setup_teardown(domains_that_nobody_uses_learn_nothing, make_names,
                                                free_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
