/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl run: one command under an instance of its own, for as long as it runs.
 *
 *   cgroups -> netextd -> sessions -> command -> summary -> netextd ends -> cgroups go
 *
 * While the command runs, netextctl waits for three things in one poll(2): the command
 * ended, netextd died (another is started, which adopts flowd and the extensions), or a
 * signal came. Ctrl-C and Ctrl-\ are the command's, which is in the same process group
 * and gets them from the terminal; SIGTERM and SIGHUP come to us alone and are passed on.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/writer.h"
#include "cli/run/cgroup.h"
#include "cli/run/daemon.h"
#include "cli/run/sessions.h"
#include "cli/run/summary.h"

#define READY_WAIT_MS 15000
#define DEATH_WAIT_MS 1000
#define RESTARTS_MAX  5

static struct option_list extensions;
static const char *rules;
static const char *fail_policy;
static const char *summary_path;

static const char *const fail_policies[] = { "open", "closed", "last-rules", NULL };

const struct cli_option run_options[] = {
        { "with", "EXTENSION[:KIND][=RULES][,...]",
          "extensions to run it under, by identifier or path; may be repeated",
          .list = &extensions },
        { "rules", "FILE", "short for --with firewall=FILE", .string = &rules },
        { "fail-policy", "open|closed|last-rules",
          "what becomes of flows nobody decides; default open", .words = fail_policies,
          .string = &fail_policy },
        { "summary", "FILE", "write the summary there instead of to stderr",
          .string = &summary_path },
        {},
};

/* The bits of the mark that the instance of each level of nesting owns. */
static const char *const mark_masks[] = { "0xf0000000", "0x00f00000", "0x000f0000" };

struct run {
        char *instance;
        struct run_cgroup cgroup;
        struct run_daemon daemon;
        struct run_daemon_configuration configuration;
        sigset_t old_signals;
        bool has_kernel_objects; /* netextd was ready once */
        int signal_fd;
        int signalled;     /* the last signal that asked us to end */
        pid_t command_pid; /* 0: not yet */
        int command_fd;    /* readable when the command ended; -1 before and after */
        int status;
};

static int run_block_signals(struct run *run)
{
        sigset_t signals, broken_pipe;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGQUIT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGHUP);
        sigprocmask(SIG_BLOCK, &signals, &run->old_signals);
        /* Nobody may read our stderr any more; there is still work to do then. */
        sigemptyset(&broken_pipe);
        sigaddset(&broken_pipe, SIGPIPE);
        sigprocmask(SIG_BLOCK, &broken_pipe, NULL);
        run->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        if (run->signal_fd < 0) {
                cli_complain("cannot wait for signals: %s", strerror(errno));
                return -1;
        }
        return 0;
}

static void run_handle_signal(struct run *run)
{
        struct signalfd_siginfo info;

        if (read(run->signal_fd, &info, sizeof(info)) != sizeof(info))
                return;
        if (run->command_fd < 0)
                run->signalled = (int)info.ssi_signo;
        else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)
                pidfd_send_signal(run->command_fd, (int)info.ssi_signo, NULL, 0);
}

/* While a command runs, or is about to be summed up, another netextd takes over. */
static void run_handle_daemon_death(struct run *run)
{
        int status = run_daemon_reap(&run->daemon);
        _cleanup_free_ char *how = WIFSIGNALED(status)
                                           ? cli_format("was killed by signal %d", WTERMSIG(status))
                                           : cli_format("exited with %d", WEXITSTATUS(status));

        if (run->command_pid <= 0) {
                cli_complain("netextd %s", how);
        } else if (run->daemon.n_starts > RESTARTS_MAX) {
                cli_complain("netextd %s and was started again %d times; the command goes on with "
                             "what netext-flowd decides alone",
                             how, RESTARTS_MAX);
        } else {
                cli_complain("netextd %s; starting it again", how);
                run_daemon_start(&run->daemon, &run->configuration);
        }
}

static void run_handle_command_end(struct run *run)
{
        int status = 0;

        waitpid(run->command_pid, &status, 0);
        run->status = WIFSIGNALED(status) ? CLI_RUN_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
        run->command_fd = close_fd(run->command_fd);
}

/* Waits until something happens, at most timeout_ms (-1: for ever), and handles it. */
static void run_step(struct run *run, int timeout_ms)
{
        struct pollfd events[] = {
                { .fd = run->signal_fd, .events = POLLIN },
                { .fd = run->daemon.owner_fd, .events = POLLIN },
                { .fd = run->daemon.pid_fd, .events = POLLIN },
                { .fd = run->command_fd, .events = POLLIN },
        };

        if (poll(events, ARRAY_SIZE(events), timeout_ms) <= 0)
                return;
        if (events[0].revents)
                run_handle_signal(run);
        if (events[1].revents)
                run_daemon_read_owner(&run->daemon);
        if (events[2].revents)
                run_handle_daemon_death(run);
        if (events[3].revents)
                run_handle_command_end(run);
}

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until netextd is ready. 0; or -1 if it died, a signal came, or the time is over. */
static int run_wait_ready(struct run *run)
{
        int64_t deadline = now_ms() + READY_WAIT_MS, now;

        while (!run->daemon.ready && !run->signalled && run_daemon_is_alive(&run->daemon)) {
                now = now_ms();
                if (now >= deadline) {
                        cli_complain("netextd was not ready after %d s", READY_WAIT_MS / 1000);
                        return -1;
                }
                run_step(run, (int)(deadline - now));
        }
        return run->daemon.ready && !run->signalled ? 0 : -1;
}

static int run_start_daemon(struct run *run)
{
        unsigned int level = run->cgroup.level;

        if (level >= ARRAY_SIZE(mark_masks)) {
                cli_complain("runs can be inside of each other %zu deep, and this one is deeper: "
                             "there are no mark bits left for it",
                             ARRAY_SIZE(mark_masks));
                return -1;
        }
        run->configuration = (struct run_daemon_configuration){
                .instance = run->instance,
                .cgroup = run->cgroup.apps,
                .extension_cgroup = run->cgroup.path,
                .mark_mask = mark_masks[level],
        };
        if (run_daemon_start(&run->daemon, &run->configuration))
                return -1;
        run->has_kernel_objects = run_wait_ready(run) == 0;
        return run->has_kernel_objects ? 0 : -1;
}

_Noreturn static void become_command(const struct run *run, char **words)
{
        int r = run_cgroup_enter(&run->cgroup);

        if (r) {
                cli_complain("cannot enter the cgroup %s: %s", run->cgroup.apps, strerror(-r));
                _exit(CLI_RUN_FAILED);
        }
        setenv("NETEXT_INSTANCE", run->instance, 1);
        sigprocmask(SIG_SETMASK, &run->old_signals, NULL);
        execvp(words[0], words);
        r = errno;
        cli_complain("cannot run '%s': %s", words[0], strerror(r));
        _exit(r == ENOENT ? CLI_RUN_NOT_FOUND : CLI_RUN_NOT_EXECUTABLE);
}

static int run_start_command(struct run *run, char **words)
{
        fflush(NULL);
        run->command_pid = fork();
        if (run->command_pid == 0)
                become_command(run, words);
        if (run->command_pid > 0)
                run->command_fd = pidfd_open(run->command_pid, 0);
        if (run->command_fd < 0) {
                cli_complain("cannot start '%s': %s", words[0], strerror(errno));
                return -1;
        }
        return 0;
}

/* Sees to it that a netextd is there to be asked. grace_ms: how long it may take to be seen
 * dying. 0 or -1. */
static int run_revive(struct run *run, int grace_ms)
{
        run_step(run, grace_ms);
        if (!run_daemon_is_alive(&run->daemon) &&
            run_daemon_start(&run->daemon, &run->configuration))
                return -1;
        return run_wait_ready(run);
}

/* NULL after a complaint. */
static struct nx_list *run_list_flows(struct run *run, int grace_ms)
{
        _cleanup_manager_ struct nx_manager *manager = NULL;
        struct nx_list *flows = NULL;

        if (run_revive(run, grace_ms))
                return NULL;
        manager = cli_open(run->instance);
        if (manager && nx_manager_list_flows(manager, 0, &flows))
                cli_complain("%s", nx_manager_get_error(manager));
        return flows;
}

static void run_summarize(struct run *run, const struct cli *cli, FILE *out)
{
        _cleanup_list_ struct nx_list *flows = run_list_flows(run, 0);
        struct run_outcome outcome = {
                .instance = run->instance,
                .command = cli->arguments[0],
                .status = run->status,
        };

        if (!flows && !run->signalled) /* its connection ends before it does */
                flows = run_list_flows(run, DEATH_WAIT_MS);
        if (!flows)
                return;
        run_summary_print(out, cli->json, &outcome, flows);
        writer_finish(out);
}

/* From here on the cgroups and netextd are there, or partly so; the caller takes them away. */
static int run_command(struct run *run, const struct cli *cli, const struct run_sessions *sessions,
                       FILE *out)
{
        if (run_cgroup_open(&run->cgroup) || run_start_daemon(run) ||
            run_sessions_start(sessions, run->instance, fail_policy) ||
            run_start_command(run, cli->arguments))
                return run->signalled ? CLI_RUN_SIGNAL + run->signalled : CLI_RUN_FAILED;
        while (run->command_fd >= 0)
                run_step(run, -1);
        run_summarize(run, cli, out);
        return run->status;
}

/* Takes away what there is. A netextd that died before it could left its kernel objects, and
 * nobody else would remove them: one more is started, to adopt them and end. */
static void run_deinit(struct run *run)
{
        int r = run_daemon_end(&run->daemon);

        if (r == -EPIPE && run->has_kernel_objects &&
            run_daemon_start(&run->daemon, &run->configuration) == 0) {
                run_wait_ready(run);
                run_daemon_end(&run->daemon);
        }
        run_cgroup_close(&run->cgroup);
        close_fd(run->signal_fd);
        free(run->instance);
}

int verb_run(struct cli *cli)
{
        _cleanup_(run_deinit) struct run run = {
                .daemon = RUN_DAEMON_NULL,
                .signal_fd = -1,
                .command_fd = -1,
        };
        _cleanup_(run_sessions_deinit) struct run_sessions sessions = {};
        _cleanup_file_ FILE *summary = NULL;

        if (geteuid() != 0) {
                cli_complain("run makes a cgroup and starts netextd, which only root may: 'sudo "
                             "netextctl run ...'");
                return CLI_RUN_FAILED;
        }
        if (run_sessions_read(&sessions, &extensions, rules))
                return CLI_RUN_FAILED;
        if (summary_path) {
                summary = fopen(summary_path, "we");
                if (!summary) {
                        cli_complain("cannot write '%s': %s", summary_path, strerror(errno));
                        return CLI_RUN_FAILED;
                }
        }
        run.instance = cli_format("run-%d", (int)getpid());
        if (run_block_signals(&run))
                return CLI_RUN_FAILED;
        return run_command(&run, cli, &sessions, summary ?: stderr);
}
