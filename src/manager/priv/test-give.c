/* SPDX-License-Identifier: Apache-2.0 */

/* A folder changes its owner, and nothing outside of it does. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manager/priv/give.h"

#define UID 61234
#define GID 61235

static char root[64];

static const char *in_root(const char *name)
{
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", root, name);
        return path;
}

static void make_file(const char *name)
{
        int fd = open(in_root(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        close(fd);
}

static struct stat status_of(const char *name)
{
        struct stat st;

        assert_int_equal(lstat(in_root(name), &st), 0);
        return st;
}

static uid_t owner_of(const char *name)
{
        return status_of(name).st_uid;
}

static int setup(void **state)
{
        char outside[128];

        strcpy(root, "/tmp/netext-test-give-XXXXXX");
        assert_non_null(mkdtemp(root));
        make_file("outside");
        make_file("linked");
        assert_int_equal(mkdir(in_root("own"), 0700), 0);
        assert_int_equal(mkdir(in_root("own/deeper"), 0700), 0);
        make_file("own/file");
        make_file("own/deeper/file");
        snprintf(outside, sizeof(outside), "%s", in_root("outside"));
        assert_int_equal(symlink(outside, in_root("own/symbolic")), 0);
        snprintf(outside, sizeof(outside), "%s", in_root("linked"));
        assert_int_equal(link(outside, in_root("own/hard")), 0);
        return 0;
}

static int teardown(void **state)
{
        static const char *const files[] = { "own/hard", "own/symbolic", "own/deeper/file",
                                             "own/file", "outside",      "linked" };

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
                unlink(in_root(files[i]));
        rmdir(in_root("own/deeper"));
        rmdir(in_root("own"));
        return rmdir(root);
}

static void test_all_in_it_and_nothing_else(void **state)
{
        uid_t before = geteuid();

        if (before != 0)
                skip();
        assert_int_equal(give_folder(in_root("own"), UID), 0);
        assert_int_equal(owner_of("own"), UID);
        assert_int_equal(owner_of("own/file"), UID);
        assert_int_equal(owner_of("own/deeper/file"), UID);
        assert_int_equal(owner_of("outside"), before);
        assert_int_equal(owner_of("linked"), before);
        assert_int_equal(owner_of("own/symbolic"), before);
}

static void test_a_group_gets_all_in_it_and_nothing_else(void **state)
{
        static const char *const given[] = { "own", "own/file", "own/deeper", "own/deeper/file" };
        static const char *const others[] = { "outside", "linked", "own/symbolic" };
        uid_t before = geteuid();
        int fd;

        if (before != 0)
                skip();
        fd = open(in_root("own"), O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(chown(in_root("own/file"), UID, UID), 0);
        assert_int_equal(fchmod(fd, S_ISGID | 0770), 0);
        assert_int_equal(give_folder_to_group(fd, GID), 0);
        for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
                assert_int_equal(status_of(given[i]).st_gid, GID);
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                assert_int_equal(status_of(others[i]).st_gid, before);
        assert_int_equal(owner_of("own/file"), UID);
        assert_int_equal(owner_of("own"), before);
        assert_int_equal(give_folder_back(fd), 0);
        close(fd);
        assert_int_equal(status_of("own").st_gid, before);
        assert_int_equal(status_of("own/file").st_gid, GID);
        assert_int_equal(status_of("own").st_mode, S_IFDIR | S_ISGID | 0770);
}

static void test_no_link_is_a_folder(void **state)
{
        assert_int_equal(give_folder(in_root("own/symbolic"), UID) < 0, 1);
        assert_int_equal(give_folder(in_root("nothing"), UID) < 0, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_all_in_it_and_nothing_else, setup, teardown),
                cmocka_unit_test_setup_teardown(test_a_group_gets_all_in_it_and_nothing_else, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(test_no_link_is_a_folder, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
