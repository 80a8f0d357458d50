/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The files say what an administrator would have to say again. Whoever ends a session or a set
 * takes it out of them, with one exception: netextd, when it ends. They are written when they would
 * say something new, and not each time that a process comes or goes.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/lasting.h"
#include "manager/packing.h"
#include "manager/priv/staged.h"

#define SESSIONS_FILE "sessions.json"
#define SETS_FILE     "sets.json"

/* --- writing ------------------------------------------------------------------------------ */

static bool keeps(const struct instance *instance)
{
        return instance->keeps && !instance->ending;
}

static int write_file(struct instance *instance, const char *name, const char *text)
{
        _cleanup_free_ char *problem = NULL;
        int r;

        r = text ? store_make(&instance->store, &problem) : -ENOMEM;
        if (r >= 0)
                r = staged_replace_file(instance->store.place.store_fd, name, text, strlen(text));
        if (r < 0)
                log_error("cannot write %s/%s: %s; what changed does not outlive this netextd",
                          instance->paths.state_directory, name, problem ?: strerror(-r));
        return r;
}

/* It is there for the sessions in the file. */
static bool is_kept_extension(const struct extension *extension)
{
        return !extension->removing && !list_is_empty(&extension->clients);
}

static bool is_kept_session(const struct session *session)
{
        return !session->stopping && !session->extension->removing;
}

static char *describe_sessions(const struct instance *instance)
{
        _cleanup_(cleanup_json) json_t *object = json_object();
        json_t *extensions = json_array(), *sessions = json_array();
        const struct extension *extension;
        const struct session *session;

        list_for_each (extension, &instance->extensions.extensions, link)
                if (is_kept_extension(extension))
                        (void)json_array_append_new(extensions, pack_extension(extension));
        (void)json_object_set_new(object, "extensions", extensions);
        list_for_each (session, &instance->sessions.sessions, link)
                if (is_kept_session(session))
                        (void)json_array_append_new(sessions, pack_session(session));
        (void)json_object_set_new(object, "sessions", sessions);
        return json_dumps(object, JSON_INDENT(1));
}

/* Is there anything that a file would have to say, or does one say too much? */
static bool is_worth_a_file(const struct instance *instance, const struct list *list)
{
        return instance->store.place.store_fd >= 0 || !list_is_empty(list);
}

void lasting_save_sessions(struct instance *instance)
{
        _cleanup_free_ char *text = NULL;

        if (!keeps(instance) || !is_worth_a_file(instance, &instance->sessions.sessions))
                return;
        text = describe_sessions(instance);
        if (text && instance->lasting_sessions && strcmp(text, instance->lasting_sessions) == 0)
                return;
        if (write_file(instance, SESSIONS_FILE, text) < 0)
                return;
        free(instance->lasting_sessions);
        instance->lasting_sessions = take_ptr(text);
}

void lasting_save_sets(struct instance *instance)
{
        _cleanup_(cleanup_json) json_t *object = NULL;
        _cleanup_free_ char *text = NULL;

        if (!keeps(instance) || !is_worth_a_file(instance, &instance->sets.sets))
                return;
        object = pack_sets(&instance->sets);
        text = json_dumps(object, JSON_INDENT(1));
        (void)write_file(instance, SETS_FILE, text);
}

/* --- reading ------------------------------------------------------------------------------ */

static void put_aside(struct instance *instance, const char *name)
{
        _cleanup_free_ char *aside = NULL;
        int r;

        r = staged_put_aside(instance->store.place.store_fd, name, &aside);
        if (r < 0)
                log_error("%s/%s is damaged and cannot be put aside: %s",
                          instance->paths.state_directory, name, strerror(-r));
        else
                log_error("%s/%s was damaged, and is %s now: what could not be read of it has to "
                          "be configured again",
                          instance->paths.state_directory, name, aside);
}

/* Lets fill() make what the file says; false from it: not all of that makes sense. */
static void read_file(struct instance *instance, const char *name,
                      bool (*fill)(struct instance *instance, const json_t *object))
{
        int store_fd = instance->store.place.store_fd;
        _cleanup_fd_ int fd = store_fd < 0 ? -ENOENT : staged_read_file(store_fd, name);
        _cleanup_(cleanup_json) json_t *object = NULL;
        json_error_t error;

        if (!instance->options.keep_configuration || fd == -ENOENT)
                return;
        object = fd < 0 ? NULL : json_loadfd(fd, 0, &error);
        if (fd < 0)
                log_error("%s/%s: %s", instance->paths.state_directory, name, strerror(-fd));
        else if (!object)
                log_error("%s/%s:%d:%d: %s", instance->paths.state_directory, name, error.line,
                          error.column, error.text);
        if (!object || !fill(instance, object))
                put_aside(instance, name);
}

static bool fill_sets(struct instance *instance, const json_t *object)
{
        return unpack_sets(&instance->sets, object, SETS_FILE);
}

static int restore_extension(struct instance *instance, const json_t *object)
{
        struct extension *extension;
        int r;

        r = unpack_extension(&instance->extensions, object, &extension);
        if (r >= 0)
                extension->lasting = true;
        return r;
}

static int restore_session(struct instance *instance, const json_t *object)
{
        struct session *session;

        return unpack_session(&instance->sessions, object, &session);
}

static bool fill_each(struct instance *instance, const json_t *root, const char *key,
                      int (*restore)(struct instance *instance, const json_t *object))
{
        const json_t *array = json_object_get(root, key);
        bool is_whole = json_is_array(array);
        json_t *object;
        size_t i;

        json_array_foreach(array, i, object)
        {
                int r = restore(instance, object);

                if (r < 0)
                        log_error(SESSIONS_FILE ": number %zu of the %s is forgotten: %s", i, key,
                                  strerror(-r));
                is_whole &= r >= 0;
        }
        return is_whole;
}

static bool fill_sessions(struct instance *instance, const json_t *object)
{
        bool is_whole = fill_each(instance, object, "extensions", restore_extension);

        return fill_each(instance, object, "sessions", restore_session) && is_whole;
}

void lasting_restore_sessions(struct instance *instance)
{
        read_file(instance, SESSIONS_FILE, fill_sessions);
}

void lasting_restore_sets(struct instance *instance)
{
        read_file(instance, SETS_FILE, fill_sets);
}

void lasting_start(struct instance *instance)
{
        struct extension *extension;
        struct session *session;

        list_for_each (session, &instance->sessions.sessions, link)
                session_start(session);
        list_for_each (extension, &instance->extensions.extensions, link)
                if (!extension_is_anonymous(extension))
                        extension_start_soon(extension);
}
