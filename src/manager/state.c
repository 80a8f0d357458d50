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

static json_t *pack_process(const struct process *process)
{
        json_t *object = json_object();

        put_number(object, "pid", (uint64_t)process->pid);
        put_number(object, "started", process->started);
        return object;
}

static json_t *pack_flowd(const struct engine *engine)
{
        json_t *object = pack_process(&engine->process);

        put_number(object, "uid", engine->uid);
        return object;
}

static json_t *pack_spec(const struct extension_spec *spec)
{
        json_t *object = json_object();

        put_text(object, "identifier", spec->identifier);
        put_text(object, "team", spec->team);
        put_text(object, "version", spec->version);
        put_text(object, "digest", spec->digest);
        put_text(object, "executable", spec->executable);
        put_text(object, "bundle_folder", spec->bundle_folder);
        put_text(object, "state_folder", spec->state_folder);
        put_number(object, "kinds", spec->kinds);
        put_number(object, "capabilities", spec->capabilities);
        put_number(object, "memory_max", spec->limits.memory_max);
        put_number(object, "pids_max", spec->limits.pids_max);
        return object;
}

static json_t *pack_run(const struct run *run)
{
        json_t *object = pack_process(&run->process);

        put_number(object, "number", run->number);
        put_number(object, "role", run->role);
        put_number(object, "since_ns", run->since_ns);
        put_number(object, "leaving_slots", run->leaving_slots);
        put_number(object, "has_peers", run->has_peers);
        put_text(object, "digest", run->digest);
        return object;
}

static json_t *pack_extension(const struct extension *extension)
{
        json_t *object = json_object(), *runs = json_array();
        const struct run *run;

        put_number(object, "number", extension->number);
        put_text(object, "name", extension->name);
        put_number(object, "state", extension->state);
        put_number(object, "uid", extension->uid);
        put_number(object, "hello_timeout_ms", extension->hello_timeout_ms);
        put_number(object, "restarts", extension->restarts.total);
        put_text(object, "last_exit", extension->last_exit);
        put_text(object, "message", extension->message);
        put_bool(object, "ran", extension->ran);
        put_bool(object, "removing", extension->removing);
        (void)json_object_set_new(object, "spec", pack_spec(&extension->spec));
        list_for_each (run, &extension->runs, link)
                (void)json_array_append_new(runs, pack_run(run));
        (void)json_object_set_new(object, "runs", runs);
        return object;
}

static json_t *pack_session(const struct session *session)
{
        json_t *object = json_object();

        put_number(object, "slot", session->slot);
        put_number(object, "extension", session->extension->number);
        put_text(object, "name", session->name);
        put_number(object, "kind", (uint64_t)session->kind);
        put_number(object, "state", session->state);
        put_number(object, "activated_ns", session->activated_ns);
        put_number(object, "running_since_ns", session->running_since_ns);
        put_text(object, "message", session->message);
        put_bool(object, "ran", session->ran);
        put_bool(object, "announced", session->announced);
        (void)json_object_set_new(object, "configuration",
                                  pack_configuration(&session->configuration));
        return object;
}

static json_t *pack_instance(const struct instance *instance)
{
        json_t *object = json_object(), *extensions = json_array(), *sessions = json_array();
        const struct extension *extension;
        const struct session *session;

        put_text(object, "cgroup", instance->paths.cgroup);
        put_text(object, "extension_cgroup", instance->paths.extension_cgroup);
        put_bool(object, "made_extension_cgroup", instance->made_extension_cgroup);
        put_number(object, "mark_mask", instance->options.mark_mask);
        put_number(object, "network", instance->network);
        put_number(object, "network_cookie", instance->network_cookie);
        put_number(object, "flowd_restarts", instance->engine.restarts.total);
        (void)json_object_set_new(object, "flowd", pack_flowd(&instance->engine));
        list_for_each (extension, &instance->extensions.extensions, link)
                (void)json_array_append_new(extensions, pack_extension(extension));
        (void)json_object_set_new(object, "extensions", extensions);
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

/* A namespace that is gone has taken with it what was ours there: who ran in it kept it. */
static bool is_elsewhere(const struct instance *instance, const json_t *state)
{
        uint64_t network = get_number(state, "network");
        uint64_t cookie = get_number(state, "network_cookie");

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
        if (get_number(state, "mark_mask") != instance->options.mark_mask)
                return "--mark-mask";
        return is_elsewhere(instance, state) ? "network namespace" : NULL;
}

/* Says which instance it is about. */
static bool is_whole(const json_t *state)
{
        return get_text(state, "cgroup") && get_text(state, "extension_cgroup") &&
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
        log_error("%s was damaged, and is %s now: what an earlier netextd ran has ended, and its "
                  "sessions have to be started again",
                  paths->state, paths->damaged_state);
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

static int restore_run(struct extension *extension, const json_t *state)
{
        enum run_role role = (enum run_role)get_number(state, "role");
        uint32_t number = (uint32_t)get_number(state, "number");
        pid_t pid = (pid_t)get_number(state, "pid");
        struct run *run;
        int r;

        if (number > extension->last_run)
                extension->last_run = number;
        if (role >= _RUN_ROLE_MAX)
                return -EBADMSG;
        if (pid <= 0)
                return 0;
        r = run_adopt(extension, role, number, pid, get_number(state, "started"), &run);
        if (r == -ESRCH)
                return 0; /* what that means is for extension_resume() to find out */
        if (r < 0)
                return r;
        run->since_ns = get_number(state, "since_ns");
        run->leaving_slots = get_number(state, "leaving_slots");
        run->has_peers = get_number(state, "has_peers") != 0;
        (void)run_set_digest(run, get_text(state, "digest"));
        return 0;
}

static int fill_extension(struct extension *extension, const json_t *state)
{
        json_t *run;
        size_t i;
        int r;

        extension->number = (unsigned int)get_number(state, "number");
        extension->state = (enum extension_state)get_number(state, "state");
        extension->uid = (uid_t)get_number(state, "uid");
        extension->hello_timeout_ms = (uint32_t)get_number(state, "hello_timeout_ms");
        extension->restarts.total = get_number(state, "restarts");
        extension->ran = get_bool(state, "ran");
        extension->removing = get_bool(state, "removing");
        if (extension->number >= EXTENSIONS_MAX || extension->state >= _EXTENSION_STATE_MAX)
                return -EBADMSG;
        r = set_text(&extension->last_exit, get_text(state, "last_exit"));
        if (r >= 0)
                r = set_text(&extension->message, get_text(state, "message"));
        if (r >= 0)
                r = extension_open_cgroup(extension);
        json_array_foreach(json_object_get(state, "runs"), i, run)
        {
                if (r >= 0)
                        r = restore_run(extension, run);
        }
        return r;
}

static int restore_extension(struct instance *instance, const json_t *state)
{
        const json_t *object = json_object_get(state, "spec");
        const struct extension_spec spec = {
                .identifier = get_text(object, "identifier"),
                .team = get_text(object, "team"),
                .version = get_text(object, "version"),
                .digest = get_text(object, "digest"),
                .executable = get_text(object, "executable"),
                .bundle_folder = get_text(object, "bundle_folder"),
                .state_folder = get_text(object, "state_folder"),
                .kinds = (uint32_t)get_number(object, "kinds"),
                .capabilities = (uint32_t)get_number(object, "capabilities"),
                .limits = { .memory_max = get_number(object, "memory_max"),
                            .pids_max = (uint32_t)get_number(object, "pids_max") },
        };
        struct extension *extension;
        int r;

        if (!spec.executable || *spec.executable != '/' || (spec.team && !spec.identifier))
                return -EBADMSG;
        r = extension_new(&instance->extensions, get_text(state, "name") ?: "", &spec, &extension);
        if (r < 0)
                return r;
        r = fill_extension(extension, state);
        if (r < 0)
                extension_free(extension);
        return r;
}

/* Before there were others, every session was a filter, and its kind was not written down. */
static int restore_kind(const json_t *state)
{
        return json_object_get(state, "kind") ? (int)get_number(state, "kind")
                                              : NX_PROVIDER_KIND_FILTER;
}

static int fill_session(struct session *session, const json_t *state)
{
        session->kind = restore_kind(state);
        session->state = (enum wire_session_state)get_number(state, "state");
        session->stopping = session->state == WIRE_SESSION_STOPPED;
        session->activated_ns = get_number(state, "activated_ns");
        session->running_since_ns = get_number(state, "running_since_ns");
        session->ran = get_bool(state, "ran");
        session->announced = get_bool(state, "announced");
        return set_text(&session->message, get_text(state, "message"));
}

static int restore_session(struct instance *instance, const json_t *state)
{
        unsigned int slot = (unsigned int)get_number(state, "slot");
        _cleanup_configuration_ struct configuration configuration = {};
        struct session *session;
        struct extension *extension;
        int r;

        extension = extension_table_find_number(&instance->extensions,
                                                (unsigned int)get_number(state, "extension"));
        if (!extension || slot >= SESSIONS_MAX)
                return -EBADMSG;
        r = restore_configuration(&configuration, json_object_get(state, "configuration"));
        if (r >= 0)
                r = session_table_restore(&instance->sessions, &configuration, extension,
                                          get_text(state, "name") ?: "", slot, &session);
        if (r < 0)
                return r;
        r = fill_session(session, state);
        if (r < 0)
                session_free(session);
        return r;
}

/* An anonymous extension is there for its session. */
static void drop_useless(struct extension_table *table)
{
        struct extension *extension, *following;

        list_for_each_safe (extension, following, &table->extensions, link)
                if (extension_is_anonymous(extension) && list_is_empty(&extension->clients))
                        extension->removing = true;
}

void state_restore_sessions(struct instance *instance, const json_t *state)
{
        json_t *one;
        size_t i;
        int r;

        instance->made_extension_cgroup |= get_bool(state, "made_extension_cgroup");
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
