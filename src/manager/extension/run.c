/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A process has its extension's uid and cgroup, no capabilities, and one control channel on
 * descriptor 3. Whatever the fault, it takes one way: run_fault() ends the process, and what
 * comes next is decided when it is dead (extension.c).
 *
 *      made → hello → … → run_let_end(): flow channels closed, control channel closed, SIGTERM,
 *                         SIGKILL, each after the one before had its time
 */

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <netext/netext.h>

#include "base/log.h"
#include "manager/extension/groups.h"
#include "manager/extension/parts.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/cgroup.h"
#include "manager/priv/give.h"
#include "manager/priv/sandbox.h"
#include "manager/priv/spawn.h"
#include "manager/priv/user.h"

#define STOP_FLOWS_MS       20    /* for flowd to close the flow channels */
#define STOP_TIMEOUT_MS     500   /* for stop_filter and stop_proxy */
#define KILL_TIMEOUT_MS     2000  /* from SIGTERM to SIGKILL */
#define SESSIONS_TIMEOUT_MS 20000 /* beyond what flowd gives each to start */
#define REPORTS_PER_SECOND  20

DEFINE_CLEANUP(struct run *, run, run_free)

static void run_close(struct run *run)
{
        peer_close(&run->control);
        run->greeted = false;
}

/* Without its deadline a process could be waited for for ever, so it is cut short. */
static void run_arm(struct run *run, uint64_t delay_ms, sd_event_time_handler_t fn)
{
        int r;

        r = timer_start(run->extension->table->event, &run->deadline, delay_ms, fn, run);
        if (r < 0) {
                log_error("%s: cannot set a timer: %s", run->extension->name, strerror(-r));
                process_signal(&run->process, SIGKILL);
        }
}

/* --- its end ------------------------------------------------------------------------------ */

static int kill_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct run *run = userdata;

        log_warning("%s: the extension (pid %d) does not end and is killed", run->extension->name,
                    run->process.pid);
        process_signal(&run->process, SIGKILL);
        return 0;
}

void run_end(struct run *run)
{
        if (run->ending)
                return;
        run->ending = true;
        run_close(run);
        process_signal(&run->process, SIGTERM);
        run_arm(run, KILL_TIMEOUT_MS, kill_late);
}

static int stop_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        run_end(userdata);
        return 0;
}

/* One that is not of one session stays without channels, too: it has to be told. */
static int let_end(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct run *run = userdata;

        if (!extension_is_of_session(run->extension)) {
                run_end(run);
                return 0;
        }
        run_close(run);
        run_arm(run, STOP_TIMEOUT_MS, stop_late);
        return 0;
}

void run_let_end(struct run *run)
{
        if (!run->ending)
                run_arm(run, STOP_FLOWS_MS, let_end);
}

void run_fault(struct run *run, int error, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;

        if (run->ending)
                return;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        if (run->extension->ran)
                log_error("%s: %s", run->extension->name, text ?: strerror(-error));
        run->failure = error;
        free(run->problem);
        run->problem = take_ptr(text);
        run_end(run);
}

static void ended(const char *how, bool clean, void *userdata)
{
        struct run *run = userdata;

        peer_drain(&run->control); /* its last words may say why */
        run_close(run);
        words_end(run);
        extension_run_ended(run, how);
}

/* --- its start ---------------------------------------------------------------------------- */

static bool run_is_alone(const struct run *run)
{
        return run->link.next == run->link.prev;
}

static struct run *run_new(struct extension *extension, enum run_role role, uint32_t number)
{
        struct run *run = calloc(1, sizeof(*run));

        if (!run)
                return NULL;
        *run = (struct run){
                .extension = extension,
                .role = role,
                .number = number,
                .process = PROCESS_NULL,
                .control = PEER_NULL,
                .words = WORDS_NULL,
        };
        list_append(&extension->runs, &run->link);
        return run;
}

struct run *run_free(struct run *run)
{
        if (!run)
                return NULL;
        list_remove(&run->link);
        timer_stop(&run->deadline);
        process_close(&run->process);
        run_close(run);
        words_close(&run->words);
        free(run->name);
        free(run->digest);
        free(run->problem);
        free(run->said);
        free(run);
        return NULL;
}

bool run_may_inspect(const struct run *run)
{
        return extension_spec_of(run)->capabilities & EXTENSION_CAN_INSPECT_BYTES;
}

int run_set_digest(struct run *run, const char *digest)
{
        run->digest = digest ? strdup(digest) : NULL;
        return digest && !run->digest ? -ENOMEM : 0;
}

/* All processes of an extension have one uid: it is chosen anew only where none runs. */
static int choose_user(struct run *run)
{
        struct extension *extension = run->extension;

        if (!run_is_alone(run))
                return 0;
        return user_choose(extension->table->instance, extension->name, NULL, 0, &extension->uid);
}

struct environment {
        char *texts[8]; /* owned; NULL behind the last */
        size_t n;
};

static void environment_deinit(struct environment *environment)
{
        for (size_t i = 0; i < environment->n; i++)
                free(environment->texts[i]);
}

static int environment_fill(struct environment *environment, const struct run *run)
{
        const struct extension_spec *spec = extension_spec_of(run);
        const struct {
                const char *name, *value;
        } variables[] = {
                { "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
                { "LANG", "C.UTF-8" },
                { "NETEXT_CONTROL_FD", "3" },
                { "NETEXT_EXTENSION_SOCKET", run->extension->table->paths->extension_socket },
                { "NETEXT_EXTENSION_STAYS", extension_is_of_session(run->extension) ? NULL : "1" },
                { "NETEXT_STATE_FOLDER", spec->state_folder },
                { "NETEXT_GROUPS_FOLDER", spec->groups_folder },
        };

        static_assert(ARRAY_SIZE(variables) < ARRAY_SIZE(environment->texts), "NULL is the last");
        for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
                if (!variables[i].value)
                        continue;
                if (asprintf(&environment->texts[environment->n], "%s=%s", variables[i].name,
                             variables[i].value) < 0)
                        return -ENOMEM;
                environment->n++;
        }
        return 0;
}

static int prepare(struct run *run, int control_fd, struct spawned *ret, const char **ret_step)
{
        struct extension *extension = run->extension;
        const struct extension_spec *spec = extension_spec_of(run);
        const char *path = spec->executable;
        const char *argv[] = { path, NULL };
        struct sandbox sandbox = {
                .may_make_internet_sockets = spec->capabilities & EXTENSION_IS_NETWORK_CLIENT,
                .bundle_folder = spec->bundle_folder,
                .state_folder = spec->state_folder,
        };
        _cleanup_(environment_deinit) struct environment environment = {};
        _cleanup_groups_ struct groups groups = {};
        struct spawn_groups ids = {};
        _cleanup_fd_ int lock_fd = -1, words_fd = -1;
        int r;

        r = environment_fill(&environment, run);
        if (r < 0)
                return r;
        *ret_step = "get its stderr";
        r = words_open(run, &words_fd);
        if (r < 0)
                return r;
        *ret_step = "get a user id of its own";
        lock_fd = user_lock();
        if (lock_fd < 0)
                return lock_fd;
        r = choose_user(run);
        if (r < 0)
                return r;
        *ret_step = "be given its folder";
        r = spec->state_folder ? give_folder(spec->state_folder, extension->uid) : 0;
        if (r < 0)
                return r;
        *ret_step = "be given its groups' folders";
        r = groups_take(run, &groups);
        if (r < 0)
                return r;
        sandbox.shared_folders = groups.folders;
        sandbox.n_shared_folders = groups.n;
        ids = (struct spawn_groups){ extension->uid, groups.gids, groups.n };
        return spawn_prepare(
                &(struct spawn){
                        .program = path,
                        .argv = argv,
                        .environ = (const char *const *)environment.texts,
                        .uid = extension->uid,
                        .groups = &ids,
                        .shares_files = groups.n > 0,
                        .cgroup_fd = extension->cgroup_fd,
                        .stderr_fd = words_fd,
                        .sandbox = &sandbox,
                        .fds = &control_fd,
                        .n_fds = 1,
                },
                ret, ret_step);
}

/* The process is written down before it runs; see priv/spawn.h. */
static int run_spawn(struct run *run, int control_fd, const char **ret_step)
{
        _cleanup_(spawn_cancel) struct spawned spawned = SPAWNED_NULL;
        struct extension *extension = run->extension;
        int r;

        *ret_step = "get a cgroup";
        r = extension_open_cgroup(extension);
        if (r < 0)
                return r;
        if (run_is_alone(run))
                (void)cgroup_kill(extension->cgroup_fd); /* children that its predecessor left */
        extension_limit(extension);
        r = prepare(run, control_fd, &spawned, ret_step);
        if (r < 0)
                return r;
        *ret_step = "be watched";
        r = process_open(&run->process, extension->table->event, spawned.pid, 0, ended, run);
        if (r < 0)
                return r;
        run->pid = spawned.pid;
        extension_changed(extension);
        *ret_step =
                "be executed by its own user (are its folders and libraries open to everybody?)";
        return spawn_release(&spawned);
}

int run_start(struct extension *extension, enum run_role role, struct run **ret_run,
              char **ret_problem)
{
        _cleanup_(cleanup_run) struct run *run = NULL;
        _cleanup_fd_ int our_fd = -1, their_fd = -1;
        const char *step = "get its control channel";
        int pair[2], r;

        run = run_new(extension, role, ++extension->last_run);
        r = run ? run_set_digest(run, extension_spec_of(run)->digest) : -ENOMEM;
        if (r >= 0)
                r = channel_pair(pair);
        if (r >= 0) {
                our_fd = pair[0];
                their_fd = pair[1];
                r = run_attach(run, take_fd(&our_fd));
        }
        if (r >= 0)
                r = run_spawn(run, their_fd, &step);
        if (r < 0 && run)
                groups_leave(run);
        if (r < 0)
                return text_problem(ret_problem, r, "%s does not start: it could not %s: %s",
                                    extension_spec_of(run)->executable, step, strerror(-r));
        run_wait_for_hello(run);
        *ret_run = take_ptr(run);
        return 0;
}

int run_adopt(struct extension *extension, enum run_role role, uint32_t number, pid_t pid,
              uint64_t started, struct run **ret_run)
{
        _cleanup_(cleanup_run) struct run *run = NULL;
        int r;

        run = run_new(extension, role, number);
        if (!run)
                return -ENOMEM;
        r = process_open(&run->process, extension->table->event, pid, started, ended, run);
        if (r < 0)
                return r;
        run->pid = pid;
        words_adopt(run);
        *ret_run = take_ptr(run);
        return 0;
}

/* --- what it says ------------------------------------------------------------------------- */

static int hello_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct run *run = userdata;

        run_fault(run, -ETIMEDOUT,
                  "the extension did not say hello on its control channel within %u ms",
                  run->extension->hello_timeout_ms);
        return 0;
}

void run_wait_for_hello(struct run *run)
{
        run_arm(run, run->extension->hello_timeout_ms, hello_late);
}

static int sessions_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        run_fault(userdata, -ETIMEDOUT, "its sessions did not all start in time");
        return 0;
}

void run_wait_for_sessions(struct run *run)
{
        run_arm(run, SESSIONS_TIMEOUT_MS, sessions_late);
}

/* Its flow channels are not closed, so it would come back for what it still has: it is told. */
static int flows_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct run *run = userdata;

        log_warning("%s: the process that was replaced (pid %d) still has flows or questions, and "
                    "its grace time is over: it ends now",
                    run->extension->name, run->process.pid);
        run_end(run);
        return 0;
}

void run_wait_for_flows(struct run *run)
{
        uint64_t now_ms = clock_now_ms();

        run_arm(run, run->late_at_ms > now_ms ? run->late_at_ms - now_ms : 0, flows_late);
}

void run_stop_waiting(struct run *run)
{
        timer_stop(&run->deadline);
}

static bool accept_version(struct run *run, const struct wire_message *hello)
{
        uint64_t version = wire_get(hello, WIRE_ATTR_VERSION);

        if (version == WIRE_VERSION)
                return true;
        run_fault(run, -EPROTO,
                  "the extension speaks protocol version %llu, this netextd %d: build it "
                  "against this release",
                  (unsigned long long)version, WIRE_VERSION);
        return false;
}

static bool accept_name(struct run *run, const struct wire_message *hello)
{
        const char *name = wire_get_string(hello, WIRE_ATTR_NAME);
        const char *wanted = run->extension->spec.identifier;
        _cleanup_free_ char *clean = text_clean(name);

        if (!clean || !*name || strcmp(clean, name) != 0 ||
            strlen(name) > EXTENSION_IDENTIFIER_MAX) {
                run_fault(run, -EINVAL, "the extension's identifier is not a usable name");
                return false;
        }
        if (wanted && strcmp(wanted, name) != 0) {
                run_fault(run, -EINVAL, "the extension calls itself \"%s\", not \"%s\"", name,
                          wanted);
                return false;
        }
        free(run->name);
        run->name = take_ptr(clean);
        return true;
}

static int receive_hello(struct run *run, const struct wire_message *hello)
{
        if (!accept_version(run, hello) || !accept_name(run, hello))
                return 0;
        run->kinds = wire_get(hello, WIRE_ATTR_KINDS);
        run->greeted = true;
        if (!run->since_ns)
                run->since_ns = clock_realtime_ns();
        timer_stop(&run->deadline);
        extension_run_greeted(run);
        return 0;
}

/* What an extension says beyond so many reports a second is of no use to anybody. */
static bool is_chatty(struct run *run)
{
        uint64_t now_ms = clock_now_ms();

        if (now_ms - run->reports_at_ms >= 1000) {
                if (run->n_reports > REPORTS_PER_SECOND)
                        log_warning("%s: %u more reports were dropped", run->extension->name,
                                    run->n_reports - REPORTS_PER_SECOND);
                run->reports_at_ms = now_ms;
                run->n_reports = 0;
        }
        return run->n_reports++ >= REPORTS_PER_SECOND;
}

static int receive_report(struct run *run, const struct wire_message *message)
{
        uint64_t level = wire_get(message, WIRE_ATTR_COUNT);
        _cleanup_free_ char *text = NULL;

        if (level != NX_LEVEL_ERROR && level != NX_LEVEL_WARNING && level != NX_LEVEL_INFO)
                return -EPROTO;
        if (is_chatty(run))
                return 0;
        text = text_clean(wire_get_string(message, WIRE_ATTR_TEXT));
        if (!text)
                return 0;
        log_line((enum log_level)level, "%s: %s", run->extension->name, text);
        extension_run_reported(run, wire_get_string(message, WIRE_ATTR_SESSION_NAME), text);
        return 0;
}

static int receive(const struct wire_message *message, int *fd, void *userdata)
{
        struct run *run = userdata;

        if (message->type == NX_MSG_MANAGER_EXTENSION_HELLO && !run->greeted)
                return receive_hello(run, message);
        if (message->type == NX_MSG_MANAGER_EXTENSION_REPORT && run->greeted)
                return receive_report(run, message);
        if (message->type == NX_MSG_MANAGER_ENDPOINTS_LEFT && run->role == RUN_LEAVING) {
                extension_peers_left(run);
                return 0;
        }
        if (message->type == NX_MSG_MANAGER_FLOWS_LEFT && run->role == RUN_LEAVING) {
                extension_drained(run, UINT64_MAX);
                return 0;
        }
        if (run->greeted && (message->type == NX_MSG_MANAGER_QUESTION ||
                             message->type == NX_MSG_MANAGER_QUESTION_OVER)) {
                extension_run_asked(run, message);
                return 0;
        }
        if (run->greeted && (message->type == NX_MSG_MANAGER_KEYS_CALL ||
                             message->type == NX_MSG_MANAGER_KEYS_DEPOSIT)) {
                extension_run_called_keys(run, message, *fd);
                return 0;
        }
        return run->greeted ? extension_run_message(run, message, fd) : -EPROTO;
}

static void lost(const char *why, void *userdata)
{
        struct run *run = userdata;

        run->greeted = false;
        extension_run_silent(run);
        if (run->ending)
                return;
        log_debug("%s: control channel of the extension lost: %s", run->extension->name, why);
        extension_run_lost(run);
}

int run_attach(struct run *run, int fd)
{
        run_close(run);
        extension_run_silent(run);
        return peer_open(&run->control, run->extension->table->event, fd, receive, lost, run);
}

struct wire_writer *run_begin(struct run *run, enum wire_message_type type)
{
        if (!run->greeted || run->ending)
                return NULL;
        if (channel_wants_write(&run->control.channel)) {
                run_fault(run, -ENOBUFS, "the extension does not read its control channel");
                return NULL;
        }
        return peer_begin(&run->control, type, 0);
}

int run_send(struct run *run, int fd)
{
        return peer_send(&run->control, fd);
}

struct wire_writer *run_begin_many(struct run *run, enum wire_message_type type)
{
        return run->greeted && !run->ending ? peer_begin(&run->control, type, 0) : NULL;
}

static void check_many(struct run *run, int r)
{
        if (r == -ENOBUFS)
                run_fault(run, r, "the extension does not read its control channel");
}

void run_end_many(struct run *run)
{
        check_many(run, channel_end(&run->control.channel));
}

void run_send_many(struct run *run, int fd)
{
        check_many(run, peer_send(&run->control, fd));
}
