/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The file is written before each process that is started runs and after each change,
 * and replaced as one, so it is never behind what runs and never half. A process is in
 * it with its start time: a pid alone could be somebody else's by the time it is read.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <netext/netext.h>

#include "base/log.h"
#include "footprint/network.h"
#include "manager/extension/parts.h"
#include "manager/packing.h"
#include "manager/state.h"

static json_t *pack_process(const struct process *process)
{
        json_t *object = json_object();

        pack_number(object, "pid", (uint64_t)process->pid);
        pack_number(object, "started", process->started);
        return object;
}

static json_t *pack_flowd(const struct engine *engine)
{
        json_t *object = pack_process(&engine->process);

        pack_number(object, "uid", engine->uid);
        return object;
}

static json_t *pack_run(const struct run *run)
{
        json_t *object = pack_process(&run->process);

        pack_number(object, "number", run->number);
        pack_number(object, "role", run->role);
        pack_number(object, "since_ns", run->since_ns);
        pack_number(object, "leaving_slots", run->leaving_slots);
        pack_number(object, "has_peers", run->has_peers);
        pack_number(object, "late_at_ms", run->late_at_ms);
        pack_text(object, "digest", run->digest);
        return object;
}

static json_t *pack_running_extension(const struct extension *extension)
{
        json_t *object = pack_extension(extension), *runs = json_array();
        const struct run *run;

        pack_number(object, "state", extension->state);
        pack_number(object, "uid", extension->uid);
        pack_number(object, "restarts", extension->restarts.total);
        pack_text(object, "last_exit", extension->last_exit);
        pack_text(object, "message", extension->message);
        pack_bool(object, "ran", extension->ran);
        pack_bool(object, "removing", extension->removing);
        pack_bool(object, "lasting", extension->lasting);
        list_for_each (run, &extension->runs, link)
                (void)json_array_append_new(runs, pack_run(run));
        (void)json_object_set_new(object, "runs", runs);
        return object;
}

static json_t *pack_running_session(const struct session *session)
{
        json_t *object = pack_session(session);

        pack_number(object, "state", session->state);
        pack_number(object, "running_since_ns", session->running_since_ns);
        pack_text(object, "message", session->message);
        pack_bool(object, "ran", session->ran);
        return object;
}

static json_t *pack_instance(const struct instance *instance)
{
        json_t *object = json_object(), *extensions = json_array(), *sessions = json_array();
        const struct extension *extension;
        const struct session *session;

        pack_text(object, "cgroup", instance->paths.cgroup);
        pack_text(object, "extension_cgroup", instance->paths.extension_cgroup);
        pack_bool(object, "made_extension_cgroup", instance->made_extension_cgroup);
        pack_number(object, "mark_mask", instance->options.mark_mask);
        pack_number(object, "network", instance->network);
        pack_number(object, "network_cookie", instance->network_cookie);
        pack_number(object, "flowd_restarts", instance->engine.restarts.total);
        (void)json_object_set_new(object, "flowd", pack_flowd(&instance->engine));
        list_for_each (extension, &instance->extensions.extensions, link)
                (void)json_array_append_new(extensions, pack_running_extension(extension));
        (void)json_object_set_new(object, "extensions", extensions);
        list_for_each (session, &instance->sessions.sessions, link)
                (void)json_array_append_new(sessions, pack_running_session(session));
        (void)json_object_set_new(object, "sessions", sessions);
        return object;
}

static int replace_file(const char *path, const json_t *state)
{
        _cleanup_free_ char *new_path = NULL, *text = json_dumps(state, JSON_INDENT(2));
        _cleanup_fd_ int fd = -1;
        ssize_t n;

        if (!text || asprintf(&new_path, "%s.new", path) < 0)
                return -ENOMEM;
        fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        n = write(fd, text, strlen(text)); /* at once: jansson would write each word by itself */
        if (n < 0)
                return -errno;
        if ((size_t)n < strlen(text))
                return -ENOSPC;
        return rename(new_path, path) < 0 ? -errno : 0;
}

void state_save(const struct instance *instance)
{
        _cleanup_(cleanup_json) json_t *state = pack_instance(instance);
        int r;

        r = state ? replace_file(instance->paths.state, state) : -ENOMEM;
        if (r < 0)
                log_error("cannot write %s: %s; if this netextd is killed, the next one will not "
                          "know "
                          "what runs",
                          instance->paths.state, strerror(-r));
}

void state_save_sets(const struct instance *instance)
{
        _cleanup_(cleanup_json) json_t *sets = pack_sets(&instance->sets);
        int r;

        r = sets ? replace_file(instance->paths.sets, sets) : -ENOMEM;
        if (r < 0)
                log_error("cannot write %s: %s; if this netextd is killed, the next one will have "
                          "older sets",
                          instance->paths.sets, strerror(-r));
}

static bool is_text(const json_t *object, const char *key, const char *expected)
{
        const char *value = unpack_text(object, key);

        return value && strcmp(value, expected) == 0;
}

/* A namespace that is gone has taken with it what was ours there: who ran in it kept it. */
static bool is_elsewhere(const struct instance *instance, const json_t *state)
{
        uint64_t network = unpack_number(state, "network");
        uint64_t cookie = unpack_number(state, "network_cookie");

        if (network == instance->network && (!cookie || cookie == instance->network_cookie))
                return false;
        if (network_exists(network, cookie))
                return true;
        log_notice("the network namespace of the earlier instance %s is gone: it goes on in this "
                   "one",
                   instance->options.instance);
        return false;
}

/* A running flowd cannot change what it was started for. */
static const char *find_difference(const struct instance *instance, const json_t *state)
{
        if (!is_text(state, "cgroup", instance->paths.cgroup))
                return "--cgroup";
        if (!is_text(state, "extension_cgroup", instance->paths.extension_cgroup))
                return "--extension-cgroup";
        if (unpack_number(state, "mark_mask") != instance->options.mark_mask)
                return "--mark-mask";
        return is_elsewhere(instance, state) ? "network namespace" : NULL;
}

/* Says which instance it is about. */
static bool is_whole(const json_t *state)
{
        return unpack_text(state, "cgroup") && unpack_text(state, "extension_cgroup") &&
               json_is_integer(json_object_get(state, "mark_mask")) &&
               json_is_integer(json_object_get(state, "network"));
}

static int read_state(const char *path, json_t **ret_state)
{
        _cleanup_(cleanup_json) json_t *state = NULL;
        json_error_t error;

        state = json_load_file(path, 0, &error);
        if (!state && json_error_code(&error) == json_error_cannot_open_file) {
                log_error("%s", error.text);
                return -EIO;
        }
        if (!state) {
                log_error("%s:%d:%d: %s", path, error.line, error.column, error.text);
                return STATE_E_DAMAGED;
        }
        if (!is_whole(state)) {
                log_error("%s does not say which instance it is about", path);
                return STATE_E_DAMAGED;
        }
        *ret_state = take_ptr(state);
        return 0;
}

int state_load(const struct instance *instance, json_t **ret_state)
{
        const char *path = instance->paths.state, *difference;
        _cleanup_(cleanup_json) json_t *state = NULL;
        int r;

        if (access(path, F_OK) < 0 && errno == ENOENT)
                return STATE_E_NONE;
        r = read_state(path, &state);
        if (r != 0)
                return r;
        difference = find_difference(instance, state);
        if (difference) {
                log_error("instance %s was started by an earlier netextd with another %s (see %s): "
                          "start netextd as then, let it end, and start anew; or have netext-reset "
                          "%s take it away",
                          instance->options.instance, difference, path, instance->options.instance);
                return -ESTALE;
        }
        *ret_state = take_ptr(state);
        return 0;
}

int state_put_aside(const struct instance *instance)
{
        const struct paths *paths = &instance->paths;

        if (rename(paths->state, paths->damaged_state) < 0) {
                log_error("%s cannot be put aside: %s", paths->state, strerror(errno));
                return -errno;
        }
        log_error("%s was damaged, and is %s now: what an earlier netextd ran has ended%s",
                  paths->state, paths->damaged_state,
                  instance->options.keep_configuration
                          ? ""
                          : ", and its sessions have to be started again");
        return 0;
}

static int set_text(char **text, const char *value)
{
        free(*text);
        *text = value ? strdup(value) : NULL;
        return value && !*text ? -ENOMEM : 0;
}

static int restore_run(struct extension *extension, const json_t *state)
{
        enum run_role role = (enum run_role)unpack_number(state, "role");
        uint32_t number = (uint32_t)unpack_number(state, "number");
        pid_t pid = (pid_t)unpack_number(state, "pid");
        struct run *run;
        int r;

        if (number > extension->last_run)
                extension->last_run = number;
        if (role >= _RUN_ROLE_MAX)
                return -EBADMSG;
        if (pid <= 0)
                return 0;
        r = run_adopt(extension, role, number, pid, unpack_number(state, "started"), &run);
        if (r == -ESRCH)
                return 0; /* what that means is for extension_resume() to find out */
        if (r < 0)
                return r;
        run->since_ns = unpack_number(state, "since_ns");
        run->leaving_slots = unpack_number(state, "leaving_slots");
        run->has_peers = unpack_number(state, "has_peers") != 0;
        run->late_at_ms = unpack_number(state, "late_at_ms");
        (void)run_set_digest(run, unpack_text(state, "digest"));
        return 0;
}

static int fill_extension(struct extension *extension, const json_t *state)
{
        json_t *run;
        size_t i;
        int r;

        extension->state = (enum extension_state)unpack_number(state, "state");
        extension->uid = (uid_t)unpack_number(state, "uid");
        extension->restarts.total = unpack_number(state, "restarts");
        extension->ran = unpack_bool(state, "ran");
        extension->removing = unpack_bool(state, "removing");
        extension->lasting = unpack_bool(state, "lasting");
        if (extension->state >= _EXTENSION_STATE_MAX)
                return -EBADMSG;
        r = set_text(&extension->last_exit, unpack_text(state, "last_exit"));
        if (r >= 0)
                r = set_text(&extension->message, unpack_text(state, "message"));
        json_array_foreach(json_object_get(state, "runs"), i, run)
        {
                if (r >= 0)
                        r = restore_run(extension, run);
        }
        return r;
}

static int restore_extension(struct instance *instance, const json_t *state)
{
        struct extension *extension;
        int r;

        r = unpack_extension(&instance->extensions, state, &extension);
        if (r < 0)
                return r;
        r = fill_extension(extension, state);
        if (r < 0)
                extension_free(extension);
        return r;
}

static int fill_session(struct session *session, const json_t *state)
{
        session->state = (enum wire_session_state)unpack_number(state, "state");
        session->stopping = session->state == WIRE_SESSION_STOPPED;
        session->running_since_ns = unpack_number(state, "running_since_ns");
        session->ran = unpack_bool(state, "ran");
        return set_text(&session->message, unpack_text(state, "message"));
}

static int restore_session(struct instance *instance, const json_t *state)
{
        struct session *session;
        int r;

        r = unpack_session(&instance->sessions, state, &session);
        if (r < 0)
                return r;
        r = fill_session(session, state);
        if (r < 0)
                session_free(session);
        return r;
}

/* An extension of a session is there for it. */
static void drop_useless(struct extension_table *table)
{
        struct extension *extension, *following;

        list_for_each_safe (extension, following, &table->extensions, link)
                if (extension_is_of_session(extension) && list_is_empty(&extension->clients))
                        extension->removing = true;
}

void state_restore_sessions(struct instance *instance, const json_t *state)
{
        json_t *one;
        size_t i;
        int r;

        instance->made_extension_cgroup |= unpack_bool(state, "made_extension_cgroup");
        json_array_foreach(json_object_get(state, "extensions"), i, one)
        {
                r = restore_extension(instance, one);
                if (r < 0)
                        log_error("%s: extension %zu cannot be taken over: %s",
                                  instance->paths.state, i, strerror(-r));
        }
        json_array_foreach(json_object_get(state, "sessions"), i, one)
        {
                r = restore_session(instance, one);
                if (r < 0)
                        log_error("%s: session %zu cannot be taken over: %s", instance->paths.state,
                                  i, strerror(-r));
        }
        drop_useless(&instance->extensions);
}

int state_restore_sets(struct instance *instance)
{
        const char *path = instance->paths.sets;
        _cleanup_(cleanup_json) json_t *sets = NULL;
        json_error_t error;

        if (access(path, F_OK) < 0 && errno == ENOENT)
                return STATE_E_NONE;
        sets = json_load_file(path, 0, &error);
        if (!sets) {
                log_error("%s:%d:%d: %s; %s", path, error.line, error.column, error.text,
                          instance->options.keep_configuration
                                  ? "the sets are as they were kept"
                                  : "there are no sets until they are put again");
                return STATE_E_DAMAGED;
        }
        (void)unpack_sets(&instance->sets, sets, path);
        return 0;
}

int state_restore_engine(struct instance *instance, const json_t *state)
{
        const json_t *flowd = json_object_get(state, "flowd");
        pid_t pid = (pid_t)unpack_number(flowd, "pid");

        instance->engine.restarts.total = unpack_number(state, "flowd_restarts");
        if (pid <= 0)
                return engine_start(&instance->engine);
        return engine_adopt(&instance->engine, pid, unpack_number(flowd, "started"),
                            (uid_t)unpack_number(flowd, "uid"));
}
