/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The state machine of an extension. Deaths of one that was made for a session and never ran are an
 * answer to who started it: FAILED. Later ones are repaired: RESTARTING, at most BUDGET times in
 * 10 s. Who installed one, or had its session kept, wants it to run, so there FAILED does not last:
 * it is tried again every few seconds, and a repaired file is all it takes.
 *
 *      STARTING → READY → RESTARTING → STARTING …
 *      STARTING, RESTARTING → FAILED        (never ran, over budget) → STARTING, if tried again
 *      any → STOPPING: its processes end or are ended, its cgroup is removed, it is freed
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "footprint/footprint.h"
#include "manager/extension/cause.h"
#include "manager/extension/groups.h"
#include "manager/extension/parts.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/cgroup.h"
#include "manager/priv/give.h"
#include "wire/names.h"

#define BUDGET           5 /* restarts in RESTARTS_WINDOW_MS */
#define HELLO_TIMEOUT_MS 5000
#define RETRY_MS         3000 /* of one that failed */
#define REMOVE_RETRY_MS  10
#define REMOVALS_MAX     200

static const char *const states[_EXTENSION_STATE_MAX] = {
        [EXTENSION_STARTING] = "starting",     [EXTENSION_READY] = "ready",
        [EXTENSION_RESTARTING] = "restarting", [EXTENSION_FAILED] = "failed",
        [EXTENSION_STOPPING] = "stopping",
};

const char *extension_state_to_string(enum extension_state state)
{
        return state >= 0 && state < _EXTENSION_STATE_MAX ? states[state] : NULL;
}

/* Tells fn(client, …) of each; a client may end with it. */
#define tell_clients(extension, fn, ...)                                                           \
        do {                                                                                       \
                struct extension_client *_client, *_following;                                     \
                                                                                                   \
                list_for_each_safe (_client, _following, &(extension)->clients, link)              \
                        _client->ops->fn(_client, ##__VA_ARGS__);                                  \
        } while (0)

/* The same of fn(…, userdata), for those who watch. */
#define tell_watches(extension, fn, ...)                                                           \
        do {                                                                                       \
                struct extension_watch *_watch, *_following;                                       \
                                                                                                   \
                list_for_each_safe (_watch, _following, &(extension)->table->watches, link)        \
                        if (_watch->listener->fn)                                                  \
                                _watch->listener->fn(extension, ##__VA_ARGS__, _watch->userdata);  \
        } while (0)

void extension_changed(struct extension *extension)
{
        tell_watches(extension, changed);
}

int extension_new(struct extension_table *table, const char *name,
                  const struct extension_spec *spec, struct extension **ret)
{
        _cleanup_(cleanup_extension) struct extension *extension = NULL;
        unsigned int number = 0;
        int r;

        while (number < EXTENSIONS_MAX && extension_table_find_number(table, number))
                number++;
        if (number == EXTENSIONS_MAX)
                return -ENOSPC;
        extension = calloc(1, sizeof(*extension));
        if (!extension)
                return -ENOMEM;
        *extension = (struct extension){
                .table = table,
                .number = number,
                .hello_timeout_ms = HELLO_TIMEOUT_MS,
                .unsettled = true,
                .cgroup_fd = -1,
        };
        list_init(&extension->link);
        list_init(&extension->runs);
        list_init(&extension->clients);
        r = extension_set_name(extension, name);
        if (r >= 0)
                r = extension_spec_copy(&extension->spec, spec);
        if (r < 0)
                return r;
        list_append(&table->extensions, &extension->link);
        *ret = take_ptr(extension);
        return 0;
}

struct extension *extension_free(struct extension *extension)
{
        struct run *run;

        if (!extension)
                return NULL;
        while ((run = list_first(&extension->runs, struct run, link)))
                run_free(run);
        list_remove(&extension->link);
        timer_stop(&extension->deadline);
        close_fd(extension->cgroup_fd);
        extension_spec_deinit(&extension->spec);
        extension_spec_deinit(&extension->coming);
        free(extension->name);
        lines_clear(&extension->lines);
        free(extension->last_exit);
        free(extension->message);
        free(extension);
        return NULL;
}

int extension_set_name(struct extension *extension, const char *name)
{
        char *copy = strdup(name);

        if (!copy)
                return -ENOMEM;
        free(extension->name);
        extension->name = copy;
        return 0;
}

struct run *extension_find_run(const struct extension *extension, enum run_role role)
{
        struct run *run;

        list_for_each (run, &extension->runs, link)
                if (run->role == role)
                        return run;
        return NULL;
}

struct run *extension_find_number(const struct extension *extension, uint32_t number)
{
        struct run *run;

        list_for_each (run, &extension->runs, link)
                if (run->number == number)
                        return run;
        return NULL;
}

struct run *extension_incumbent(const struct extension *extension)
{
        return extension_find_run(extension, RUN_INCUMBENT);
}

/* --- its cgroup --------------------------------------------------------------------------- */

static void cgroup_name(unsigned int number, char buffer[static 24])
{
        snprintf(buffer, 24, FOOTPRINT_EXTENSION_CGROUP "%u", number);
}

int extension_open_cgroup(struct extension *extension)
{
        char name[24];

        if (extension->cgroup_fd >= 0)
                return 0;
        cgroup_name(extension->number, name);
        return cgroup_open(extension->table->cgroup_fd, name, &extension->cgroup_fd,
                           &extension->cgroup_id);
}

/* A successor is beside its incumbent, and neither shall want for what the other has. */
void extension_limit(struct extension *extension)
{
        struct extension_limits limits = extension->spec.limits;
        uint64_t n_runs = 0;
        struct run *run;
        int r;

        list_for_each (run, &extension->runs, link)
                n_runs++;
        if (extension->cgroup_fd < 0 || (!limits.memory_max && !limits.pids_max))
                return;
        r = cgroup_limit(extension->cgroup_fd, limits.memory_max * n_runs,
                         limits.pids_max * n_runs);
        if (r < 0 && r != -EOPNOTSUPP) /* doctor tells */
                log_warning("%s: its memory and processes are not limited: %s", extension->name,
                            strerror(-r));
}

int extension_table_remove_cgroup(struct extension_table *table, unsigned int number)
{
        char name[24];

        cgroup_name(number, name);
        return cgroup_remove(table->cgroup_fd, name);
}

/* --- starts ------------------------------------------------------------------------------- */

static void extension_arm(struct extension *extension, uint64_t delay_ms,
                          sd_event_time_handler_t fn)
{
        int r;

        r = timer_start(extension->table->event, &extension->deadline, delay_ms, fn, extension);
        if (r < 0)
                log_error("%s: cannot set a timer, it is not started again: %s", extension->name,
                          strerror(-r));
}

static int start_now(sd_event_source *source, uint64_t usec, void *userdata)
{
        extension_start(userdata);
        return 0;
}

void extension_settle(struct extension *extension, int result)
{
        if (!extension->unsettled)
                return;
        extension->unsettled = false;
        tell_watches(extension, settled, result);
}

/* Who installed it, or kept its session, is not there to start it once more. */
static bool is_tried_again(const struct extension *extension)
{
        if (extension_is_anonymous(extension))
                return extension->lasting && !extension->ran;
        return !extension->spec.per_session || extension->lasting || extension->ran;
}

/* The sentence is in extension->message. */
static void extension_fail(struct extension *extension, int error)
{
        extension->state = EXTENSION_FAILED;
        /* Whoever asked for a first start is told by the answer. */
        if (!extension->struggling)
                log_line(extension->ran ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "%s failed: %s",
                         extension->name, extension->message ?: strerror(-error));
        extension->struggling = true;
        if (is_tried_again(extension))
                extension_arm(extension, RETRY_MS, start_now);
        extension_changed(extension);
        extension_settle(extension, error);
        tell_clients(extension, failed, error);
}

void extension_restart(struct extension *extension)
{
        uint64_t now_ms = clock_now_ms();
        unsigned int recent = restarts_recent(&extension->restarts, now_ms);

        if (recent >= BUDGET) {
                text_set(&extension->message,
                         "the extension ended %u times in 10 s, the last time: %s", recent + 1,
                         extension->last_exit);
                extension_fail(extension, -ECHILD);
                return;
        }
        restarts_add(&extension->restarts, now_ms);
        extension->state = EXTENSION_RESTARTING;
        extension_arm(extension, restarts_delay_ms(recent, 1), start_now);
        extension_changed(extension);
        tell_clients(extension, restarting);
}

static bool needs_vouching(const struct extension *extension)
{
        return extension->table->vouch_fn && !extension->vouched &&
               !extension_is_anonymous(extension);
}

void extension_vouched(struct extension *extension, const char *problem)
{
        if (extension->removing || extension->vouched || !extension->asked)
                return;
        extension->vouched = !problem;
        if (!problem) {
                extension_start(extension);
                return;
        }
        text_set(&extension->message, "%s", problem);
        extension_fail(extension, -EBADMSG);
}

void extension_start(struct extension *extension)
{
        _cleanup_free_ char *problem = NULL;
        struct run *run;
        int r;

        timer_stop(&extension->deadline);
        extension->asked = needs_vouching(extension);
        if (extension->asked) {
                extension->table->vouch_fn(extension, extension->table->vouch_userdata);
                return;
        }
        extension->vouched = false;
        if (!extension->struggling)
                extension->state = EXTENSION_STARTING;
        tell_clients(extension, starting);
        r = run_start(extension, RUN_INCUMBENT, &run, &problem);
        if (r >= 0) {
                extension_changed(extension);
                return;
        }
        free(extension->message);
        extension->message = take_ptr(problem);
        if (!extension->ran || extension->struggling) {
                extension_fail(extension, r);
                return;
        }
        log_error("%s: %s", extension->name, extension->message ?: strerror(-r));
        text_set(&extension->last_exit, "could not be started");
        extension_restart(extension);
}

void extension_start_soon(struct extension *extension)
{
        extension_arm(extension, 0, start_now);
}

/* A successor of an earlier netextd had not taken its turn: nobody waits for it any more. */
static void resume_others(struct extension *extension)
{
        struct run *run;

        list_for_each (run, &extension->runs, link)
                if (run->role == RUN_COMING)
                        run_end(run);
                else if (run->role == RUN_LEAVING)
                        run_wait_for_flows(run);
}

void extension_resume(struct extension *extension)
{
        struct run *run = extension_incumbent(extension);

        resume_others(extension);
        if (extension->removing) {
                extension->removing = false;
                extension_remove(extension);
        } else if (run) {
                run_wait_for_hello(run);
        } else if (extension->state != EXTENSION_FAILED) {
                text_set(&extension->last_exit, "ended (started by an earlier netextd)");
                extension_restart(extension);
        } else if (is_tried_again(extension)) {
                extension_arm(extension, RETRY_MS, start_now);
        }
}

/* --- its end ------------------------------------------------------------------------------ */

static void extension_try_to_go(struct extension *extension);

static int try_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        extension_try_to_go(userdata);
        return 0;
}

/* Its uid may be somebody else's by the time that there is an extension for the folder again. */
static void take_state_back(const struct extension *extension)
{
        const char *path = extension->spec.state_folder;
        _cleanup_fd_ int fd = -1;
        int r;

        if (!path)
                return;
        fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? -errno : give_folder_back(fd);
        if (r < 0 && r != -ENOENT)
                log_warning("%s: %s stays open to uid %u: %s", extension->name, path,
                            extension->uid, strerror(-r));
}

/* The last step: killed processes take a moment to leave their cgroup. */
static void extension_try_to_go(struct extension *extension)
{
        int r;

        if (!list_is_empty(&extension->runs))
                return;
        r = extension_table_remove_cgroup(extension->table, extension->number);
        if (r == -EBUSY && extension->n_removals++ < REMOVALS_MAX) {
                extension_arm(extension, REMOVE_RETRY_MS, try_again);
                return;
        }
        if (r < 0)
                log_warning("%s: its cgroup stays: %s", extension->name, strerror(-r));
        take_state_back(extension);
        tell_clients(extension, gone);
        list_remove(&extension->link);
        tell_watches(extension, gone);
        extension_free(extension);
}

void extension_remove(struct extension *extension)
{
        struct run *run;

        if (extension->removing)
                return;
        extension->removing = true;
        extension->state = EXTENSION_STOPPING;
        timer_stop(&extension->deadline);
        list_for_each (run, &extension->runs, link)
                if (run->greeted)
                        run_let_end(run);
                else
                        run_end(run);
        extension_changed(extension);
        /* Not from here: the caller may be one who was just told something of it. */
        if (list_is_empty(&extension->runs))
                extension_arm(extension, 0, try_again);
}

void extension_set_ready(struct extension *extension)
{
        extension->state = EXTENSION_READY;
        free(take_ptr(extension->message));
}

/* --- what its processes do ---------------------------------------------------------------- */

void extension_run_greeted(struct run *run)
{
        struct extension *extension = run->extension;

        if (extension->removing)
                return;
        if (run->role == RUN_LEAVING) {
                extension_left_one_is_back(run);
                return;
        }
        if (run->role == RUN_COMING)
                run_wait_for_sessions(run);
        else
                extension_set_ready(extension);
        if (!extension_is_of_session(extension))
                extension->ran = true;
        tell_clients(extension, greeted, run);
        extension_changed(extension);
        if (run->ending)
                return; /* a session found fault with it */
        if (run->role == RUN_COMING)
                extension_try_turn(extension);
        else
                extension_tell_ready(extension);
}

void extension_tell_ready(struct extension *extension)
{
        tell_watches(extension, ready);
        if (!extension_find_run(extension, RUN_COMING))
                extension_settle(extension, 0);
}

void extension_run_lost(struct run *run)
{
        if (!run->extension->removing && run->role != RUN_LEAVING)
                run_wait_for_hello(run);
}

void extension_run_reported(struct run *run, const char *session, const char *text)
{
        struct extension *extension = run->extension;

        text_set(&run->said, "%s", text);
        text_set(&extension->message, "%s", text);
        tell_clients(extension, reported, session, text);
}

int extension_run_message(struct run *run, const struct wire_message *message, int *fd)
{
        struct extension_watch *watch;

        if (run->role != RUN_INCUMBENT)
                return 0;
        list_for_each (watch, &run->extension->table->watches, link)
                if (watch->listener->message)
                        return watch->listener->message(run->extension, message, fd,
                                                        watch->userdata);
        return -EPROTO;
}

void extension_run_asked(struct run *run, const struct wire_message *message)
{
        tell_watches(run->extension, question, run->number, message);
}

void extension_run_called_keys(struct run *run, const struct wire_message *message, int fd)
{
        tell_watches(run->extension, called_keys, run->number, message, fd);
}

void extension_run_silent(struct run *run)
{
        tell_watches(run->extension, silent, run->number);
}

/* It failed before, but then it ran for long enough to be worth a quick restart. */
static bool has_recovered(const struct run *run)
{
        return run->since_ns &&
               clock_realtime_ns() - run->since_ns > RESTARTS_WINDOW_MS * 1000000ULL;
}

static void note_problem(struct extension *extension, const struct run *run, const char *how)
{
        _cleanup_free_ char *cause = NULL;

        if (run->problem) {
                text_set(&extension->message, "%s", run->problem);
                return;
        }
        if (extension->ran && run->since_ns) {
                if (extension->struggling)
                        text_set(&extension->message, "the extension ran for a moment only: %s",
                                 how);
                return; /* else it is restarted, and that is the last exit */
        }
        cause = cause_of_failed_start(run, how);
        free(extension->message);
        extension->message = take_ptr(cause);
}

/* Helpers that it started, and which do not know that it is gone. */
static void kill_children(const struct run *run)
{
        const struct extension *extension = run->extension;

        if (extension->cgroup_fd < 0)
                return;
        if (run->link.next == run->link.prev)
                (void)cgroup_kill(extension->cgroup_fd);
        else
                cgroup_kill_session(extension->cgroup_fd, run->pid);
}

/* A start that came to nothing, or the death of one that ran. */
static void extension_down(struct extension *extension, int failure, const char *how)
{
        tell_watches(extension, down, how);
        if (extension_find_run(extension, RUN_COMING)) {
                log_warning("%s: the extension is gone: %s", extension->name, how);
                extension->state = EXTENSION_RESTARTING; /* by its successor */
                extension_changed(extension);
                tell_clients(extension, restarting);
                extension_try_turn(extension);
                return;
        }
        if (!extension->ran || extension->struggling) {
                extension_fail(extension, failure ?: -ECHILD);
                return;
        }
        log_warning("%s: the extension is gone: %s", extension->name, how);
        extension_restart(extension);
}

void extension_run_ended(struct run *run, const char *how)
{
        struct extension *extension = run->extension;
        _cleanup_free_ char *problem = NULL;
        enum run_role role = run->role;
        int failure = run->failure;

        kill_children(run);
        extension_run_silent(run);
        tell_clients(extension, ended, run);
        if (role == RUN_INCUMBENT) {
                text_set(&extension->last_exit, "%s", how);
                if (has_recovered(run))
                        extension->struggling = false;
                note_problem(extension, run, how);
        }
        problem = take_ptr(run->problem);
        groups_leave(run);
        run_free(run);
        tell_watches(extension, process_gone);
        extension_limit(extension);
        if (extension->removing)
                extension_try_to_go(extension);
        else if (role == RUN_COMING)
                extension_roll_back(extension, failure, problem, how);
        else if (role == RUN_INCUMBENT)
                extension_down(extension, failure, how);
        else
                extension_changed(extension);
}

/* --- what is said of it ------------------------------------------------------------------- */

const struct extension_spec *extension_get_spec(const struct extension *extension)
{
        return &extension->spec;
}

enum extension_state extension_get_state(const struct extension *extension)
{
        return extension->state;
}

bool extension_is_ready(const struct extension *extension)
{
        const struct run *run = extension_incumbent(extension);

        return extension->state == EXTENSION_READY && run && run->greeted && !run->ending;
}

bool extension_is_being_replaced(const struct extension *extension)
{
        return extension_find_run(extension, RUN_COMING) != NULL;
}

pid_t extension_get_pid(const struct extension *extension)
{
        const struct run *run = extension_incumbent(extension);

        return run ? run->process.pid : 0;
}

uid_t extension_get_uid(const struct extension *extension)
{
        return extension->uid;
}

uint64_t extension_get_running_since_ns(const struct extension *extension)
{
        const struct run *run = extension_incumbent(extension);

        return run ? run->since_ns : 0;
}

uint64_t extension_get_restarts(const struct extension *extension)
{
        return extension->restarts.total;
}

const char *extension_get_last_exit(const struct extension *extension)
{
        return extension->last_exit;
}

const char *extension_get_message(const struct extension *extension)
{
        return extension->message;
}

char *extension_get_last_lines(const struct extension *extension)
{
        return lines_join(&extension->lines, LINES_MAX, "\n");
}

/* --- messages to it ----------------------------------------------------------------------- */

struct wire_writer *extension_begin(struct extension *extension, enum wire_message_type type)
{
        if (!extension_is_ready(extension))
                return NULL;
        return run_begin(extension_incumbent(extension), type);
}

int extension_send(struct extension *extension, int fd)
{
        return run_send(extension_incumbent(extension), fd);
}
