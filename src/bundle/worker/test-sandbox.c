/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the worker can no longer do. A child enters the sandbox, since there is no way out, and
 * says by its exit status how its attempt ended.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/landlock.h"
#include "bundle/worker/sandbox.h"

#define NO_SANDBOX 200

/* 0, or the errno it ended with. */
typedef int attempt_fn(int folder_fd);

/* The exit status of a child that tries it in the sandbox, with folder to read and target to
 * write. */
static int attempt(attempt_fn *fn, const char *folder, const char *target)
{
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                int folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
                int target_fd = target ? open(target, O_RDONLY | O_DIRECTORY) : -1;

                if (sandbox_enter(&folder_fd, 1, target_fd) < 0)
                        _exit(NO_SANDBOX);
                _exit(fn(target ? target_fd : folder_fd));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int result_of(long r)
{
        return r < 0 ? errno : 0;
}

static int make_socket(int folder_fd)
{
        return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int make_unix_socket(int folder_fd)
{
        return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int start_program(int folder_fd)
{
        char *argv[] = { "true", NULL };

        return result_of(execv("/bin/true", argv));
}

static int start_process(int folder_fd)
{
        return result_of(fork());
}

static int change_mode(int folder_fd)
{
        return result_of(fchmodat(folder_fd, ".", 0777, 0));
}

static int make_link(int folder_fd)
{
        return result_of(symlinkat("/etc", folder_fd, "link"));
}

static int remove_file(int folder_fd)
{
        return result_of(unlinkat(folder_fd, "file", 0));
}

static int become_dumpable(int folder_fd)
{
        return result_of(prctl(PR_SET_DUMPABLE, 1));
}

static void test_doors_are_closed(void **state)
{
        static attempt_fn *const attempts[] = {
                make_socket, make_unix_socket, start_program, start_process,
                change_mode, make_link,        remove_file,   become_dumpable,
        };

        for (size_t i = 0; i < ARRAY_SIZE(attempts); i++)
                assert_int_equal(attempt(attempts[i], "/usr", *state), EPERM);
}

static int write_file(int folder_fd)
{
        _cleanup_fd_ int fd = openat(folder_fd, "file", O_WRONLY | O_CREAT, 0644);

        return result_of(fd < 0 ? -1 : write(fd, "x", 1));
}

static int make_folder(int folder_fd)
{
        return result_of(mkdirat(folder_fd, "folder", 0755));
}

static int read_folder(int folder_fd)
{
        return result_of(openat(folder_fd, ".", O_RDONLY | O_DIRECTORY));
}

static void test_its_work_goes_on(void **state)
{
        assert_int_equal(attempt(write_file, "/usr", *state), 0);
        assert_int_equal(attempt(make_folder, "/usr", *state), 0);
        assert_int_equal(attempt(read_folder, "/usr", NULL), 0);
}

static int read_elsewhere(int folder_fd)
{
        return result_of(open("/etc/passwd", O_RDONLY));
}

static int write_to_the_source(int folder_fd)
{
        return result_of(openat(folder_fd, "file", O_WRONLY | O_CREAT, 0644));
}

/* Whether or not this kernel has it, what it would do is said here. */
static void test_landlock_leaves_only_what_was_given(void **state)
{
        if (!landlock_is_there())
                skip();
        assert_int_equal(attempt(read_elsewhere, "/usr", *state), EACCES);
        assert_int_equal(attempt(write_to_the_source, *state, NULL), EACCES);
}

static int set_up(void **state)
{
        char path[] = "/tmp/netext-sandbox-XXXXXX";

        if (!mkdtemp(path))
                return -1;
        *state = strdup(path);
        return *state ? 0 : -1;
}

static int tear_down(void **state)
{
        _cleanup_fd_ int fd = open(*state, O_RDONLY | O_DIRECTORY);

        (void)unlinkat(fd, "file", 0);
        (void)unlinkat(fd, "folder", AT_REMOVEDIR);
        (void)rmdir(*state);
        free(*state);
        return 0;
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_doors_are_closed),
                cmocka_unit_test(test_its_work_goes_on),
                cmocka_unit_test(test_landlock_leaves_only_what_was_given),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
