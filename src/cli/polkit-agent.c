/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pkttyagent(1) is there for whoever started it, and closes a descriptor when it can be asked (or
 * ends). It speaks with the terminal itself, so what it could write elsewhere are complaints; what
 * comes of them the daemon's answer says.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/polkit-agent.h"

static pid_t agent_pid;

static void end_agent(void)
{
        (void)kill(agent_pid, SIGTERM);
        (void)kill(agent_pid, SIGCONT);
        (void)waitpid(agent_pid, NULL, 0);
}

static _Noreturn void become_agent(int ready_fd)
{
        int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        char number[16];

        snprintf(number, sizeof(number), "%d", ready_fd);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && dup2(null_fd, STDOUT_FILENO) >= 0 &&
            dup2(null_fd, STDERR_FILENO) >= 0 && fcntl(ready_fd, F_SETFD, 0) == 0)
                execlp("pkttyagent", "pkttyagent", "--notify-fd", number, "--fallback", NULL);
        _exit(127);
}

void polkit_agent_start(void)
{
        _cleanup_fd_ int ready_fd = -1;
        int ends[2];
        char byte;

        if (agent_pid || geteuid() == 0 || !isatty(STDIN_FILENO) || pipe2(ends, O_CLOEXEC) < 0)
                return;
        ready_fd = ends[0];
        agent_pid = fork();
        if (agent_pid == 0)
                become_agent(ends[1]);
        close_fd(ends[1]);
        if (agent_pid < 0 || atexit(end_agent) != 0)
                return;
        (void)!read(ready_fd, &byte, 1);
}
