/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who connects is who the kernel says, and is let in by one of the manifest's peers or not at
 * all. The callers are real processes.
 */

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "manager/endpoint/admission.h"

/* An abstract listening socket, and a child that connects to it and then waits or goes. */
struct door {
        int listen_fd, fd;
        pid_t pid;
        struct caller caller;
};

enum behaviour { STAYS, ENDS, BECOMES_SLEEP };

static void become(uid_t uid, gid_t gid, gid_t group)
{
        if (getuid() != 0)
                return;
        if (setgroups(1, &group) < 0 || setresgid(gid, gid, gid) < 0 ||
            setresuid(uid, uid, uid) < 0)
                _exit(9);
}

static void open_door(struct door *door, enum behaviour behaviour)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(sa_family_t);

        *door = (struct door){ .fd = -1 };
        door->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(door->listen_fd, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(door->listen_fd, 1), 0);
        size = sizeof(address);
        assert_int_equal(getsockname(door->listen_fd, (struct sockaddr *)&address, &size), 0);
        door->pid = fork();
        if (door->pid == 0) {
                int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

                become(61001, 61002, 61003);
                if (connect(fd, (struct sockaddr *)&address, size) < 0)
                        _exit(8);
                if (behaviour == ENDS)
                        _exit(0);
                if (behaviour == BECOMES_SLEEP)
                        (void)execl("/usr/bin/sleep", "sleep", "60", NULL);
                (void)pause();
                _exit(7);
        }
        door->fd = accept4(door->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(door->fd >= 0);
}

static void close_door(struct door *door)
{
        caller_deinit(&door->caller);
        close_fd(door->fd);
        close_fd(door->listen_fd);
        if (door->pid > 0) {
                (void)kill(door->pid, SIGKILL);
                (void)waitpid(door->pid, NULL, 0);
        }
}

static bool is_let_in(const struct caller *caller, enum manifest_peer_kind kind, const char *value,
                      const char *team)
{
        struct manifest_peer peer = { .kind = kind, .value = (char *)value };
        const struct manifest_endpoint endpoint = { .name = "x", .peers = &peer, .n_peers = 1 };
        struct endpoint_declaration copy;
        bool result;

        assert_int_equal(declaration_make(&copy, &endpoint), 0);
        result = admission_allows(&copy, caller, team);
        declaration_deinit(&copy);
        return result;
}

static void each_kind_of_peer_is_a_question(void **state)
{
        struct door door;
        char own[256] = "";

        if (getuid() != 0)
                skip();
        assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
        open_door(&door, STAYS);
        assert_int_equal(caller_identify(door.fd, &door.caller), 0);
        assert_int_equal(door.caller.pid, door.pid);
        assert_string_equal(door.caller.program, own);
        assert_true(door.caller.started_ticks > 0);
        assert_int_equal(door.caller.cgroup[0], '/');

        assert_true(is_let_in(&door.caller, MANIFEST_PEER_EVERYONE, NULL, NULL));
        assert_true(is_let_in(&door.caller, MANIFEST_PEER_USER, "61001", NULL));
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_USER, "61002", NULL));
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_USER, "root", NULL));
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_USER, "nobody-of-that-name", NULL));
        assert_true(is_let_in(&door.caller, MANIFEST_PEER_GROUP, "61002", NULL));
        assert_true(
                is_let_in(&door.caller, MANIFEST_PEER_GROUP, "61003", NULL)); /* supplementary */
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_GROUP, "61001", NULL));
        assert_true(is_let_in(&door.caller, MANIFEST_PEER_TEAM, "EXAMPLE", "EXAMPLE"));
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_TEAM, "EXAMPLE", "OTHER"));
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_TEAM, "EXAMPLE", NULL));
        assert_true(is_let_in(&door.caller, MANIFEST_PEER_EXECUTABLE, own, NULL));
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_EXECUTABLE, "/usr/bin/env", NULL));
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_EXECUTABLE, "/nonexistent", NULL));
        close_door(&door);
}

static void one_peer_of_several_is_enough_and_none_is_not(void **state)
{
        struct endpoint_peer peers[] = {
                { .kind = MANIFEST_PEER_USER, .value = "4000000000" },
                { .kind = MANIFEST_PEER_EVERYONE },
        };
        struct endpoint_declaration declaration = { .name = "x", .peers = peers, .n_peers = 2 };
        struct caller caller = { .program = "", .cgroup = "" };
        _cleanup_free_ char *said = declaration_describe_peers(&declaration);

        assert_true(admission_allows(&declaration, &caller, NULL));
        assert_string_equal(said, "the user 4000000000, everyone");
        declaration.n_peers = 1;
        assert_false(admission_allows(&declaration, &caller, NULL));
        declaration.n_peers = 0;
        assert_false(admission_allows(&declaration, &caller, NULL));
}

/* Its user is kept with the socket; what it executed is not known any more. */
static void a_process_that_is_gone_is_only_its_user(void **state)
{
        struct door door;

        open_door(&door, ENDS);
        assert_int_equal(waitpid(door.pid, NULL, 0), door.pid);
        assert_int_equal(caller_identify(door.fd, &door.caller), 0);
        assert_string_equal(door.caller.program, "");
        assert_int_equal(door.caller.executable.inode, 0);
        if (getuid() == 0)
                assert_true(is_let_in(&door.caller, MANIFEST_PEER_USER, "61001", NULL));
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_EXECUTABLE, "/proc/self/exe", NULL));
        door.pid = 0;
        close_door(&door);
}

static pid_t become_pid(pid_t pid, const char *program)
{
        struct clone_args args = {
                .exit_signal = SIGCHLD,
                .set_tid = (uint64_t)(uintptr_t)&pid,
                .set_tid_size = 1,
        };
        pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

        if (child == 0) {
                (void)execl(program, program, "60", NULL);
                _exit(1);
        }
        return child;
}

static bool executes(pid_t pid, const char *program)
{
        char path[32], at[256] = "";

        snprintf(path, sizeof(path), "/proc/%d/exe", pid);
        return readlink(path, at, sizeof(at) - 1) > 0 && strcmp(at, program) == 0;
}

/* The race of I12: who connected is gone, and its number is that of a program that may. */
static void a_pid_that_another_process_got_lets_nobody_in(void **state)
{
        struct door door;
        pid_t other;

        open_door(&door, ENDS);
        assert_int_equal(waitpid(door.pid, NULL, 0), door.pid);
        other = become_pid(door.pid, "/usr/bin/sleep");
        if (other < 0) {
                close_door(&door);
                skip(); /* needs CAP_CHECKPOINT_RESTORE */
        }
        assert_int_equal(other, door.pid);
        while (!executes(other, "/usr/bin/sleep"))
                (void)poll(NULL, 0, 1);
        assert_int_equal(caller_identify(door.fd, &door.caller), 0);
        assert_int_equal(door.caller.pid, other);
        assert_string_equal(door.caller.program, "");
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_EXECUTABLE, "/usr/bin/sleep", NULL));
        close_door(&door);
}

static void a_program_is_its_file_and_not_its_path(void **state)
{
        struct door door;
        char copy[] = "/tmp/netext-test-admission-XXXXXX";
        int fd = mkstemp(copy);

        assert_true(fd >= 0);
        close_fd(fd);
        open_door(&door, BECOMES_SLEEP);
        while (!executes(door.pid, "/usr/bin/sleep"))
                (void)poll(NULL, 0, 1);
        assert_int_equal(caller_identify(door.fd, &door.caller), 0);
        assert_true(is_let_in(&door.caller, MANIFEST_PEER_EXECUTABLE, "/usr/bin/sleep", NULL));
        /* Another path to it, and another file at a path. */
        assert_int_equal(unlink(copy), 0);
        assert_int_equal(symlink("/usr/bin/sleep", copy), 0);
        assert_true(is_let_in(&door.caller, MANIFEST_PEER_EXECUTABLE, copy, NULL));
        assert_int_equal(unlink(copy), 0);
        assert_int_equal(symlink("/usr/bin/env", copy), 0);
        assert_false(is_let_in(&door.caller, MANIFEST_PEER_EXECUTABLE, copy, NULL));
        assert_int_equal(unlink(copy), 0);
        close_door(&door);
}

static void a_declaration_is_copied_whole(void **state)
{
        char *command[] = { "/usr/bin/app", "--quietly", NULL };
        char *other_command[] = { "/usr/bin/app", NULL };
        struct manifest_peer peer = { .kind = MANIFEST_PEER_USER, .value = "root" };
        struct manifest_endpoint endpoint = {
                .name = "x", .peers = &peer, .n_peers = 1, .activation = command
        };
        struct endpoint_declaration declaration;

        assert_int_equal(declaration_make(&declaration, &endpoint), 0);
        assert_true(peer_is_unknown(&declaration.peers[0]));
        assert_true(declaration_is_of(&declaration, &endpoint));
        endpoint.activation = other_command;
        assert_false(declaration_is_of(&declaration, &endpoint));
        endpoint.activation = NULL;
        assert_false(declaration_is_of(&declaration, &endpoint));
        endpoint.activation = command;
        peer.value = "daemon";
        assert_false(declaration_is_of(&declaration, &endpoint));
        endpoint.n_peers = 0;
        assert_false(declaration_is_of(&declaration, &endpoint));
        declaration_deinit(&declaration);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_of_peer_is_a_question),
                cmocka_unit_test(one_peer_of_several_is_enough_and_none_is_not),
                cmocka_unit_test(a_process_that_is_gone_is_only_its_user),
                cmocka_unit_test(a_pid_that_another_process_got_lets_nobody_in),
                cmocka_unit_test(a_program_is_its_file_and_not_its_path),
                cmocka_unit_test(a_declaration_is_copied_whole),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
