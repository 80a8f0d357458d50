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
#include "manager/session/extension.h"
#include "manager/state.h"

DEFINE_CLEANUP(json_t *, json, json_decref)

static void put_text(json_t *object, const char *key, const char *value)
{
        if (value)
                (void)json_object_set_new(object, key, json_string(value));
}

static void put_number(json_t *object, const char *key, uint64_t value)
{
        (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void put_bool(json_t *object, const char *key, bool value)
{
        (void)json_object_set_new(object, key, json_boolean(value));
}

static const char *get_text(const json_t *object, const char *key)
{
        return json_string_value(json_object_get(object, key));
}

static uint64_t get_number(const json_t *object, const char *key)
{
        return (uint64_t)json_integer_value(json_object_get(object, key));
}

static bool get_bool(const json_t *object, const char *key)
{
        return json_is_true(json_object_get(object, key));
}

static json_t *pack_configuration(const struct configuration *configuration)
{
        json_t *object = json_object(), *files = json_object();

        put_text(object, "extension", configuration->extension);
        put_text(object, "identifier", configuration->identifier);
        put_text(object, "name", configuration->name);
        put_number(object, "order", (uint64_t)configuration->order);
        put_number(object, "kind", (uint64_t)configuration->kind);
        put_number(object, "grade", (uint64_t)configuration->grade);
        put_number(object, "fail_policy", (uint64_t)configuration->fail_policy);
        put_number(object, "verdict_timeout_ms", configuration->verdict_timeout_ms);
        put_number(object, "ready_timeout_ms", configuration->ready_timeout_ms);
        for (size_t i = 0; i < configuration->n_files; i++)
                put_text(files, configuration->files[i].name, configuration->files[i].path);
        (void)json_object_set_new(object, "files", files);
        return object;
}

static json_t *pack_process(const struct process *process, uid_t uid)
{
        json_t *object = json_object();

        put_number(object, "pid", (uint64_t)process->pid);
        put_number(object, "started", process->started);
        put_number(object, "uid", uid);
        return object;
}

static json_t *pack_session(const struct session *session)
{
        json_t *object = json_object();

        put_number(object, "slot", session->slot);
        put_text(object, "name", session->name);
        put_number(object, "kind", (uint64_t)session->kind);
        put_number(object, "state", session->state);
        put_number(object, "activated_ns", session->activated_ns);
        put_number(object, "running_since_ns", session->running_since_ns);
        put_number(object, "restarts", session->restarts.total);
        put_text(object, "last_exit", session->last_exit);
        put_text(object, "message", session->message);
        put_bool(object, "ran", session->ran);
        put_bool(object, "announced", session->announced);
        (void)json_object_set_new(object, "configuration",
                                  pack_configuration(&session->configuration));
        (void)json_object_set_new(object, "process", pack_process(&session->process, session->uid));
        return object;
}

static json_t *pack_instance(const struct instance *instance)
{
        json_t *object = json_object(), *sessions = json_array();
        const struct session *session;

        put_text(object, "cgroup", instance->paths.cgroup);
        put_text(object, "extension_cgroup", instance->paths.extension_cgroup);
        put_bool(object, "made_extension_cgroup", instance->made_extension_cgroup);
        put_number(object, "mark_mask", instance->options.mark_mask);
        put_number(object, "network", instance->network);
        put_number(object, "flowd_restarts", instance->engine.restarts.total);
        (void)json_object_set_new(object, "flowd",
                                  pack_process(&instance->engine.process, instance->engine.uid));
        list_for_each (session, &instance->sessions.sessions, link)
                (void)json_array_append_new(sessions, pack_session(session));
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

static json_t *pack_set(const struct set *set)
{
        json_t *object = json_object(), *entries = json_array();
        char text[SET_DOMAIN_SIZE];

        for (size_t i = 0; i < set->content.n_entries; i++)
                (void)json_array_append_new(
                        entries, json_string(set_entry_to_string(&set->content.entries[i], text)));
        put_number(object, "updated_ns", set->updated_ns);
        (void)json_object_set_new(object, "entries", entries);
        return object;
}

void state_save_sets(const struct instance *instance)
{
        _cleanup_(cleanup_json) json_t *sets = json_object();
        const struct set *set;
        int r;

        list_for_each (set, &instance->sets.sets, link)
                (void)json_object_set_new(sets, set->name, pack_set(set));
        r = sets ? replace_file(instance->paths.sets, sets) : -ENOMEM;
        if (r < 0)
                log_error("cannot write %s: %s; if this netextd is killed, the next one will have "
                          "older sets",
                          instance->paths.sets, strerror(-r));
}

static bool is_text(const json_t *object, const char *key, const char *expected)
{
        const char *value = get_text(object, key);

        return value && strcmp(value, expected) == 0;
}

/* A running flowd cannot change what it was started for. */
static const char *find_difference(const struct instance *instance, const json_t *state)
{
        if (!is_text(state, "cgroup", instance->paths.cgroup))
                return "--cgroup";
        if (!is_text(state, "extension_cgroup", instance->paths.extension_cgroup))
                return "--extension-cgroup";
        if (get_number(state, "mark_mask") != instance->options.mark_mask)
                return "--mark-mask";
        return get_number(state, "network") != instance->network ? "network namespace" : NULL;
}

int state_load(const struct instance *instance, json_t **ret_state)
{
        const char *path = instance->paths.state, *difference;
        _cleanup_(cleanup_json) json_t *state = NULL;
        json_error_t error;

        if (access(path, F_OK) < 0 && errno == ENOENT)
                return STATE_E_NONE;
        state = json_load_file(path, 0, &error);
        if (!state) {
                log_error("%s:%d:%d: %s; end the instance's netext-flowd and extensions and remove "
                          "the "
                          "file",
                          path, error.line, error.column, error.text);
                return -EBADMSG;
        }
        difference = find_difference(instance, state);
        if (difference) {
                log_error("instance %s was started by an earlier netextd with another %s (see %s): "
                          "start netextd as then, let it end, and start anew",
                          instance->options.instance, difference, path);
                return -ESTALE;
        }
        *ret_state = take_ptr(state);
        return 0;
}

static int restore_configuration(struct configuration *configuration, const json_t *state)
{
        const char *extension = get_text(state, "extension"), *file;
        const char *identifier = get_text(state, "identifier"), *name = get_text(state, "name");
        _cleanup_free_ char *problem = NULL;
        json_t *path;
        int r;

        if (!extension || *extension != '/')
                return -EBADMSG;
        configuration_init(configuration);
        r = configuration_set_extension(configuration, "", extension, &problem);
        if (r >= 0 && name)
                r = configuration_set_name(configuration, name, &problem);
        configuration->order = (int32_t)get_number(state, "order");
        configuration->kind = (int)get_number(state, "kind");
        configuration->grade = (int)get_number(state, "grade");
        configuration->fail_policy = (int)get_number(state, "fail_policy");
        configuration->verdict_timeout_ms = (uint32_t)get_number(state, "verdict_timeout_ms");
        configuration->ready_timeout_ms = (uint32_t)get_number(state, "ready_timeout_ms");
        json_object_foreach(json_object_get(state, "files"), file, path)
        {
                if (r >= 0)
                        r = configuration_add_file(configuration, file,
                                                   json_string_value(path) ?: "", &problem);
        }
        if (r < 0 || !identifier)
                return r;
        configuration->identifier = strdup(identifier);
        return configuration->identifier ? 0 : -ENOMEM;
}

static int set_text(char **text, const char *value)
{
        free(*text);
        *text = value ? strdup(value) : NULL;
        return value && !*text ? -ENOMEM : 0;
}

/* What became of the process is for session_resume() to find out. */
static int restore_process(struct session *session, const json_t *state)
{
        pid_t pid = (pid_t)get_number(state, "pid");
        int r;

        session->uid = (uid_t)get_number(state, "uid");
        r = extension_open_cgroup(session);
        if (r >= 0 && pid > 0)
                r = extension_adopt(session, pid, get_number(state, "started"));
        return r == -ESRCH ? 0 : r;
}

/* Before there were others, every session was a filter, and its kind was not written down. */
static int restore_kind(const json_t *state)
{
        return json_object_get(state, "kind") ? (int)get_number(state, "kind")
                                              : NX_PROVIDER_KIND_FILTER;
}

static int fill_session(struct session *session, const json_t *state)
{
        int r;

        session->slot = (unsigned int)get_number(state, "slot");
        if (session->slot >= SESSIONS_MAX)
                return -EBADMSG;
        session->kind = restore_kind(state);
        session->state = (enum wire_session_state)get_number(state, "state");
        session->stopping = session->state == WIRE_SESSION_STOPPED;
        session->activated_ns = get_number(state, "activated_ns");
        session->running_since_ns = get_number(state, "running_since_ns");
        session->restarts.total = get_number(state, "restarts");
        session->ran = get_bool(state, "ran");
        session->announced = get_bool(state, "announced");
        r = set_text(&session->name, get_text(state, "name") ?: "");
        if (r >= 0)
                r = set_text(&session->last_exit, get_text(state, "last_exit"));
        if (r >= 0)
                r = set_text(&session->message, get_text(state, "message"));
        return r < 0 ? r : restore_process(session, json_object_get(state, "process"));
}

static int restore_session(struct instance *instance, const json_t *state)
{
        _cleanup_configuration_ struct configuration configuration = {};
        _cleanup_free_ char *problem = NULL;
        struct session *session;
        int r;

        r = restore_configuration(&configuration, json_object_get(state, "configuration"));
        if (r >= 0)
                r = session_table_add(&instance->sessions, &configuration, &session, &problem);
        if (r < 0)
                return r;
        r = fill_session(session, state);
        if (r < 0)
                session_free(session);
        return r;
}

void state_restore_sessions(struct instance *instance, const json_t *state)
{
        json_t *one;
        size_t i;
        int r;

        instance->made_extension_cgroup |= get_bool(state, "made_extension_cgroup");
        json_array_foreach(json_object_get(state, "sessions"), i, one)
        {
                r = restore_session(instance, one);
                if (r < 0)
                        log_error("%s: session %zu cannot be taken over: %s", instance->paths.state,
                                  i, strerror(-r));
        }
}

/* The entries are lines as PutSet takes them. */
static int restore_set(struct instance *instance, const char *name, const json_t *state,
                       char **ret_problem)
{
        _cleanup_set_content_ struct set_content content = {};
        json_t *entry;
        size_t i;
        int r;

        json_array_foreach(json_object_get(state, "entries"), i, entry)
        {
                r = set_content_add(&content, json_string_value(entry) ?: "", (unsigned int)i + 1,
                                    ret_problem);
                if (r < 0)
                        return r;
        }
        return set_table_restore(&instance->sets, name, &content, get_number(state, "updated_ns"),
                                 ret_problem);
}

void state_restore_sets(struct instance *instance)
{
        const char *path = instance->paths.sets, *name;
        _cleanup_(cleanup_json) json_t *sets = NULL;
        json_error_t error;
        json_t *set;

        if (access(path, F_OK) < 0 && errno == ENOENT)
                return;
        sets = json_load_file(path, 0, &error);
        if (!sets)
                log_error("%s:%d:%d: %s; there are no sets until they are put again", path,
                          error.line, error.column, error.text);
        json_object_foreach(sets, name, set)
        {
                _cleanup_free_ char *problem = NULL;
                int r = restore_set(instance, name, set, &problem);

                if (r < 0)
                        log_error("%s: set %s cannot be taken over: %s", path, name,
                                  problem ?: strerror(-r));
        }
}

int state_restore_engine(struct instance *instance, const json_t *state)
{
        const json_t *flowd = json_object_get(state, "flowd");
        pid_t pid = (pid_t)get_number(flowd, "pid");

        instance->engine.restarts.total = get_number(state, "flowd_restarts");
        if (pid <= 0)
                return engine_start(&instance->engine);
        return engine_adopt(&instance->engine, pid, get_number(flowd, "started"),
                            (uid_t)get_number(flowd, "uid"));
}
