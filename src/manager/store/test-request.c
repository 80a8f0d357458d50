/* SPDX-License-Identifier: Apache-2.0 */

/* Requests and their journal: one outcome each, whatever happens to the file. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manager/store/request.h"

struct fixture {
        char path[64];
        int fd;
        struct request_log log;
        unsigned int n_changes;
};

static void count_change(struct request *request, void *userdata)
{
        struct fixture *fixture = userdata;

        fixture->n_changes++;
}

static void open_log(struct fixture *fixture)
{
        request_log_init(&fixture->log);
        assert_int_equal(request_log_open(&fixture->log, fixture->fd, count_change, fixture), 0);
}

static void reopen_log(struct fixture *fixture)
{
        request_log_deinit(&fixture->log);
        open_log(fixture);
}

static int setup(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        strcpy(fixture->path, "/dev/shm/netext-request-XXXXXX"); /* where a sync costs nothing */
        assert_non_null(mkdtemp(fixture->path));
        fixture->fd = open(fixture->path, O_DIRECTORY | O_CLOEXEC);
        open_log(fixture);
        *state = fixture;
        return 0;
}

/* Removes what was put aside, and returns how many files that were, and the size of the last. */
static unsigned int remove_aside(struct fixture *fixture, size_t *ret_size)
{
        _cleanup_dir_ DIR *folder = opendir(fixture->path);
        struct dirent *entry;
        unsigned int n = 0;
        struct stat st;

        while ((entry = readdir(folder))) {
                if (strncmp(entry->d_name, "requests.damaged-", 17) != 0)
                        continue;
                assert_int_equal(fstatat(fixture->fd, entry->d_name, &st, 0), 0);
                assert_int_equal(unlinkat(fixture->fd, entry->d_name, 0), 0);
                if (ret_size)
                        *ret_size = (size_t)st.st_size;
                n++;
        }
        return n;
}

static int teardown(void **state)
{
        struct fixture *fixture = *state;

        request_log_deinit(&fixture->log);
        (void)unlinkat(fixture->fd, "requests", 0);
        remove_aside(fixture, NULL);
        close(fixture->fd);
        (void)rmdir(fixture->path);
        free(fixture);
        return 0;
}

static struct request *add(struct fixture *fixture)
{
        struct request *request;

        assert_int_equal(request_log_add(&fixture->log, REQUEST_ACTIVATE, &request), 0);
        request->identifier = strdup("com.example.filter");
        request_set_status(&fixture->log, request, REQUEST_QUEUED);
        return request;
}

static void append_raw(struct fixture *fixture, const char *text)
{
        int fd = openat(fixture->fd, "requests", O_WRONLY | O_APPEND | O_CLOEXEC);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static void test_an_outcome_is_the_last_word(void **state)
{
        struct fixture *fixture = *state;
        struct request *request = add(fixture);

        request_fail(&fixture->log, request, NX_REQUEST_ERROR_SUPERSEDED, strdup("by another"));
        fixture->n_changes = 0;
        request_finish(&fixture->log, request, strdup("too late"));
        request_fail(&fixture->log, request, NX_REQUEST_ERROR_CANCELED, NULL);
        request_set_status(&fixture->log, request, REQUEST_ENABLING);
        assert_int_equal(fixture->n_changes, 0);
        assert_int_equal(request->status, REQUEST_FAILED);
        assert_int_equal(request->code, NX_REQUEST_ERROR_SUPERSEDED);
        assert_string_equal(request->message, "by another");
        assert_int_equal(fixture->log.n_pending, 0);
}

static void test_the_next_netextd_reads_what_was_last(void **state)
{
        struct fixture *fixture = *state;
        struct request *request = add(fixture);

        request_set_status(&fixture->log, request, REQUEST_NEEDS_APPROVAL);
        request_finish(&fixture->log, add(fixture), strdup("it is active already"));
        reopen_log(fixture);
        assert_int_equal(fixture->log.n_requests, 2);
        assert_int_equal(fixture->log.n_pending, 1);
        request = request_log_find(&fixture->log, 1);
        assert_int_equal(request->status, REQUEST_NEEDS_APPROVAL);
        assert_string_equal(request->identifier, "com.example.filter");
        request = request_log_find(&fixture->log, 2);
        assert_int_equal(request->status, REQUEST_FINISHED);
        assert_string_equal(request->message, "it is active already");
        assert_int_equal(add(fixture)->number, 3);
}

static void test_a_line_that_was_cut_off_is_the_only_one_lost(void **state)
{
        struct fixture *fixture = *state;

        request_finish(&fixture->log, add(fixture), NULL);
        append_raw(fixture, "{\"request\":2,\"kind\":\"acti");
        reopen_log(fixture);
        assert_int_equal(fixture->log.n_requests, 1);
        /* What comes next does not join the half line. */
        request_finish(&fixture->log, add(fixture), NULL);
        reopen_log(fixture);
        assert_int_equal(fixture->log.n_requests, 2);
        assert_int_equal(request_log_find(&fixture->log, 2)->status, REQUEST_FINISHED);
}

static void test_lines_that_are_none_of_ours_are_read_over(void **state)
{
        struct fixture *fixture = *state;

        request_finish(&fixture->log, add(fixture), NULL);
        append_raw(fixture,
                   "\n[]\n{}\n{\"request\":-1,\"kind\":\"activate\",\"status\":\"queued\"}\n"
                   "{\"request\":7,\"kind\":\"dance\",\"status\":\"queued\"}\n");
        reopen_log(fixture);
        assert_int_equal(fixture->log.n_requests, 1);
        /* What could be read was written anew, beside what could not. */
        assert_int_equal(remove_aside(fixture, NULL), 1);
        reopen_log(fixture);
        assert_int_equal(fixture->log.n_requests, 1);
        assert_int_equal(remove_aside(fixture, NULL), 0);
}

/* Each byte of a journal of three requests: with what was cut off behind it, and with what a disk
 * made of it. */
static void test_whatever_became_of_the_journal_there_is_one_again(void **state)
{
        struct fixture *fixture = *state;
        char journal[4096];
        ssize_t size;
        int fd;

        for (unsigned int i = 0; i < 3; i++)
                request_finish(&fixture->log, add(fixture), NULL);
        fd = openat(fixture->fd, "requests", O_RDWR | O_CLOEXEC);
        size = read(fd, journal, sizeof(journal));
        assert_true(size > 100 && size < (ssize_t)sizeof(journal));
        for (ssize_t at = 0; at < size; at++) {
                assert_int_equal(ftruncate(fd, at), 0);
                reopen_log(fixture);
                assert_true(fixture->log.n_requests <= 3);
                assert_int_equal(remove_aside(fixture, NULL), 0);
                assert_int_equal(pwrite(fd, journal, (size_t)size, 0), size);
        }
        close(fd);
        for (ssize_t at = 0; at < size; at += 3) {
                size_t aside = 0;

                fd = openat(fixture->fd, "requests", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
                assert_int_equal(write(fd, journal, (size_t)size), size);
                assert_int_equal(pwrite(fd, "\0\xff{", 3, at), 3);
                close(fd);
                reopen_log(fixture);
                assert_true(fixture->log.n_requests <= 3);
                if (remove_aside(fixture, &aside) > 0)
                        assert_true(aside >= (size_t)size);
                request_finish(&fixture->log, add(fixture), NULL);
        }
}

static void test_a_journal_that_is_no_file_is_put_aside(void **state)
{
        struct fixture *fixture = *state;

        request_finish(&fixture->log, add(fixture), NULL);
        assert_int_equal(unlinkat(fixture->fd, "requests", 0), 0);
        assert_int_equal(symlinkat("/etc/passwd", fixture->fd, "requests"), 0);
        reopen_log(fixture);
        assert_int_equal(fixture->log.n_requests, 0);
        request_finish(&fixture->log, add(fixture), NULL);
        reopen_log(fixture);
        assert_int_equal(fixture->log.n_requests, 1);
}

static void test_the_last_thousand_are_kept(void **state)
{
        struct fixture *fixture = *state;

        for (unsigned int i = 0; i < REQUESTS_KEPT + 10; i++)
                request_finish(&fixture->log, add(fixture), NULL);
        assert_int_equal(fixture->log.n_requests, REQUESTS_KEPT);
        assert_null(request_log_find(&fixture->log, 10));
        assert_non_null(request_log_find(&fixture->log, 11));
        reopen_log(fixture);
        assert_int_equal(fixture->log.n_requests, REQUESTS_KEPT);
        assert_null(request_log_find(&fixture->log, 10));
        assert_int_equal(fixture->log.last_number, REQUESTS_KEPT + 10);
}

static void test_those_without_an_outcome_are_never_forgotten(void **state)
{
        struct fixture *fixture = *state;
        struct request *first = add(fixture), *request;

        for (unsigned int i = 0; i < REQUESTS_KEPT + 10; i++)
                request_finish(&fixture->log, add(fixture), NULL);
        assert_ptr_equal(request_log_find(&fixture->log, 1), first);
        while (fixture->log.n_pending < REQUESTS_PENDING)
                add(fixture);
        assert_int_equal(request_log_add(&fixture->log, REQUEST_ACTIVATE, &request), -EBUSY);
        request_finish(&fixture->log, first, NULL);
        assert_int_equal(request_log_add(&fixture->log, REQUEST_ACTIVATE, &request), 0);
}

static void test_those_that_were_denied_push_no_others_out(void **state)
{
        struct fixture *fixture = *state;

        request_finish(&fixture->log, add(fixture), NULL);
        for (unsigned int i = 0; i < REQUESTS_KEPT; i++)
                request_fail(&fixture->log, add(fixture), NX_REQUEST_ERROR_AUTHORIZATION_REQUIRED,
                             NULL);
        request_fail(&fixture->log, add(fixture), NX_REQUEST_ERROR_CANCELED, NULL);
        for (int i = 0; i < 2; i++) {
                assert_int_equal(fixture->log.n_requests, REQUESTS_DENIED + 2);
                assert_non_null(request_log_find(&fixture->log, 1));
                assert_null(request_log_find(&fixture->log, REQUESTS_KEPT + 1 - REQUESTS_DENIED));
                assert_non_null(request_log_find(&fixture->log, REQUESTS_KEPT + 1));
                reopen_log(fixture);
        }
}

#define request_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                request_test(test_an_outcome_is_the_last_word),
                request_test(test_the_next_netextd_reads_what_was_last),
                request_test(test_a_line_that_was_cut_off_is_the_only_one_lost),
                request_test(test_lines_that_are_none_of_ours_are_read_over),
                request_test(test_whatever_became_of_the_journal_there_is_one_again),
                request_test(test_a_journal_that_is_no_file_is_put_aside),
                request_test(test_the_last_thousand_are_kept),
                request_test(test_those_without_an_outcome_are_never_forgotten),
                request_test(test_those_that_were_denied_push_no_others_out),
        };

        return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
