/* SPDX-License-Identifier: Apache-2.0 */

/* A process that a killed netextd left holds its lock, for a moment or for good. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "manager/priv/lock.h"

#define MOMENT_US 100000

static char path[] = "/tmp/netext-test-lock-XXXXXX";

static int setup(void **state)
{
        int fd = mkstemp(path);

        close_fd(fd);
        return fd < 0;
}

static int teardown(void **state)
{
        return unlink(path);
}

static int open_lock(void)
{
        int fd = open(path, O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

/* Holds what its parent, which is no more, had locked; microseconds 0: until it is killed. */
static pid_t leave_holder(useconds_t microseconds)
{
        int fd = open_lock();
        pid_t pid;

        assert_int_equal(lock_take(fd), 0);
        pid = fork();
        if (pid == 0) {
                if (microseconds)
                        (void)usleep(microseconds);
                else
                        (void)pause();
                _exit(0);
        }
        assert_true(pid > 0);
        close_fd(fd);
        return pid;
}

static void end(pid_t pid)
{
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_a_moment_is_waited_for(void **state)
{
        pid_t pid = leave_holder(MOMENT_US);
        _cleanup_fd_ int fd = open_lock();

        assert_int_equal(lock_take(fd), 0);
        end(pid);
}

static void test_who_keeps_it_has_it(void **state)
{
        pid_t pid = leave_holder(0);
        _cleanup_fd_ int fd = open_lock();

        assert_int_equal(lock_take(fd), -EWOULDBLOCK);
        end(pid);
        assert_int_equal(lock_take(fd), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_moment_is_waited_for),
                cmocka_unit_test(test_who_keeps_it_has_it),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
