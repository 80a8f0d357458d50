/* SPDX-License-Identifier: Apache-2.0 */

/* A package's programs, by a database and files of the test's own. */

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/package.h"

static char folder[64];

static char *path_of(const char *name)
{
        static char path[256];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        return path;
}

static void make_file(const char *name, mode_t mode, const char *text)
{
        FILE *file = fopen(path_of(name), "we");

        assert_non_null(file);
        fputs(text, file);
        fclose(file);
        assert_return_code(chmod(path_of(name), mode), 0);
}

/* Each is a path below the folder. */
static void make_list(const char *name, const char *const *paths)
{
        FILE *file = fopen(path_of(name), "we");

        assert_non_null(file);
        fprintf(file, "/.\n");
        for (; *paths; paths++)
                fprintf(file, "%s/%s\n", folder, *paths);
        fclose(file);
}

static int make_folder(void **state)
{
        strcpy(folder, "/tmp/netext-package-XXXXXX");
        if (!mkdtemp(folder) || mkdir(path_of("dpkg"), 0755) < 0 ||
            mkdir(path_of("dpkg/info"), 0755) < 0 ||
            mkdir(path_of("usr"), 0755) < 0 || symlink("usr", path_of("bin")) < 0)
                return -1;
        make_file("usr/tool", 0755, "\177ELF");
        make_file("usr/setuid", 04711, "\177ELF");
        make_file("usr/tiny", 0755, "");
        make_file("usr/script", 0755, "#!/bin/sh\n");
        make_file("usr/manual", 0644, "\177ELF");
        return symlink("tool", path_of("usr/alias"));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static int remove_folder(void **state)
{
        return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void assert_programs(const char *name, const char *expected)
{
        struct texts programs;
        char found[1024] = "";

        assert_int_equal(package_find(&programs, folder, name), 0);
        for (size_t i = 0; i < programs.n; i++) {
                const char *program = programs.each[i];

                assert_memory_equal(program, folder, strlen(folder));
                snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s ",
                         program + strlen(folder) + 1);
        }
        assert_string_equal(found, expected);
        texts_deinit(&programs);
}

static void programs_are_files_that_are_executed_themselves(void **state)
{
        make_list("dpkg/info/tools.list",
                  (const char *const[]){ "usr", "usr/tool", "usr/script", "usr/manual", "usr/alias",
                                         "usr/gone", "usr/setuid", "usr/tiny", NULL });
        assert_programs("tools", "usr/tool usr/setuid usr/tiny ");
}

static void folders_on_the_way_may_be_links(void **state)
{
        make_list("dpkg/info/tools.list", (const char *const[]){ "bin/tool", NULL });
        assert_programs("tools", "usr/tool ");
}

static void a_package_has_a_list_for_each_architecture(void **state)
{
        make_list("dpkg/info/lib:amd64.list", (const char *const[]){ "usr/tool", NULL });
        make_list("dpkg/info/lib:i386.list", (const char *const[]){ "usr/setuid", NULL });
        make_list("dpkg/info/library.list", (const char *const[]){ "usr/tiny", NULL });
        assert_programs("lib:amd64", "usr/tool ");
        assert_programs("lib", "usr/tool usr/setuid ");
}

static void what_another_package_diverted_is_elsewhere(void **state)
{
        char text[512];

        snprintf(text, sizeof(text),
                 "%s/usr/tool\n%s/usr/setuid\nother\n%s/usr/tiny\n%s/usr/x\n:\n", folder, folder,
                 folder, folder);
        make_file("dpkg/diversions", 0644, text);
        make_list("dpkg/info/tools.list", (const char *const[]){ "usr/tool", "usr/tiny", NULL });
        make_list("dpkg/info/other:amd64.list", (const char *const[]){ "usr/tool", NULL });
        assert_programs("tools", "usr/setuid ");
        assert_programs("other", "usr/tool ");
}

static void what_is_not_there_is_told_apart(void **state)
{
        struct texts programs;

        assert_int_equal(package_find(&programs, folder, "tools"), PACKAGE_E_NOT_INSTALLED);
        assert_int_equal(package_find(&programs, "/nonexistent", "tools"), PACKAGE_E_NO_DATABASE);
        make_list("dpkg/info/tools.list", (const char *const[]){ "usr/manual", NULL });
        assert_programs("tools", "");
}

/* Whether there is an rpm(8) here or not. */
static void a_database_that_cannot_be_read_knows_nothing(void **state)
{
        struct texts programs;

        assert_return_code(mkdir(path_of("rpm"), 0755), 0);
        assert_int_equal(package_find(&programs, folder, "other"), PACKAGE_E_NOT_INSTALLED);
        make_file("rpm/rpmdb.sqlite", 0444, "no database");
        make_list("dpkg/info/tools.list", (const char *const[]){ "usr/tool", NULL });
        assert_programs("tools", "usr/tool ");
        assert_int_equal(package_find(&programs, folder, "other"), PACKAGE_E_UNREADABLE);
        assert_int_equal(programs.n, 0);
}

static void names_are_those_of_packages(void **state)
{
        static const char *const good[] = { "curl",        "libstdc++6", "0ad",
                                            "libc6:amd64", "a-b.c",      "xz:kfreebsd-i386",
                                            "R",           "mod_ssl",    "NetworkManager.x86_64" };
        static const char *const bad[] = { "",     "../x", "a/b",      "a*b",  "curl:",
                                           "-rm",  "a b",  "curl:a:b", "[ab]", ".ab",
                                           "~root", "a;b",  "$HOME",    "a\n",  "curl:A" };

        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                if (!package_is_name(good[i]))
                        fail_msg("%s", good[i]);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (package_is_name(bad[i]))
                        fail_msg("%s", bad[i]);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
                TEST(programs_are_files_that_are_executed_themselves),
                TEST(folders_on_the_way_may_be_links),
                TEST(a_package_has_a_list_for_each_architecture),
                TEST(what_another_package_diverted_is_elsewhere),
                TEST(what_is_not_there_is_told_apart),
                TEST(a_database_that_cannot_be_read_knows_nothing),
                cmocka_unit_test(names_are_those_of_packages),
#undef TEST
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
