/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The filter binds every thread, and the relay works behind it. A child enters it, since there
 * is no way out; it says by its exit status whether its bytes arrived.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "engine/sandbox.h"
#include "relay/relay.h"

#define N_BYTES (8 * 1024 * 1024) /* enough for a large pipe */

static void handle_ended(const struct relay_end *end, void *userdata)
{
        *(struct relay_end *)userdata = *end;
}

static int connect_pair(int *ret_near, int *ret_far)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_fd_ int listener = socket(AF_INET, SOCK_STREAM, 0);
        socklen_t size = sizeof(address);

        *ret_near = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
            getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
            connect(*ret_near, (struct sockaddr *)&address, size) < 0)
                return -1;
        *ret_far = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        return *ret_far < 0 ? -1 : 0;
}

/* Without poll(), which the filter refuses. What were left unread would make the close a reset. */
static void carry(int from, int to)
{
        static char bytes[64 * 1024];
        size_t n_sent = 0, n_received = 0;
        ssize_t n;

        while (n_received < N_BYTES) {
                size_t n_left = N_BYTES - n_sent;

                n = send(from, bytes, n_left < sizeof(bytes) ? n_left : sizeof(bytes),
                         MSG_DONTWAIT);
                n_sent += n > 0 ? (size_t)n : 0;
                n = recv(to, bytes, sizeof(bytes), MSG_DONTWAIT);
                n_received += n > 0 ? (size_t)n : 0;
                sched_yield();
        }
}

static int relay_in_the_sandbox(void)
{
        struct relay_end end = {};
        struct relay_pool *pool;
        struct loop loop;
        int client, app, upstream, server;

        if (loop_init(&loop) < 0 || relay_pool_new(&pool, &loop, handle_ended, &end) < 0 ||
            connect_pair(&client, &app) < 0 || connect_pair(&upstream, &server) < 0 ||
            relay_pool_add(pool, 1, app, upstream) < 0 || sandbox_enter() < 0)
                return 1;
        raise(SIGSTOP); /* our parent looks at the threads */
        carry(client, server);
        close(client);
        close(server);
        while (end.id == 0)
                if (loop_dispatch(&loop, -1) < 0)
                        return 1;
        relay_pool_free(pool);
        return end.error != 0 || end.bytes_outbound < N_BYTES;
}

static bool is_filtered(pid_t pid, const char *thread)
{
        char path[300], line[256];
        _cleanup_file_ FILE *status = NULL;

        snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, thread);
        status = fopen(path, "re");
        while (status && fgets(line, sizeof(line), status))
                if (strcmp(line, "Seccomp:\t2\n") == 0)
                        return true;
        return false;
}

static void assert_all_threads_are_filtered(pid_t pid)
{
        _cleanup_dir_ DIR *tasks = NULL;
        struct dirent *task;
        char path[64];
        int n_threads = 0;

        snprintf(path, sizeof(path), "/proc/%d/task", pid);
        tasks = opendir(path);
        assert_non_null(tasks);
        while ((task = readdir(tasks)))
                if (task->d_name[0] != '.') {
                        assert_true(is_filtered(pid, task->d_name));
                        n_threads++;
                }
        assert_in_range(n_threads, 2, 16);
}

static void the_relay_works_in_the_sandbox(void **state)
{
        pid_t pid = fork();
        int status;

        if (pid == 0)
                _exit(relay_in_the_sandbox());
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        assert_all_threads_are_filtered(pid);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_relay_works_in_the_sandbox),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
