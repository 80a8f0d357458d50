/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whatever has become of extensions.json, there is a store: with what can be read of it, and with
 * the file put aside where that is not all.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manager/store/database.h"
#include "manager/store/life.h"
#include "manager/store/recovery.h"

#define FILE_NAME "extensions.json"

struct fixture {
        char path[64];
        int fd;
        struct policy policy;
        struct store store;
        char text[8192];
        size_t size;
};

static int remove_nothing(const char *identifier, void *userdata)
{
        return -ENOENT;
}

static bool uses_nothing(const char *identifier, const char *digest, void *userdata)
{
        return false;
}

static const struct store_runner runner = { .remove = remove_nothing, .uses = uses_nothing };

static void is_changed(void *userdata)
{
}

static const struct store_listener listener = {
        .changed = is_changed,
};

static void begin(struct fixture *fixture)
{
        store_init(&fixture->store);
        fixture->store.place.store_fd = fcntl(fixture->fd, F_DUPFD_CLOEXEC, 3);
        fixture->store.folder = fixture->path;
        fixture->store.policy = &fixture->policy;
        fixture->store.runner = &runner;
        fixture->store.listener = &listener;
}

static void begin_again(struct fixture *fixture)
{
        store_deinit(&fixture->store);
        begin(fixture);
        database_load(&fixture->store);
}

static struct copy *make_copy(const char *identifier)
{
        struct bundle bundle = {
                .manifest = {
                        .identifier = strdup(identifier),
                        .team = strdup("EXAMPLE"),
                        .version = strdup("1.0"),
                        .short_version = strdup("1.0"),
                        .name = strdup("An example"),
                },
                .signer = { .identity = strdup("root:0") },
        };
        struct copy *copy;

        memset(bundle.digest, 'a', sizeof(bundle.digest) - 1);
        copy = copy_new(&bundle, 7);
        copy->state = COPY_ENABLED;
        return copy;
}

static void write_file(struct fixture *fixture, const char *text, size_t size)
{
        _cleanup_fd_ int fd =
                openat(fixture->fd, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, text, size), size);
}

/* Two extensions that were approved, and how that is written down. */
static void fill(struct fixture *fixture)
{
        static const char *const identifiers[] = { "com.example.one", "com.example.two" };
        const struct actor by = { .uid = 0, .login = ACTOR_NOBODY };

        for (size_t i = 0; i < ARRAY_SIZE(identifiers); i++) {
                struct copy *copy = make_copy(identifiers[i]);

                assert_int_equal(approval_add(&fixture->store.approvals, copy, &by), 0);
                life_take_up(life_new(&fixture->store, identifiers[i]), copy);
        }
        assert_int_equal(database_save(&fixture->store), 0);
}

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));
        _cleanup_fd_ int fd = -1;

        strcpy(fixture->path, "/dev/shm/netext-database-XXXXXX"); /* where a sync costs nothing */
        assert_non_null(mkdtemp(fixture->path));
        fixture->fd = open(fixture->path, O_DIRECTORY | O_CLOEXEC);
        policy_init(&fixture->policy);
        begin(fixture);
        fill(fixture);
        fd = openat(fixture->fd, FILE_NAME, O_RDONLY | O_CLOEXEC);
        fixture->size = (size_t)read(fd, fixture->text, sizeof(fixture->text));
        assert_true(fixture->size > 500 && fixture->size < sizeof(fixture->text));
        *state = fixture;
        return 0;
}

/* Removes the file that was put aside; its name begins with that of the file. False: none was. */
static bool remove_aside(struct fixture *fixture, off_t size)
{
        _cleanup_free_ char *name = recovery_find_damage(&fixture->store);
        struct stat st;

        if (!name)
                return false;
        assert_memory_equal(name, FILE_NAME ".damaged-2", strlen(FILE_NAME) + 10);
        assert_int_equal(fstatat(fixture->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        if (size >= 0)
                assert_int_equal(st.st_size, size);
        assert_int_equal(unlinkat(fixture->fd, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0), 0);
        return true;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        store_deinit(&fixture->store);
        policy_deinit(&fixture->policy);
        (void)unlinkat(fixture->fd, FILE_NAME, 0);
        close(fixture->fd);
        assert_int_equal(rmdir(fixture->path), 0);
        free(fixture);
        return 0;
}

static unsigned int count(const struct list *list)
{
        const struct list *link;
        unsigned int n = 0;

        for (link = list->next; link != list; link = link->next)
                n++;
        return n;
}

static void test_what_is_whole_is_read(void **state)
{
        struct fixture *fixture = *state;

        begin_again(fixture);
        assert_int_equal(count(&fixture->store.lives), 2);
        assert_int_equal(count(&fixture->store.approvals), 2);
        assert_false(remove_aside(fixture, -1));
}

/* What an upgrade left goes where nothing is made of it; who is killed before all is read has lost
 * nothing. */
static void test_reading_writes_nothing(void **state)
{
        static const char enabled[] = "\"activated_enabled\"",
                          leaving[] = "\"terminating_for_upgrade\"";
        struct fixture *fixture = *state;
        char *at = strstr(fixture->text, enabled), text[sizeof(fixture->text)];
        _cleanup_fd_ int fd = -1;
        size_t size;

        *at = '\0';
        size = (size_t)snprintf(text, sizeof(text), "%s%s%s", fixture->text, leaving,
                                at + strlen(enabled));
        write_file(fixture, text, size);
        begin_again(fixture);
        assert_false(remove_aside(fixture, -1));
        fd = openat(fixture->fd, FILE_NAME, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, fixture->text, sizeof(fixture->text)), size);
        assert_memory_equal(fixture->text, text, size);
}

static void test_what_was_cut_off_anywhere_is_put_aside(void **state)
{
        struct fixture *fixture = *state;

        for (size_t size = 0; size < fixture->size; size += 1 + size % 7) {
                write_file(fixture, fixture->text, size);
                begin_again(fixture);
                assert_true(remove_aside(fixture, (off_t)size));
                assert_int_equal(count(&fixture->store.lives), 0);
                /* And the next netextd has a file again. */
                begin_again(fixture);
                assert_false(remove_aside(fixture, -1));
        }
}

static void test_what_a_disk_made_of_it_keeps_nobody_from_starting(void **state)
{
        static const char *const garbage[] = { "",     "\0\0\0\0", "\xff\xfe",  "]",
                                               "[{}]", "7\n",      "\"copies\"" };
        struct fixture *fixture = *state;

        for (size_t at = 0; at < fixture->size; at += 29)
                for (size_t i = 1; i < ARRAY_SIZE(garbage); i++) {
                        char text[sizeof(fixture->text) + 8];

                        memcpy(text, fixture->text, fixture->size);
                        memcpy(text + at, garbage[i], strlen(garbage[i]) ?: 4);
                        write_file(fixture, text, fixture->size);
                        begin_again(fixture);
                        (void)remove_aside(fixture, (off_t)fixture->size);
                }
        for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
                write_file(fixture, garbage[i], strlen(garbage[i]));
                begin_again(fixture);
                assert_true(remove_aside(fixture, -1));
        }
}

static void test_of_what_is_partly_damaged_the_rest_is_kept(void **state)
{
        struct fixture *fixture = *state;
        char *digest = strstr(fixture->text, "\"digest\"");

        memcpy(digest, "\"digesd\"", 8);
        write_file(fixture, fixture->text, fixture->size);
        begin_again(fixture);
        assert_true(remove_aside(fixture, (off_t)fixture->size));
        assert_int_equal(count(&fixture->store.lives), 1);
        assert_int_equal(count(&fixture->store.approvals), 1);
        assert_int_equal(fixture->store.requests.last_number, 7);
}

static void test_what_is_no_file_is_put_aside(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(unlinkat(fixture->fd, FILE_NAME, 0), 0);
        assert_int_equal(mkdirat(fixture->fd, FILE_NAME, 0700), 0);
        begin_again(fixture);
        assert_true(remove_aside(fixture, -1));
        assert_int_equal(unlinkat(fixture->fd, FILE_NAME, 0), 0);
        assert_int_equal(symlinkat("/etc/passwd", fixture->fd, FILE_NAME), 0);
        begin_again(fixture);
        assert_true(remove_aside(fixture, -1));
}

#define database_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                database_test(test_what_is_whole_is_read),
                database_test(test_reading_writes_nothing),
                database_test(test_what_was_cut_off_anywhere_is_put_aside),
                database_test(test_what_a_disk_made_of_it_keeps_nobody_from_starting),
                database_test(test_of_what_is_partly_damaged_the_rest_is_kept),
                database_test(test_what_is_no_file_is_put_aside),
        };

        return cmocka_run_group_tests_name("database", tests, NULL, NULL);
}
