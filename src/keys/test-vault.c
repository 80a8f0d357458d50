/* SPDX-License-Identifier: Apache-2.0 */

/* What lies in the vault, and what does not come out of it. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "keys/vault.h"

#define OWNER "TEAM.com.example.one"

static struct vault_place place;
static char folder[] = "/tmp/netext-vault-XXXXXX";

static int write_text(const char *name, const char *text)
{
        place.name = name;
        return vault_write(&place, text, strlen(text));
}

static void expect(const char *name, const char *text)
{
        _cleanup_locked_ struct locked locked = {};

        place.name = name;
        assert_int_equal(vault_read(&place, &locked), 0);
        assert_int_equal(locked.size, strlen(text));
        assert_memory_equal(locked.bytes, text, locked.size);
}

static int count(const struct vault_place *item, void *userdata)
{
        unsigned int *n = userdata;

        assert_string_equal(item->extension, OWNER);
        (*n)++;
        return 0;
}

static unsigned int count_all(const char *extension, enum vault_kind kind)
{
        unsigned int n = 0;

        assert_int_equal(vault_for_each(place.folder_fd, extension, kind, count, &n), 0);
        return n;
}

static void test_what_was_written_is_read(void **state)
{
        assert_int_equal(write_text("vpn", "first"), 0);
        assert_int_equal(write_text("vpn", "second"), 0);
        expect("vpn", "second");
        place.kind = VAULT_KEY;
        assert_false(vault_has(&place));
        assert_int_equal(write_text("vpn", "a key"), 0);
        expect("vpn", "a key");
        assert_int_equal(count_all(NULL, VAULT_SECRET), 1);
        assert_int_equal(count_all(OWNER, VAULT_KEY), 1);
        assert_int_equal(vault_remove(&place), 0);
        assert_int_equal(vault_remove(&place), -ENOENT);
        assert_int_equal(count_all(OWNER, VAULT_KEY), 0);
}

static void test_it_is_its_users_alone(void **state)
{
        struct stat st;

        assert_int_equal(write_text("vpn", "x"), 0);
        assert_int_equal(fstatat(place.folder_fd, OWNER "/vpn.secret", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_an_extension_that_is_gone_stays_gone(void **state)
{
        place.extension = "TEAM.com.example.gone";
        assert_int_equal(write_text("vpn", "x"), -ENOENT);
        assert_false(vault_has(&place));
}

static void test_no_path_leads_out_of_it(void **state)
{
        _cleanup_locked_ struct locked locked = {};

        assert_int_equal(symlinkat("/etc/passwd", place.folder_fd, OWNER "/link.secret"), 0);
        place.name = "link";
        assert_int_equal(vault_read(&place, &locked), -ELOOP);
        place.extension = "..";
        assert_int_equal(vault_read(&place, &locked), -EXDEV);
}

static void test_there_is_an_end_to_what_one_may_keep(void **state)
{
        char name[16];

        for (int i = 0; i < VAULT_ITEMS_MAX; i++) {
                snprintf(name, sizeof(name), "n%d", i);
                assert_int_equal(write_text(name, "x"), 0);
        }
        assert_int_equal(write_text("more", "x"), -ENOSPC);
        assert_int_equal(write_text("n1", "y"), 0);
        expect("n1", "y");
}

static int set_up(void **state)
{
        int fd;

        strcpy(strrchr(folder, '-'), "-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        place = (struct vault_place){ fd, OWNER, VAULT_SECRET, NULL };
        return mkdirat(fd, OWNER, 0700);
}

static int tear_down(void **state)
{
        _cleanup_free_ char *command = NULL;

        close_fd(place.folder_fd);
        if (asprintf(&command, "rm -r %s", folder) < 0)
                return -1;
        return system(command);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_was_written_is_read, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_it_is_its_users_alone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_an_extension_that_is_gone_stays_gone, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_no_path_leads_out_of_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_there_is_an_end_to_what_one_may_keep, set_up,
                                                tear_down),
        };

        return locked_open_heap() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
