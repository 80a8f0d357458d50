/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The files are read by other versions of netextd than wrote them: a key that is new has to be one
 * that can be missing.
 */

#include <errno.h>
#include <string.h>

#include <netext/netext.h>

#include "base/log.h"
#include "manager/packing.h"

void pack_text(json_t *object, const char *key, const char *value)
{
        if (value)
                (void)json_object_set_new(object, key, json_string(value));
}

void pack_number(json_t *object, const char *key, uint64_t value)
{
        (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

void pack_bool(json_t *object, const char *key, bool value)
{
        (void)json_object_set_new(object, key, json_boolean(value));
}

const char *unpack_text(const json_t *object, const char *key)
{
        return json_string_value(json_object_get(object, key));
}

uint64_t unpack_number(const json_t *object, const char *key)
{
        return (uint64_t)json_integer_value(json_object_get(object, key));
}

bool unpack_bool(const json_t *object, const char *key)
{
        return json_is_true(json_object_get(object, key));
}

static json_t *pack_configuration(const struct configuration *configuration)
{
        json_t *object = json_object(), *files = json_object();

        pack_text(object, "extension", configuration->extension);
        pack_text(object, "identifier", configuration->identifier);
        pack_text(object, "name", configuration->name);
        pack_number(object, "user", configuration->user);
        pack_number(object, "order", (uint64_t)configuration->order);
        pack_number(object, "kind", (uint64_t)configuration->kind);
        pack_number(object, "grade", (uint64_t)configuration->grade);
        pack_number(object, "fail_policy", (uint64_t)configuration->fail_policy);
        pack_number(object, "verdict_timeout_ms", configuration->verdict_timeout_ms);
        pack_number(object, "ready_timeout_ms", configuration->ready_timeout_ms);
        for (size_t i = 0; i < configuration->n_files; i++)
                pack_text(files, configuration->files[i].name, configuration->files[i].path);
        (void)json_object_set_new(object, "files", files);
        return object;
}

static int unpack_configuration(struct configuration *configuration, const json_t *object)
{
        const char *extension = unpack_text(object, "extension"), *file;
        const char *identifier = unpack_text(object, "identifier");
        const char *name = unpack_text(object, "name");
        _cleanup_free_ char *problem = NULL;
        json_t *path;
        int r;

        if (!extension || *extension != '/')
                return -EBADMSG;
        configuration_init(configuration);
        r = configuration_set_extension(configuration, "", extension, &problem);
        if (r >= 0 && name)
                r = configuration_set_name(configuration, name, &problem);
        configuration->user = (uid_t)unpack_number(object, "user");
        configuration->order = (int32_t)unpack_number(object, "order");
        configuration->kind = (int)unpack_number(object, "kind");
        configuration->grade = (int)unpack_number(object, "grade");
        configuration->fail_policy = (int)unpack_number(object, "fail_policy");
        configuration->verdict_timeout_ms = (uint32_t)unpack_number(object, "verdict_timeout_ms");
        configuration->ready_timeout_ms = (uint32_t)unpack_number(object, "ready_timeout_ms");
        json_object_foreach(json_object_get(object, "files"), file, path)
        {
                if (r >= 0)
                        r = configuration_add_file(configuration, file,
                                                   json_string_value(path) ?: "", &problem);
        }
        if (r >= 0 && !wire_name_to_string(wire_fail_policies, configuration->fail_policy))
                r = -EBADMSG;
        if (r < 0 || !identifier)
                return r;
        configuration->identifier = strdup(identifier);
        return configuration->identifier ? 0 : -ENOMEM;
}

static void pack_groups(json_t *object, const struct extension_spec *spec)
{
        json_t *groups = json_array();

        for (size_t i = 0; i < EXTENSION_GROUPS_MAX && spec->groups[i]; i++)
                (void)json_array_append_new(groups, json_string(spec->groups[i]));
        pack_text(object, "groups_folder", spec->groups_folder);
        (void)json_object_set_new(object, "groups", groups);
}

/* What is set points into object. */
static void unpack_groups(struct extension_spec *spec, const json_t *object)
{
        const json_t *groups = json_object_get(object, "groups");

        spec->groups_folder = unpack_text(object, "groups_folder");
        for (size_t i = 0; spec->groups_folder && i < EXTENSION_GROUPS_MAX; i++)
                spec->groups[i] = json_string_value(json_array_get(groups, i));
}

static json_t *pack_spec(const struct extension_spec *spec)
{
        json_t *object = json_object();

        pack_text(object, "identifier", spec->identifier);
        pack_text(object, "team", spec->team);
        pack_text(object, "version", spec->version);
        pack_text(object, "digest", spec->digest);
        pack_text(object, "executable", spec->executable);
        pack_text(object, "bundle_folder", spec->bundle_folder);
        pack_text(object, "state_folder", spec->state_folder);
        pack_groups(object, spec);
        pack_number(object, "kinds", spec->kinds);
        pack_number(object, "capabilities", spec->capabilities);
        pack_number(object, "grace_time", spec->grace_time);
        pack_number(object, "memory_max", spec->limits.memory_max);
        pack_number(object, "pids_max", spec->limits.pids_max);
        pack_bool(object, "per_session", spec->per_session);
        return object;
}

json_t *pack_extension(const struct extension *extension)
{
        json_t *object = json_object();

        pack_number(object, "number", extension->number);
        pack_text(object, "name", extension->name);
        pack_number(object, "hello_timeout_ms", extension->hello_timeout_ms);
        (void)json_object_set_new(object, "spec", pack_spec(&extension->spec));
        return object;
}

/* Its cgroup's identifier is part of what flowd is told of its sessions. */
static int fill_extension(struct extension *extension, const json_t *object)
{
        extension->number = (unsigned int)unpack_number(object, "number");
        extension->hello_timeout_ms = (uint32_t)unpack_number(object, "hello_timeout_ms");
        return extension->number < EXTENSIONS_MAX ? extension_open_cgroup(extension) : -EBADMSG;
}

int unpack_extension(struct extension_table *table, const json_t *object, struct extension **ret)
{
        const json_t *packed = json_object_get(object, "spec");
        struct extension_spec spec = {
                .identifier = unpack_text(packed, "identifier"),
                .team = unpack_text(packed, "team"),
                .version = unpack_text(packed, "version"),
                .digest = unpack_text(packed, "digest"),
                .executable = unpack_text(packed, "executable"),
                .bundle_folder = unpack_text(packed, "bundle_folder"),
                .state_folder = unpack_text(packed, "state_folder"),
                .kinds = (uint32_t)unpack_number(packed, "kinds"),
                .capabilities = (uint32_t)unpack_number(packed, "capabilities"),
                .grace_time = (uint32_t)unpack_number(packed, "grace_time"),
                .limits = { .memory_max = unpack_number(packed, "memory_max"),
                            .pids_max = (uint32_t)unpack_number(packed, "pids_max") },
                .per_session = unpack_bool(packed, "per_session"),
        };
        _cleanup_(cleanup_extension) struct extension *extension = NULL;
        int r;

        if (!spec.executable || *spec.executable != '/' || (spec.team && !spec.identifier))
                return -EBADMSG;
        unpack_groups(&spec, packed);
        r = extension_new(table, unpack_text(object, "name") ?: "", &spec, &extension);
        if (r >= 0)
                r = fill_extension(extension, object);
        if (r < 0)
                return r;
        *ret = take_ptr(extension);
        return 0;
}

json_t *pack_session(const struct session *session)
{
        json_t *object = json_object();

        pack_number(object, "slot", session->slot);
        pack_number(object, "extension", session->extension->number);
        pack_text(object, "name", session->name);
        pack_number(object, "kind", (uint64_t)session->kind);
        pack_number(object, "activated_ns", session->activated_ns);
        pack_bool(object, "announced", session->announced);
        (void)json_object_set_new(object, "configuration",
                                  pack_configuration(&session->configuration));
        return object;
}

/* Before there were others, every session was a filter, and its kind was not written down. */
static int unpack_kind(const json_t *object)
{
        return json_object_get(object, "kind") ? (int)unpack_number(object, "kind")
                                               : NX_PROVIDER_KIND_FILTER;
}

int unpack_session(struct session_table *table, const json_t *object, struct session **ret)
{
        unsigned int slot = (unsigned int)unpack_number(object, "slot");
        _cleanup_configuration_ struct configuration configuration = {};
        struct extension *extension;
        int r;

        extension = extension_table_find_number(table->extensions,
                                                (unsigned int)unpack_number(object, "extension"));
        if (!extension || slot >= SESSIONS_MAX)
                return -EBADMSG;
        r = unpack_configuration(&configuration, json_object_get(object, "configuration"));
        if (r >= 0)
                r = session_table_restore(table, &configuration, extension,
                                          unpack_text(object, "name") ?: "", slot, ret);
        if (r < 0)
                return r;
        (*ret)->kind = unpack_kind(object);
        (*ret)->activated_ns = unpack_number(object, "activated_ns");
        (*ret)->announced = unpack_bool(object, "announced");
        return 0;
}

static json_t *pack_set(const struct set *set)
{
        json_t *object = json_object(), *entries = json_array();
        char text[SET_DOMAIN_SIZE];

        for (size_t i = 0; i < set->content.n_entries; i++)
                (void)json_array_append_new(
                        entries, json_string(set_entry_to_string(&set->content.entries[i], text)));
        pack_number(object, "updated_ns", set->updated_ns);
        (void)json_object_set_new(object, "entries", entries);
        return object;
}

json_t *pack_sets(const struct set_table *table)
{
        json_t *object = json_object();
        const struct set *set;

        list_for_each (set, &table->sets, link)
                (void)json_object_set_new(object, set->name, pack_set(set));
        return object;
}

/* The entries are lines as PutSet takes them. */
static int unpack_set(struct set_table *table, const char *name, const json_t *object,
                      char **ret_problem)
{
        _cleanup_set_content_ struct set_content content = {};
        json_t *entry;
        size_t i;
        int r;

        json_array_foreach(json_object_get(object, "entries"), i, entry)
        {
                r = set_content_add(&content, json_string_value(entry) ?: "", (unsigned int)i + 1,
                                    ret_problem);
                if (r < 0)
                        return r;
        }
        return set_table_restore(table, name, &content, unpack_number(object, "updated_ns"),
                                 ret_problem);
}

bool unpack_sets(struct set_table *table, const json_t *object, const char *path)
{
        bool is_whole = json_is_object(object);
        const char *name;
        json_t *set;

        json_object_foreach((json_t *)object, name, set)
        {
                _cleanup_free_ char *problem = NULL;
                int r = unpack_set(table, name, set, &problem);

                if (r < 0)
                        log_error("%s: set %s cannot be taken over: %s", path, name,
                                  problem ?: strerror(-r));
                is_whole &= r >= 0;
        }
        return is_whole;
}
