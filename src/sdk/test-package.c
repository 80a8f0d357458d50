/* SPDX-License-Identifier: Apache-2.0 */

/* Whose a path is, by a database of the test's own. */

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sdk/package.h"

static char folder[64];

static void write_file(const char *name, const char *text)
{
        char path[256];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        file = fopen(path, "we");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static int make_database(void **state)
{
        char path[256];

        strcpy(folder, "/tmp/netext-package-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        snprintf(path, sizeof(path), "%s/dpkg", folder);
        if (mkdir(path, 0755) < 0)
                return -1;
        snprintf(path, sizeof(path), "%s/dpkg/info", folder);
        if (mkdir(path, 0755) < 0)
                return -1;
        write_file("dpkg/info/tools.list", "/.\n/usr\n/usr/bin\n/usr/bin/tool\n/bin/old\n/opt/last");
        write_file("dpkg/info/lib:amd64.list", "/opt/lib/helper\n");
        write_file("dpkg/info/tools.md5sums", "/opt/sums\n");
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static int remove_database(void **state)
{
        return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void assert_package(const char *path, const char *expected)
{
        /* The second time it is known already. */
        for (int i = 0; i < 2; i++) {
                char *package = package_of(folder, path);

                if (!package != !expected || (package && strcmp(package, expected) != 0))
                        fail_msg("%s is of %s", path, package ? package : "none");
                free(package);
        }
}

static void a_path_is_whose_list_has_it(void **state)
{
        assert_package("/usr/bin/tool", "tools");
        assert_package("/opt/last", "tools");
        assert_package("/opt/lib/helper", "lib:amd64");
        assert_package("/usr/bin/too", NULL);
        assert_package("/bin/tool", NULL);
        assert_package("/usr/bin/tools", NULL);
        assert_package("/opt/sums", NULL);
        assert_package("/usr/bin\n/usr/bin/tool", NULL);
}

static void many_paths_are_looked_up_together(void **state)
{
        const char *paths[2001];
        char *packages[2001], names[2000][32], *list = NULL;
        size_t size;
        FILE *file = open_memstream(&list, &size);

        assert_non_null(file);
        for (size_t i = 0; i < 2000; i++) {
                snprintf(names[i], sizeof(names[i]), "/opt/many/%zu", i / 2);
                paths[i] = i % 4 == 3 ? NULL : names[i];
                if (i % 8 == 0)
                        fprintf(file, "%s\n", names[i]);
        }
        paths[2000] = "/opt/lib/helper";
        fclose(file);
        write_file("dpkg/info/many.list", list);
        free(list);
        packages_of(folder, paths, 2001, packages);
        for (size_t i = 0; i < 2000; i++) {
                if (!packages[i] != (i % 8 > 1))
                        fail_msg("%s is of %s", names[i], packages[i] ? packages[i] : "none");
                free(packages[i]);
        }
        assert_string_equal(packages[2000], "lib:amd64");
        free(packages[2000]);
}

static void folders_that_were_merged_have_two_names(void **state)
{
        char target[16] = "";

        if (readlink("/bin", target, sizeof(target) - 1) < 0 || strcmp(target, "usr/bin") != 0)
                skip();
        assert_package("/usr/bin/old", "tools");
        assert_package("/usr/opt/last", NULL);
}

static void what_was_diverted_is_elsewhere(void **state)
{
        write_file("dpkg/info/other:i386.list", "/usr/bin/tool\n");
        write_file("dpkg/diversions", "/usr/bin/tool\n/usr/bin/tool.real\nother\n"
                                 "/opt/last\n/opt/moved\n:\n");
        assert_package("/usr/bin/tool", "other:i386");
        assert_package("/usr/bin/tool.real", "tools");
        assert_package("/opt/last", NULL); /* an administrator's own */
        assert_package("/opt/moved", "tools");
}

static void set_time(const char *name, time_t seconds)
{
        const struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        assert_return_code(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void what_is_installed_later_is_found(void **state)
{
        set_time("dpkg/info", 1);
        assert_package("/opt/later", NULL);
        write_file("dpkg/info/later.list", "/opt/later\n");
        set_time("dpkg/info", 2);
        assert_package("/opt/later", "later");
        write_file("dpkg/diversions", "/opt/later\n/opt/moved\n:\n");
        assert_package("/opt/later", NULL);
}

static void without_a_database_nobody_knows(void **state)
{
        char *package = package_of("/nonexistent", "/usr/bin/tool");

        assert_null(package);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_database, remove_database)
                TEST(a_path_is_whose_list_has_it),
                TEST(many_paths_are_looked_up_together),
                TEST(folders_that_were_merged_have_two_names),
                TEST(what_was_diverted_is_elsewhere),
                TEST(what_is_installed_later_is_found),
                cmocka_unit_test(without_a_database_nobody_knows),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
