/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A child between fork(2) and execve(2), and somebody who stops it there. The child is held at a
 * place that is known: it enters its cgroup by writing to cgroup.procs, which is a FIFO here.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manager/priv/spawn.h"

#define AT_ONCE_MS 2000 /* on a machine that is busy; who waits for ever is ended by meson */

static const char *const argv[] = { "true", NULL };
static const char *const environment[] = { NULL };

struct fixture {
        char folder[64];
        char fifo[96];
        int folder_fd;
        struct spawn spawn;
        struct spawned spawned;
        const char *step;
};

static int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));

        strcpy(fixture->folder, "/tmp/netext-spawn-XXXXXX");
        assert_non_null(mkdtemp(fixture->folder));
        snprintf(fixture->fifo, sizeof(fixture->fifo), "%s/cgroup.procs", fixture->folder);
        assert_int_equal(mkfifo(fixture->fifo, 0600), 0);
        fixture->folder_fd = open(fixture->folder, O_DIRECTORY | O_CLOEXEC);
        fixture->spawned = (struct spawned)SPAWNED_NULL;
        fixture->spawn = (struct spawn){
                .program = "/bin/true",
                .argv = argv,
                .environ = environment,
                .uid = 65534,
                .cgroup_fd = -1,
        };
        *state = fixture;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *fixture = *state;

        close(fixture->folder_fd);
        unlink(fixture->fifo);
        rmdir(fixture->folder);
        free(fixture);
        return 0;
}

static uint64_t now_ms(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The only child of the thread that runs the tests; waits for it. */
static pid_t find_child(void)
{
        char path[64];
        int pid = 0;

        snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
        while (pid == 0) {
                _cleanup_file_ FILE *children = fopen(path, "re");

                if (!children || fscanf(children, "%d", &pid) != 1)
                        pid = 0;
        }
        return pid;
}

static void *stop_child(void *userdata)
{
        (void)userdata;
        kill(find_child(), SIGSTOP);
        return NULL;
}

static void *read_late(void *fifo)
{
        const struct timespec pause = { .tv_nsec = 300 * 1000 * 1000 };
        char byte;
        int fd;

        (void)find_child();
        nanosleep(&pause, NULL);
        fd = open(fifo, O_RDONLY | O_CLOEXEC);
        while (read(fd, &byte, 1) > 0)
                ;
        close(fd);
        return NULL;
}

static void assert_no_child_is_left(void)
{
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static void test_one_that_is_stopped_before_it_is_ready_is_ended(void **state)
{
        struct fixture *fixture = *state;
        uint64_t began_ms = now_ms();
        pthread_t thread;

        fixture->spawn.cgroup_fd = fixture->folder_fd;
        assert_int_equal(pthread_create(&thread, NULL, stop_child, NULL), 0);
        assert_int_equal(spawn_prepare(&fixture->spawn, &fixture->spawned, &fixture->step),
                         -ETIMEDOUT);
        assert_true(now_ms() - began_ms < AT_ONCE_MS);
        pthread_join(thread, NULL);
        assert_non_null(strstr(fixture->step, "stop"));
        assert_no_child_is_left();
}

static void test_one_that_is_stopped_before_its_program_is_ended(void **state)
{
        struct fixture *fixture = *state;
        uint64_t began_ms;

        assert_int_equal(spawn_prepare(&fixture->spawn, &fixture->spawned, &fixture->step), 0);
        kill(fixture->spawned.pid, SIGSTOP);
        began_ms = now_ms();
        assert_int_equal(spawn_release(&fixture->spawned), -ETIMEDOUT);
        assert_true(now_ms() - began_ms < AT_ONCE_MS);
        assert_no_child_is_left();
}

static void test_one_that_is_stopped_and_not_wanted_is_ended(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(spawn_prepare(&fixture->spawn, &fixture->spawned, &fixture->step), 0);
        kill(fixture->spawned.pid, SIGSTOP);
        spawn_cancel(&fixture->spawned);
        assert_no_child_is_left();
}

static void test_one_that_is_slow_has_its_time(void **state)
{
        struct fixture *fixture = *state;
        pthread_t thread;
        int status;
        pid_t pid;

        fixture->spawn.cgroup_fd = fixture->folder_fd;
        assert_int_equal(pthread_create(&thread, NULL, read_late, fixture->fifo), 0);
        assert_int_equal(spawn_prepare(&fixture->spawn, &fixture->spawned, &fixture->step), 0);
        pthread_join(thread, NULL);
        pid = fixture->spawned.pid;
        assert_int_equal(spawn_release(&fixture->spawned), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_a_program_that_is_not_there_is_told(void **state)
{
        struct fixture *fixture = *state;

        fixture->spawn.program = "/nowhere/true";
        assert_int_equal(spawn_prepare(&fixture->spawn, &fixture->spawned, &fixture->step), 0);
        assert_int_equal(spawn_release(&fixture->spawned), -ENOENT);
        assert_no_child_is_left();
}

#define spawn_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                spawn_test(test_one_that_is_stopped_before_it_is_ready_is_ended),
                spawn_test(test_one_that_is_stopped_before_its_program_is_ended),
                spawn_test(test_one_that_is_stopped_and_not_wanted_is_ended),
                spawn_test(test_one_that_is_slow_has_its_time),
                spawn_test(test_a_program_that_is_not_there_is_told),
        };

        if (geteuid() != 0) {
                fputs("only root can start a program as somebody else\n", stderr);
                return 77;
        }
        return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
