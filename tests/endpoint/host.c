/* SPDX-License-Identifier: Apache-2.0 */

/* See host.h. */

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "host.h"
#include "manager/endpoint/table.h"
#include "manager/loop/peer.h"
#include "manager/loop/timer.h"
#include "manager/priv/process.h"

#define FOLDER     "/run/netext/" HOST_INSTANCE "/endpoints"
#define CONTROL_FD 3

struct run {
        struct served *served;
        struct peer control;
        struct process process;
        bool is_ready;
};

struct served {
        const struct host_extension *extension;
        struct hosting *hosting;
        struct run runs[2]; /* the incumbent, and who takes over from it */
        unsigned int current;
        bool is_held, has_failed;
        unsigned int n_wanted;
        sd_event_source *deadline;
};

struct hosting {
        sd_event *event;
        struct endpoint_table table;
        struct served *served;
        size_t n_served;
};

int host_enter_private_run(void)
{
        if (unshare(CLONE_NEWNS) < 0)
                return -errno;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 ||
            mkdir("/run/netext", 0711) < 0 || mkdir("/run/netext/" HOST_INSTANCE, 0711) < 0)
                return -errno;
        return 0;
}

static struct run *incumbent(struct served *served)
{
        return &served->runs[served->current];
}

static struct served *find_served(struct hosting *hosting, const char *identifier)
{
        for (size_t i = 0; i < hosting->n_served; i++)
                if (strcmp(hosting->served[i].extension->identifier, identifier) == 0)
                        return &hosting->served[i];
        return NULL;
}

static int hand_over(const char *extension, const char *endpoint, const struct caller *caller,
                     int fd, char **ret_why, void *userdata)
{
        struct served *served = find_served(userdata, extension);
        struct run *run = incumbent(served);
        struct wire_writer *writer;

        if (served->has_failed) {
                *ret_why = strdup("it has failed, says the test");
                return -EHOSTDOWN;
        }
        if (!run->is_ready)
                return -EAGAIN;
        writer = peer_begin(&run->control, NX_MSG_EXTENSION_ENDPOINT_PEER, 0);
        wire_put_string(writer, WIRE_ATTR_NAME, endpoint);
        wire_put(writer, WIRE_ATTR_PID, (uint64_t)caller->pid);
        wire_put(writer, WIRE_ATTR_STARTED_TICKS, caller->started_ticks);
        wire_put(writer, WIRE_ATTR_UID, caller->uid);
        wire_put(writer, WIRE_ATTR_GID, caller->gid);
        wire_put_string(writer, WIRE_ATTR_PROGRAM, caller->program);
        wire_put_string(writer, WIRE_ATTR_CGROUP, caller->cgroup);
        return peer_send(&run->control, fd);
}

static const char *team_of(uid_t uid, void *userdata)
{
        return uid == 61999 ? HOST_TEAM : NULL;
}

static const struct endpoint_host endpoint_host = {
        .hand_over = hand_over,
        .team_of = team_of,
};

/* --- processes of extensions ---------------------------------------------------------------- */

static void run_start(struct run *run);

static int restart(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct served *served = userdata;

        timer_stop(&served->deadline);
        if (!process_is_alive(&incumbent(served)->process)) /* else another has taken over */
                run_start(incumbent(served));
        return 0;
}

static void run_ended(const char *how, bool clean, void *userdata)
{
        struct run *run = userdata;
        struct served *served = run->served;

        peer_close(&run->control);
        run->is_ready = false;
        if (run == incumbent(served) && !served->is_held && !served->has_failed)
                (void)timer_start(served->hosting->event, &served->deadline, 1, restart, served);
}

/* A successor that said hello takes over; the incumbent ends when its connections are over. */
static void take_over(struct run *run)
{
        struct served *served = run->served;
        struct run *old = incumbent(served);

        if (old == run)
                return;
        served->current = (unsigned int)(run - served->runs);
        if (!old->is_ready) {
                process_signal(&old->process, SIGKILL);
                return;
        }
        (void)peer_begin(&old->control, NX_MSG_EXTENSION_ENDPOINTS_LEAVE, 0);
        (void)peer_send(&old->control, -1);
}

/* What an incumbent, or the one before it, says of its endpoints. */
static int endpoint_message(struct run *run, const struct wire_message *message)
{
        struct endpoint_table *table = &run->served->hosting->table;
        const char *identifier = run->served->extension->identifier;
        const char *name = wire_get_string(message, WIRE_ATTR_NAME);

        if (message->type == NX_MSG_MANAGER_ENDPOINTS_LEFT)
                process_signal(&run->process, SIGTERM);
        if (run != incumbent(run->served))
                return 0;
        if (message->type == NX_MSG_MANAGER_ENDPOINT_TAKEN)
                endpoint_table_taken(table, identifier, name);
        if (message->type != NX_MSG_MANAGER_ENDPOINT_WANTS_PEER)
                return 0;
        run->served->n_wanted++;
        return endpoint_table_wants_peer(table, identifier, name);
}

static int run_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct run *run = userdata;

        if (message->type != NX_MSG_MANAGER_EXTENSION_HELLO)
                return endpoint_message(run, message);
        run->is_ready = true;
        take_over(run);
        endpoint_table_ready(&run->served->hosting->table, run->served->extension->identifier);
        return 0;
}

static void run_lost(const char *why, void *userdata)
{
        struct run *run = userdata;

        run->is_ready = false;
}

static _Noreturn void become_extension(const struct run *run, int control_fd)
{
        sigset_t none;
        int copy;

        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        copy = dup2(control_fd, CONTROL_FD);
        (void)close_range(CONTROL_FD + 1, ~0U, 0);
        if (copy != CONTROL_FD)
                _exit(99);
        (void)setenv("NETEXT_CONTROL_FD", "3", 1);
        (void)unsetenv("NETEXT_EXTENSION_SOCKET");
        exit(nx_main(run->served->extension->table, NULL));
}

static void run_start(struct run *run)
{
        struct hosting *hosting = run->served->hosting;
        int pair[2];
        pid_t pid;

        if (channel_pair(pair) < 0 || process_is_alive(&run->process))
                abort();
        pid = fork();
        if (pid == 0)
                become_extension(run, pair[1]);
        close_fd(pair[1]);
        if (pid < 0 ||
            peer_open(&run->control, hosting->event, pair[0], run_message, run_lost, run) < 0 ||
            process_open(&run->process, hosting->event, pid, 0, run_ended, run) < 0)
                abort();
}

/* --- what the test asks --------------------------------------------------------------------- */

struct count {
        int waiting, refused, connections;
};

static void add_up(const struct endpoint_view *view, void *userdata)
{
        struct count *count = userdata;

        count->waiting += (int)view->n_waiting;
        count->refused += (int)view->n_refused;
        count->connections += (int)view->n_connections;
}

static int declare(struct served *served)
{
        const struct host_extension *extension = served->extension;
        _cleanup_free_ char *problem = NULL;
        int r;

        r = endpoint_table_declare(&served->hosting->table, extension->identifier, HOST_TEAM,
                                   extension->declarations, extension->n_declarations, &problem);
        if (r < 0)
                log_error("%s", problem ?: strerror(-r));
        return r;
}

static int replace(struct served *served)
{
        struct run *next = &served->runs[!served->current];

        if (process_is_alive(&next->process))
                return -EBUSY;
        run_start(next);
        return 0;
}

static int count_descriptors(void)
{
        _cleanup_dir_ DIR *folder = opendir("/proc/self/fd");
        int n = 0;

        while (folder && readdir(folder))
                n++;
        return n;
}

static int do_command(struct served *served, enum host_command command)
{
        struct endpoint_table *table = &served->hosting->table;
        const char *identifier = served->extension->identifier;
        struct run *run = incumbent(served);
        struct count count = {};

        endpoint_table_view(table, identifier, add_up, &count);
        switch (command) {
        case HOST_PID:
                return run->is_ready ? run->process.pid : 0;
        case HOST_PID_BEFORE:
                return served->runs[!served->current].process.pid;
        case HOST_KILL:
                process_signal(&run->process, SIGKILL);
                return 0;
        case HOST_HOLD:
                served->is_held = true;
                return 0;
        case HOST_GO_ON:
                served->is_held = served->has_failed = false;
                run_start(run);
                return 0;
        case HOST_FAIL:
                served->has_failed = true;
                process_signal(&run->process, SIGKILL);
                endpoint_table_failed(table, identifier, "it has failed, says the test");
                return 0;
        case HOST_REPLACE:
                return replace(served);
        case HOST_DEACTIVATE:
                endpoint_table_withdraw(table, identifier);
                return 0;
        case HOST_ACTIVATE:
                return declare(served);
        case HOST_WAITING:
                return count.waiting;
        case HOST_REFUSED:
                return count.refused;
        case HOST_CONNECTIONS:
                return count.connections;
        case HOST_WANTED:
                return (int)served->n_wanted;
        case HOST_DESCRIPTORS:
                return count_descriptors();
        default:
                return -EINVAL;
        }
}

static int on_command(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct hosting *hosting = userdata;
        int command[2], answer;

        if (recv(fd, command, sizeof(command), 0) != sizeof(command))
                return sd_event_exit(hosting->event, 0);
        answer = do_command(&hosting->served[command[1]], (enum host_command)command[0]);
        (void)!send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);
        return 0;
}

static int host_open(struct hosting *hosting, const struct host_extension *extensions, size_t n)
{
        int r;

        hosting->served = calloc(n, sizeof(*hosting->served));
        hosting->n_served = n;
        r = endpoint_table_open(&hosting->table);
        for (size_t i = 0; r >= 0 && i < n; i++) {
                struct served *served = &hosting->served[i];

                served->extension = &extensions[i];
                served->hosting = hosting;
                for (size_t j = 0; j < ARRAY_SIZE(served->runs); j++)
                        served->runs[j] = (struct run){ .served = served,
                                                        .control = PEER_NULL,
                                                        .process = PROCESS_NULL };
                r = declare(served);
                run_start(incumbent(served));
        }
        endpoint_table_sweep(&hosting->table, NULL, NULL);
        return r;
}

static void host_close(struct hosting *hosting)
{
        for (size_t i = 0; i < hosting->n_served; i++) {
                struct served *served = &hosting->served[i];

                timer_stop(&served->deadline);
                for (size_t j = 0; j < ARRAY_SIZE(served->runs); j++) {
                        process_signal(&served->runs[j].process, SIGKILL);
                        process_close(&served->runs[j].process);
                        peer_close(&served->runs[j].control);
                }
        }
        endpoint_table_deinit(&hosting->table);
        sd_event_unref(hosting->event);
        free(hosting->served);
}

int host_serve(const struct host_extension *extensions, size_t n_extensions, int fd)
{
        struct hosting hosting = {};
        int r;

        log_open("host", LOG_LEVEL_ERROR);
        r = sd_event_new(&hosting.event);
        if (r < 0)
                return r;
        endpoint_table_init(&hosting.table, hosting.event, FOLDER, &endpoint_host, &hosting);
        r = sd_event_add_io(hosting.event, NULL, fd, EPOLLIN, on_command, &hosting);
        if (r >= 0)
                r = host_open(&hosting, extensions, n_extensions);
        if (r >= 0)
                r = sd_event_loop(hosting.event);
        host_close(&hosting);
        return r;
}

/* --- the test's side ------------------------------------------------------------------------ */

void host_start(struct host *host, const struct host_extension *extensions, size_t n_extensions)
{
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        *host = (struct host){ .extensions = extensions, .n_extensions = n_extensions };
        host->fd = pair[0];
        host->pid = fork();
        assert_true(host->pid >= 0);
        if (host->pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                close_fd(pair[0]);
                _exit(host_serve(extensions, n_extensions, pair[1]) < 0);
        }
        close_fd(pair[1]);
        for (size_t i = 0; i < n_extensions; i++)
                (void)host_ask(host, HOST_PID, i); /* it listens once it answers */
}

void host_stop(struct host *host)
{
        int status;

        (void)shutdown(host->fd, SHUT_RDWR); /* whoever else was forked has it too */
        close_fd(host->fd);
        assert_int_equal(waitpid(host->pid, &status, 0), host->pid);
        assert_int_equal(status, 0);
}

int host_ask(struct host *host, enum host_command command, size_t index)
{
        int question[2] = { (int)command, (int)index }, answer = 0;

        assert_int_equal(send(host->fd, question, sizeof(question), MSG_NOSIGNAL),
                         sizeof(question));
        assert_int_equal(recv(host->fd, &answer, sizeof(answer), 0), sizeof(answer));
        return answer;
}

void host_await(struct host *host, enum host_command command, size_t index, int answer)
{
        for (int i = 0; i < 5000; i++) {
                if (host_ask(host, command, index) == answer)
                        return;
                (void)poll(NULL, 0, 2);
        }
        assert_int_equal(host_ask(host, command, index), answer);
}
