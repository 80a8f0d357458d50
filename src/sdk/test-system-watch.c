/* SPDX-License-Identifier: Apache-2.0 */

/* A machine's settings, in a folder of the test's own, as they are and as they change. */

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sdk/system-watch.h"

#define NS_PER_S 1000000000ULL

static char root[64];

static const char *path_of(const char *name)
{
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", root, name);
        return path;
}

static void put(const char *name, const char *text)
{
        FILE *file = fopen(path_of(name), "we");

        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static void replace(const char *name, const char *by)
{
        _cleanup_free_ char *path = strdup(path_of(name));

        assert_return_code(rename(path_of(by), path), 0);
}

static void make_folder(const char *name)
{
        assert_return_code(mkdir(path_of(name), 0755), 0);
}

static void make_link(const char *name, const char *target)
{
        (void)unlink(path_of(name));
        assert_return_code(symlink(target, path_of(name)), 0);
}

static int make_root(void **state)
{
        strcpy(root, "/tmp/netext-system-XXXXXX");
        if (!mkdtemp(root))
                return -1;
        make_folder("etc");
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static int remove_root(void **state)
{
        return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- as they are ------------------------------------------------------------------------ */

static void test_a_machine_without_settings(void **state)
{
        _cleanup_(system_deinit) struct nx_system system = {};
        uint32_t changed;

        assert_int_equal(system_read(&system, root, &changed), 0);
        assert_int_equal(changed, 1U << NX_SYSTEM_HOSTNAME);
        assert_string_equal(nx_system_get_locale(&system), "C");
        assert_string_equal(nx_system_get_time_zone(&system), "UTC");
        assert_null(nx_system_get_dns_servers(&system));
        assert_null(nx_system_get_proxy(&system, "http_proxy"));
        assert_null(nx_system_get_proxy(&system, "LANG"));
}

static void test_settings_are_read_as_they_are_written(void **state)
{
        static const struct {
                const char *text, *locale;
        } cases[] = {
                { "LANG=de_DE.UTF-8\n", "de_DE.UTF-8" },
                { "# LANG=x\nLANGUAGE=y\nLANG=\"fr_FR\"  # why\n", "fr_FR" },
                { "LANG=a\n export  LANG='b'", "b" },
                { "LANG=\n", "en_GB" }, /* /etc/default/locale */
        };

        make_folder("etc/default");
        put("etc/default/locale", "LANG=en_GB\n");
        put("etc/timezone", "Europe/Paris\n");
        put("etc/resolv.conf",
            "search a\nnameserver 198.18.0.53\n#nameserver x\n nameserver\tfd00::53\n");
        put("etc/environment", "http_proxy=http://a:1\nHTTPS_PROXY=\"http://b:2\"\n");
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(system_deinit) struct nx_system system = {};
                uint32_t changed;

                put("etc/locale.conf", cases[i].text);
                assert_int_equal(system_read(&system, root, &changed), 0);
                assert_int_equal(changed, SYSTEM_ALL_SETTINGS);
                assert_string_equal(nx_system_get_locale(&system), cases[i].locale);
                assert_string_equal(nx_system_get_time_zone(&system), "Europe/Paris");
                assert_string_equal(nx_system_get_dns_servers(&system), "198.18.0.53\nfd00::53");
                assert_string_equal(nx_system_get_proxy(&system, "http_proxy"), "http://a:1");
                assert_string_equal(nx_system_get_proxy(&system, "https_proxy"), "http://b:2");
                assert_null(nx_system_get_proxy(&system, "no_proxy"));
        }
}

static void test_of_resolved_the_servers_that_it_asks(void **state)
{
        _cleanup_(system_deinit) struct nx_system system = {};
        uint32_t changed;

        make_folder("run");
        put("run/stub-resolv.conf", "nameserver 127.0.0.53\n");
        put("run/resolv.conf", "nameserver 198.18.0.53\n");
        make_link("etc/resolv.conf", "../run/stub-resolv.conf");
        assert_int_equal(system_read(&system, root, &changed), 0);
        assert_string_equal(nx_system_get_dns_servers(&system), "198.18.0.53");
}

/* --- as they change --------------------------------------------------------------------- */

struct watched {
        struct loop loop;
        struct system_watch watch;
        const struct nx_system *system;
        uint32_t changed; /* 0: nothing was told since it was looked at */
};

static void on_change(const struct nx_system *system, uint32_t changed, void *userdata)
{
        struct watched *watched = userdata;

        watched->system = system;
        watched->changed |= changed;
}

static void watched_start(struct watched *watched)
{
        assert_int_equal(loop_init(&watched->loop), 0);
        system_watch_start(&watched->watch, &watched->loop, root, on_change, watched);
}

static void watched_stop(struct watched *watched)
{
        system_watch_stop(&watched->watch);
        loop_deinit(&watched->loop);
}

static uint32_t told_within(struct watched *watched, uint64_t ns)
{
        uint64_t deadline_ns = now_ns() + ns;
        uint32_t changed;

        while (!watched->changed && now_ns() < deadline_ns)
                assert_int_equal(loop_dispatch(&watched->loop, 10), 0);
        changed = watched->changed;
        watched->changed = 0;
        return changed;
}

static uint32_t told(struct watched *watched)
{
        return told_within(watched, 10 * NS_PER_S);
}

/* Nothing is told in twice the time that a change takes, and nothing looks again by itself: a look
 * that this process was too late for is taken first. */
static bool is_quiet(struct watched *watched)
{
        uint64_t deadline_ns = now_ns() + 10 * NS_PER_S;

        if (told_within(watched, NS_PER_S / 5) != 0)
                return false;
        while (!list_is_empty(&watched->loop.timers) && now_ns() < deadline_ns)
                if (told_within(watched, NS_PER_S / 100) != 0)
                        return false;
        return list_is_empty(&watched->loop.timers);
}

static void test_changes_are_told_and_nothing_else(void **state)
{
        _cleanup_(watched_stop) struct watched watched = {};

        watched_start(&watched);
        assert_int_equal(told(&watched), SYSTEM_ALL_SETTINGS);

        put("etc/locale.conf.new", "LANG=de_DE.UTF-8\n");
        replace("etc/locale.conf", "etc/locale.conf.new");
        make_link("etc/localtime", "/usr/share/zoneinfo/Europe/Berlin");
        assert_int_equal(told(&watched), 1U << NX_SYSTEM_LOCALE | 1U << NX_SYSTEM_TIME_ZONE);
        assert_string_equal(nx_system_get_locale(watched.system), "de_DE.UTF-8");
        assert_string_equal(nx_system_get_time_zone(watched.system), "Europe/Berlin");

        put("etc/hosts", "198.18.0.1 here\n");
        assert_true(is_quiet(&watched));

        assert_return_code(unlink(path_of("etc/locale.conf")), 0);
        assert_int_equal(told(&watched), 1U << NX_SYSTEM_LOCALE);
        assert_string_equal(nx_system_get_locale(watched.system), "C");
}

static void test_a_way_that_is_not_there_yet(void **state)
{
        _cleanup_(watched_stop) struct watched watched = {};

        make_link("etc/resolv.conf", "../run/network/resolv.conf");
        watched_start(&watched);
        assert_int_equal(told(&watched), SYSTEM_ALL_SETTINGS);
        make_folder("run");
        make_folder("run/network");
        assert_true(is_quiet(&watched));
        put("run/network/resolv.conf", "nameserver 198.18.0.53\n");
        assert_int_equal(told(&watched), 1U << NX_SYSTEM_DNS);
        assert_string_equal(nx_system_get_dns_servers(watched.system), "198.18.0.53");
        make_folder("etc/default");
        assert_true(is_quiet(&watched));
        put("etc/default/locale", "LANG=en_GB\n");
        assert_int_equal(told(&watched), 1U << NX_SYSTEM_LOCALE);
}

static void test_without_descriptors_it_is_known_later(void **state)
{
        _cleanup_(watched_stop) struct watched watched = {};
        struct rlimit limit, none;

        put("etc/locale.conf", "LANG=de_DE.UTF-8\n");
        watched_start(&watched);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        assert_int_equal(told(&watched), SYSTEM_ALL_SETTINGS);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_string_equal(nx_system_get_locale(watched.system), "C");
        assert_int_equal(told(&watched), 1U << NX_SYSTEM_LOCALE);
        assert_string_equal(nx_system_get_locale(watched.system), "de_DE.UTF-8");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_root, remove_root)
                TEST(test_a_machine_without_settings),
                TEST(test_settings_are_read_as_they_are_written),
                TEST(test_of_resolved_the_servers_that_it_asks),
                TEST(test_changes_are_told_and_nothing_else),
                TEST(test_a_way_that_is_not_there_yet),
                TEST(test_without_descriptors_it_is_known_later),
#undef TEST
        };

        return cmocka_run_group_tests_name("system-watch", tests, NULL, NULL);
}
