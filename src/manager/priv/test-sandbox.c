/* SPDX-License-Identifier: Apache-2.0 */

/* What a process in the sandbox cannot do: each question is asked outside of it, too. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/landlock.h"
#include "manager/priv/sandbox.h"

/* 0, or the errno of what was tried; in a process of its own, which is in the sandbox or not. */
static int try(const struct sandbox *sandbox, int (*fn)(void))
{
        int status, fd = -1;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                if (sandbox &&
                    (sandbox_prepare() < 0 || sandbox_open_files(sandbox, &fd) < 0 ||
                     prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_enter(sandbox, fd) < 0))
                        _exit(255);
                errno = 0;
                _exit(fn() < 0 ? errno : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int internet_socket(void)
{
        return socket(AF_INET, SOCK_STREAM, 0);
}

static int internet6_socket(void)
{
        return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int local_socket(void)
{
        return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int route_socket(void)
{
        return socket(AF_NETLINK, SOCK_RAW, 0);
}

static int raw_socket(void)
{
        return socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, 255);
}

static int packet_socket(void)
{
        return socket(AF_PACKET, SOCK_RAW, 0);
}

static int crypto_socket(void)
{
        return socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int unknown_socket(void)
{
        return socket(1000, SOCK_STREAM, 0);
}

static int trace(void)
{
        return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int io_uring(void)
{
        return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int new_user_namespace(void)
{
        return unshare(CLONE_NEWUSER);
}

static int new_namespaces_by_clone(void)
{
        return (int)syscall(SYS_clone, CLONE_NEWNET | CLONE_NEWUTS | SIGCHLD, NULL, NULL, NULL,
                            NULL);
}

static int load_program(void)
{
        return (int)syscall(SYS_bpf, -1, NULL, 0);
}

static int keyring(void)
{
        return (int)syscall(SYS_keyctl, 0, -1, 0);
}

static int nothing_mounted(void)
{
        return (int)syscall(SYS_fsopen, "no such file system", 0);
}

static void *do_nothing(void *userdata)
{
        return userdata;
}

static int thread(void)
{
        pthread_t id;

        errno = pthread_create(&id, NULL, do_nothing, NULL);
        return errno || pthread_join(id, NULL) ? -1 : 0;
}

static int child(void)
{
        return system("exec true");
}

static void test_what_no_extension_needs_is_refused(void **state)
{
        static const struct sandbox sandbox = { .may_make_internet_sockets = true };
        int (*const refused[])(void) = {
                raw_socket, packet_socket,      crypto_socket,           unknown_socket,
                io_uring,   new_user_namespace, new_namespaces_by_clone, load_program,
                keyring,    nothing_mounted,
#ifndef __SANITIZE_ADDRESS__
                trace,
#endif
        };

        for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
                assert_int_equal(try(&sandbox, refused[i]), EPERM);
        assert_int_equal(try(NULL, trace), 0);
        assert_int_not_equal(try(NULL, io_uring), EPERM);
        assert_int_not_equal(try(NULL, unknown_socket), EPERM);
}

static void test_what_programs_do_goes_on(void **state)
{
        static const struct sandbox sandbox = { .may_make_internet_sockets = true };
        int (*const allowed[])(void) = {
                internet_socket, internet6_socket, local_socket, route_socket, thread, child,
        };

        for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
                assert_int_equal(try(&sandbox, allowed[i]), 0);
}

static void test_internet_sockets_are_a_capability(void **state)
{
        static const struct sandbox sandbox = {};

        assert_int_equal(try(&sandbox, internet_socket), EPERM);
        assert_int_equal(try(&sandbox, internet6_socket), EPERM);
        assert_int_equal(try(&sandbox, local_socket), 0);
        assert_int_equal(try(&sandbox, route_socket), 0);
}

/* --- files -------------------------------------------------------------------------------- */

static char folder[64], bundle[80], states[80], other[80];

static int open_in(const char *where, int flags)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/file", where);
        return open(path, flags | O_CLOEXEC, 0600);
}

static int read_bundle(void)
{
        return open_in(bundle, O_RDONLY);
}

static int write_bundle(void)
{
        return open_in(bundle, O_WRONLY);
}

static int write_state(void)
{
        return open_in(states, O_RDWR | O_CREAT);
}

static int read_other(void)
{
        return open_in(other, O_RDONLY);
}

static int make_other(void)
{
        char path[128];

        snprintf(path, sizeof(path), "%s/new", other);
        return mkdir(path, 0700);
}

static int read_base_system(void)
{
        return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static int write_null(void)
{
        return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void make_folder(char *path, size_t size, const char *name)
{
        int fd;

        snprintf(path, size, "%s/%s", folder, name);
        assert_int_equal(mkdir(path, 0700), 0);
        fd = open_in(path, O_WRONLY | O_CREAT);
        assert_true(fd >= 0);
        close(fd);
}

static int setup_folders(void **state)
{
        strcpy(folder, "/tmp/netext-test-sandbox-XXXXXX");
        assert_non_null(mkdtemp(folder));
        make_folder(bundle, sizeof(bundle), "bundle");
        make_folder(states, sizeof(states), "state");
        make_folder(other, sizeof(other), "other");
        return 0;
}

static int teardown_folders(void **state)
{
        const char *const folders[] = { bundle, states, other };
        char path[128];

        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                snprintf(path, sizeof(path), "%s/file", folders[i]);
                unlink(path);
                snprintf(path, sizeof(path), "%s/new", folders[i]);
                rmdir(path);
                rmdir(folders[i]);
        }
        return rmdir(folder);
}

static void test_files_are_the_bundles_and_the_systems(void **state)
{
        char *const shared_folders[] = { other };
        const struct sandbox sandbox = { .bundle_folder = bundle, .state_folder = states };
        struct sandbox shared = sandbox;

        if (!landlock_is_there())
                skip();
        assert_int_equal(try(&sandbox, read_bundle), 0);
        assert_int_equal(try(&sandbox, write_bundle), EACCES);
        assert_int_equal(try(NULL, write_bundle), 0);
        assert_int_equal(try(&sandbox, write_state), 0);
        assert_int_equal(try(&sandbox, read_other), EACCES);
        assert_int_equal(try(NULL, read_other), 0);
        assert_int_equal(try(&sandbox, make_other), EACCES);
        shared.shared_folders = shared_folders;
        shared.n_shared_folders = 1;
        assert_int_equal(try(&shared, make_other), 0);
        assert_int_equal(try(&shared, write_bundle), EACCES);
        assert_int_equal(try(&sandbox, read_base_system), 0);
        assert_int_equal(try(&sandbox, write_null), 0);
        assert_int_equal(try(&sandbox, child), 0);
}

static void test_without_a_bundle_files_are_the_users(void **state)
{
        static const struct sandbox sandbox = {};

        assert_int_equal(try(&sandbox, read_other), 0);
}

#define FILES(name) cmocka_unit_test_setup_teardown(name, setup_folders, teardown_folders)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_no_extension_needs_is_refused),
                cmocka_unit_test(test_what_programs_do_goes_on),
                cmocka_unit_test(test_internet_sockets_are_a_capability),
                FILES(test_files_are_the_bundles_and_the_systems),
                FILES(test_without_a_bundle_files_are_the_users),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
