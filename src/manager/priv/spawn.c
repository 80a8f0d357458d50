/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The child gives everything up in one function, in the order in which it still can:
 * cgroup and limits as root, then identity and capabilities, and the sandbox last. What a program
 * starts with is decided here and nowhere else: its descriptors, an empty signal mask, its own
 * process group and session, no core dumps, no new privileges.
 *
 * Parent and child talk over a socket pair, the gate: the child reports its set-up
 * (0 or what failed), waits for one byte, and reports a failing execve(2); success
 * closes the gate, which is close-on-exec. The parent waits for both in its loop, so neither may
 * take long: a child that was stopped in between is ended at once, and one that is slow after a
 * while.
 */

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "manager/priv/priv.h"
#include "manager/priv/sandbox.h"
#include "manager/priv/spawn.h"

#define FIRST_FD    3
#define N_FILES_MAX 65536

/* Of the loop's time: a machine may be busy, and a child that is stopped is not waited for. */
#define PATIENCE_MS 5000
#define LOOK_MS     50

/* What receive_report() returns where the child closed the gate, by execve(2) or its end. */
#define GATE_E_CLOSED 1

enum step {
        STEP_CGROUP,
        STEP_DESCRIPTORS,
        STEP_LIMITS,
        STEP_IDENTITY,
        STEP_CAPABILITIES,
        STEP_SANDBOX,
        _STEP_MAX,
};

static const char *const steps[_STEP_MAX] = {
        [STEP_CGROUP] = "enter its cgroup",
        [STEP_DESCRIPTORS] = "arrange its descriptors",
        [STEP_LIMITS] = "set its limits",
        [STEP_IDENTITY] = "take its user id",
        [STEP_CAPABILITIES] = "set its capabilities",
        [STEP_SANDBOX] = "enter its sandbox",
};

struct report {
        int error;
        unsigned int step;
};

static int enter_cgroup(int cgroup_fd)
{
        _cleanup_fd_ int fd = -1;

        if (cgroup_fd < 0)
                return 0;
        fd = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return fd < 0 || write(fd, "0", 1) < 0 ? -errno : 0;
}

/* stdin /dev/null, stdout and stderr ours or those given, then fds from 3 on, then the gate; no
 * others. */
static int arrange_descriptors(const struct spawn *spawn, int *gate_fd)
{
        int last = FIRST_FD + (int)spawn->n_fds, moved[SPAWN_FDS_MAX];
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
            (spawn->stderr_fd > STDERR_FILENO && dup2(spawn->stderr_fd, STDERR_FILENO) < 0) ||
            dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
                return -errno;
        /* First out of the way, so that no move overwrites what is still to be moved. */
        for (size_t i = 0; i < spawn->n_fds; i++) {
                moved[i] = fcntl(spawn->fds[i], F_DUPFD_CLOEXEC, last + 1);
                if (moved[i] < 0)
                        return -errno;
        }
        *gate_fd = fcntl(*gate_fd, F_DUPFD_CLOEXEC, last + 1);
        if (*gate_fd < 0)
                return -errno;
        for (size_t i = 0; i < spawn->n_fds; i++)
                if (dup2(moved[i], FIRST_FD + (int)i) < 0)
                        return -errno;
        *gate_fd = dup3(*gate_fd, last, O_CLOEXEC);
        return *gate_fd < 0 || close_range((unsigned int)last + 1, ~0U, 0) < 0 ? -errno : 0;
}

static void reset_signals(void)
{
        sigset_t none;

        for (int number = 1; number < NSIG; number++)
                (void)signal(number, SIG_DFL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_limits(const struct spawn *spawn)
{
        static const struct rlimit no_core = { 0, 0 };
        struct rlimit files;

        reset_signals();
        umask(spawn->shares_files ? 007 : 077);
        if (setsid() < 0 || chdir("/") < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0 ||
            getrlimit(RLIMIT_NOFILE, &files) < 0)
                return -errno;
        if (files.rlim_max > N_FILES_MAX)
                files.rlim_max = N_FILES_MAX;
        files.rlim_cur = files.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &files) < 0 ? -errno : 0;
}

static int take_groups(const struct spawn *spawn)
{
        struct spawn_groups own = { .gid = spawn->uid };
        const struct spawn_groups *groups = spawn->groups ?: &own;

        if (setgroups(groups->n_others, groups->others) < 0 ||
            setresgid(groups->gid, groups->gid, groups->gid) < 0)
                return -errno;
        return 0;
}

/* The bounding set goes first, while we may; KEEPCAPS carries what stays over the change of uid. */
static int take_identity(const struct spawn *spawn)
{
        const capng_type_t everywhere = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE |
                                        CAPNG_BOUNDING_SET | CAPNG_AMBIENT;
        int r;

        capng_clear(CAPNG_SELECT_ALL);
        for (unsigned int capability = 0; capability < 64; capability++)
                if (spawn->capabilities >> capability & 1)
                        (void)capng_update(CAPNG_ADD, everywhere, capability);
        if (capng_apply(CAPNG_SELECT_BOUNDS) < 0)
                return -EPERM;
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return -errno;
        r = take_groups(spawn);
        if (r < 0)
                return r;
        return setresuid(spawn->uid, spawn->uid, spawn->uid) < 0 ? -errno : 0;
}

static int set_capabilities(void)
{
        if (capng_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT) < 0)
                return -EPERM;
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int give_everything_up(const struct spawn *spawn, int *gate_fd, int *program_fd,
                              unsigned int *step)
{
        int sandbox_fd = -1, r;

        *step = STEP_CGROUP;
        r = enter_cgroup(spawn->cgroup_fd);
        if (r < 0)
                return r;
        *step = STEP_DESCRIPTORS;
        r = arrange_descriptors(spawn, gate_fd);
        if (r < 0)
                return r;
        /* If it is not there, execve() says so. */
        *program_fd = open(spawn->program, O_PATH | O_CLOEXEC);
        *step = STEP_SANDBOX;
        r = spawn->sandbox ? sandbox_open_files(spawn->sandbox, &sandbox_fd) : 0;
        if (r < 0)
                return r;
        *step = STEP_LIMITS;
        r = set_limits(spawn);
        if (r < 0)
                return r;
        *step = STEP_IDENTITY;
        r = take_identity(spawn);
        if (r < 0)
                return r;
        *step = STEP_CAPABILITIES;
        r = set_capabilities();
        /* After the change of uid, which takes it back. One who is dead already closed the gate. */
        if (r >= 0 && spawn->dies_with_us && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                r = -errno;
        if (r < 0 || !spawn->sandbox)
                return r;
        *step = STEP_SANDBOX;
        return sandbox_enter(spawn->sandbox, sandbox_fd);
}

/*
 * By its path, as everybody knows a program. Where the child's user may not walk that path
 * (a home that is private), by the descriptor that root opened: the program itself still
 * has to be executable for that user.
 */
static int execute(const struct spawn *spawn, int program_fd)
{
        char *const *argv = (char *const *)spawn->argv, *const *env = (char *const *)spawn->environ;

        (void)execve(spawn->program, argv, env);
        if (errno == EACCES && program_fd >= 0)
                (void)execveat(program_fd, "", argv, env, AT_EMPTY_PATH);
        return -errno;
}

static _Noreturn void child(const struct spawn *spawn, int gate_fd)
{
        struct report report = {};
        int program_fd = -1;
        char go;

        report.error = give_everything_up(spawn, &gate_fd, &program_fd, &report.step);
        (void)send(gate_fd, &report, sizeof(report), MSG_NOSIGNAL);
        if (report.error == 0 && recv(gate_fd, &go, 1, 0) == 1) {
                report.error = execute(spawn, program_fd);
                (void)send(gate_fd, &report, sizeof(report), MSG_NOSIGNAL);
        }
        _exit(127);
}

/* A child of its user can be stopped by that user: it is not waited for. */
static bool is_stopped(pid_t pid)
{
        siginfo_t info = {};

        return waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid == pid;
}

static int wait_for_report(const struct spawned *spawned)
{
        struct pollfd gate = { .fd = spawned->gate_fd, .events = POLLIN };

        for (int waited_ms = 0; waited_ms < PATIENCE_MS; waited_ms += LOOK_MS) {
                if (poll(&gate, 1, LOOK_MS) > 0)
                        return 0;
                if (is_stopped(spawned->pid))
                        break;
        }
        return -ETIMEDOUT;
}

/* 0; GATE_E_CLOSED; or -ETIMEDOUT. */
static int receive_report(const struct spawned *spawned, struct report *report)
{
        int r = wait_for_report(spawned);

        if (r < 0)
                return r;
        if (recv(spawned->gate_fd, report, sizeof(*report), MSG_DONTWAIT) != sizeof(*report))
                return GATE_E_CLOSED;
        return report->step < _STEP_MAX ? 0 : GATE_E_CLOSED;
}

int spawn_prepare(const struct spawn *spawn, struct spawned *ret, const char **ret_step)
{
        _cleanup_(spawn_cancel) struct spawned spawned = SPAWNED_NULL;
        struct report report = {};
        int gate[2], r;

        priv_trace(PRIV_SPAWN, spawn->program);
        *ret_step = "be made";
        if (spawn->n_fds > SPAWN_FDS_MAX)
                return -EINVAL;
        if (spawn->sandbox && sandbox_prepare() < 0)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, gate) < 0)
                return -errno;
        spawned.gate_fd = gate[0];
        spawned.pid = fork();
        if (spawned.pid == 0)
                child(spawn, gate[1]);
        close_fd(gate[1]);
        if (spawned.pid < 0)
                return -errno;
        *ret_step = "get ready (did somebody stop it?)";
        r = receive_report(&spawned, &report);
        if (r != 0)
                return r < 0 ? r : -ECHILD;
        *ret_step = steps[report.step];
        if (report.error < 0)
                return report.error;
        *ret = spawned;
        spawned = (struct spawned)SPAWNED_NULL;
        return 0;
}

int spawn_release(struct spawned *spawned)
{
        struct report report = { .error = -ECHILD };
        int r = 0;

        if (send(spawned->gate_fd, "", 1, MSG_NOSIGNAL) >= 0)
                r = receive_report(spawned, &report);
        if (r != GATE_E_CLOSED) {
                spawn_cancel(spawned);
                return r < 0 ? r : report.error;
        }
        spawned->gate_fd = close_fd(spawned->gate_fd);
        spawned->pid = 0;
        return 0;
}

void spawn_cancel(struct spawned *spawned)
{
        spawned->gate_fd = close_fd(spawned->gate_fd);
        if (spawned->pid > 0) {
                (void)kill(spawned->pid, SIGKILL); /* it may be stopped, and not see the gate */
                (void)waitpid(spawned->pid, NULL, 0);
        }
        spawned->pid = 0;
}
