/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Starts and ends a netextd. It gets a session of its own, so that Ctrl-C on the
 * terminal reaches the command and not what filters it; it writes to our stderr only.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/run/daemon.h"

#define END_WAIT_MS 10000
#define OWNER_FD    3
#define OWNER_TEXT  "3"

_Noreturn static void become_daemon(const char *program, int owner_fd,
                                    const struct run_daemon_configuration *conf)
{
        sigset_t none;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setsid();
        (void)!chdir("/");
        dup2(null, STDIN_FILENO);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        /* dup2() onto itself would leave close-on-exec set. */
        if (owner_fd == OWNER_FD)
                fcntl(owner_fd, F_SETFD, 0);
        else
                dup2(owner_fd, OWNER_FD);
        close_range(OWNER_FD + 1, ~0U, 0);
        execl(program, program, "--instance", conf->instance, "--cgroup", conf->cgroup,
              "--extension-cgroup", conf->extension_cgroup, "--mark-mask", conf->mark_mask,
              "--owner-fd", OWNER_TEXT, NULL);
        cli_complain("cannot run %s: %s; is netext installed completely?", program,
                     strerror(errno));
        _exit(CLI_RUN_FAILED);
}

static int complain_not_started(int error)
{
        cli_complain("cannot start netextd: %s", strerror(error));
        return -error;
}

int run_daemon_start(struct run_daemon *daemon, const struct run_daemon_configuration *conf)
{
        _cleanup_free_ char *program = cli_installed_path("sbin/netextd");
        _cleanup_fd_ int ours = -1, theirs = -1, pid_fd = -1;
        int ends[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
                return complain_not_started(errno);
        ours = ends[0];
        theirs = ends[1];
        pid = fork();
        if (pid < 0)
                return complain_not_started(errno);
        if (pid == 0)
                become_daemon(program, theirs, conf);
        pid_fd = pidfd_open(pid, 0);
        if (pid_fd < 0) /* it ends by itself: the owner socket closes here */
                return complain_not_started(errno);
        close_fd(daemon->owner_fd);
        *daemon = (struct run_daemon){
                .pid = pid,
                .pid_fd = take_fd(&pid_fd),
                .owner_fd = take_fd(&ours),
                .n_starts = daemon->n_starts + 1,
        };
        return 0;
}

void run_daemon_read_owner(struct run_daemon *daemon)
{
        char byte;

        if (recv(daemon->owner_fd, &byte, 1, MSG_DONTWAIT) == 1)
                daemon->ready = true;
        else /* it closed its end: pid_fd tells the rest */
                daemon->owner_fd = close_fd(daemon->owner_fd);
}

int run_daemon_reap(struct run_daemon *daemon)
{
        int status = 0;

        waitpid(daemon->pid, &status, 0);
        daemon->pid_fd = close_fd(daemon->pid_fd);
        daemon->owner_fd = close_fd(daemon->owner_fd);
        daemon->ready = false;
        return status;
}

int run_daemon_end(struct run_daemon *daemon)
{
        struct pollfd ended = { .fd = daemon->pid_fd, .events = POLLIN };

        daemon->owner_fd = close_fd(daemon->owner_fd);
        if (!run_daemon_is_alive(daemon))
                return -EPIPE;
        if (poll(&ended, 1, END_WAIT_MS) > 0)
                return run_daemon_reap(daemon) == 0 ? 0 : -EPIPE;
        cli_complain("netextd (pid %d) has not ended after %d s; it goes on trying",
                     (int)daemon->pid, END_WAIT_MS / 1000);
        return -ETIMEDOUT;
}
