/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The store knows bundles and not processes, the extensions' table processes and not bundles: here
 * the one is told what it wants to know of the other. Before a process is made anew, the store
 * looks at the copy that it is made of; the first one is made of what was verified a moment ago.
 */

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "manager/endpoints.h"
#include "manager/extension/parts.h"
#include "manager/installed.h"
#include "manager/loop/text.h"
#include "manager/store/life.h"

#define CAPABILITY(name) (1U << MANIFEST_CAPABILITY_##name)

static_assert(EXTENSION_CAN_FILTER == CAPABILITY(FILTER_PROVIDER) &&
                      EXTENSION_CAN_PROXY_TRANSPARENTLY == CAPABILITY(TRANSPARENT_PROXY_PROVIDER) &&
                      EXTENSION_CAN_PROXY_APPS == CAPABILITY(APP_PROXY_PROVIDER) &&
                      EXTENSION_CAN_INSPECT_BYTES == CAPABILITY(BYTE_INSPECTION) &&
                      EXTENSION_IS_NETWORK_CLIENT == CAPABILITY(NETWORK_CLIENT) &&
                      EXTENSION_CAN_FILTER_PACKETS == CAPABILITY(PACKET_FILTER_PROVIDER),
              "a capability of the manifest is the same bit of a specification");

static_assert(EXTENSION_IDENTIFIER_MAX == MANIFEST_IDENTIFIER_MAX, "it is one name");
static_assert(EXTENSION_GROUPS_MAX == MANIFEST_GROUPS_MAX, "they are the same");

/* Of a process with its children: more than any should need, and less than hurts the machine. */
static const struct extension_limits limits = { .memory_max = 1ULL << 30, .pids_max = 512 };

/* What a specification borrows, beside what it has of its copy. */
struct places {
        char *executable, *state, *groups;
};

static void places_deinit(struct places *places)
{
        free(places->executable);
        free(places->state);
        free(places->groups);
}

static bool is_per_session(const struct copy *copy)
{
        return copy->bundle.manifest.scope == MANIFEST_SCOPE_SESSION;
}

/* folder: the copy's; places->state is given. */
static int specify(struct instance *instance, const struct copy *copy, const char *folder,
                   struct places *places, struct extension_spec *ret, char **ret_problem)
{
        const struct manifest *manifest = &copy->bundle.manifest;
        int r;

        r = store_make_group_folders(&instance->store, manifest, &places->groups, ret_problem);
        if (r < 0)
                return r;
        text_set(&places->executable, "%s/%s", folder, manifest->executable);
        if (!places->executable)
                return -ENOMEM;
        *ret = (struct extension_spec){
                .identifier = manifest->identifier,
                .team = manifest->team,
                .version = manifest->version,
                .digest = copy->bundle.digest,
                .executable = places->executable,
                .bundle_folder = folder,
                .state_folder = places->state,
                .groups_folder = places->groups,
                .kinds = manifest->kinds,
                .capabilities = manifest->capabilities,
                .grace_time = manifest->grace_time,
                .limits = limits,
                .per_session = is_per_session(copy),
        };
        for (size_t i = 0; i < manifest->n_groups; i++)
                ret->groups[i] = manifest->groups[i];
        return 0;
}

static int put(const struct copy *copy, const char *folder, char **ret_problem, void *userdata)
{
        struct instance *instance = userdata;
        const struct manifest *manifest = &copy->bundle.manifest;
        _cleanup_(places_deinit) struct places places = {};
        struct extension_spec spec;
        int r = 0;

        if (!is_per_session(copy))
                r = store_make_data_folder(&instance->store, manifest->identifier, &places.state,
                                           ret_problem);
        if (r >= 0)
                r = specify(instance, copy, folder, &places, &spec, ret_problem);
        if (r < 0)
                return r;
        endpoints_begin(instance, manifest);
        return extension_table_put(&instance->extensions, &spec, ret_problem);
}

int installed_make_extension(const struct configuration *configuration, const char *name,
                             struct extension **ret, char **ret_problem, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = configuration->identifier;
        const struct copy *copy = store_find_runnable(&instance->store, identifier);
        _cleanup_(places_deinit) struct places places = {};
        _cleanup_free_ char *name_below = NULL, *folder = NULL;
        struct extension_spec spec;
        int r;

        if (!copy || !is_per_session(copy))
                return -ESRCH;
        name_below = copy_get_folder(copy);
        text_set(&folder, "%s/%s", instance->store.folder, name_below);
        r = name_below && folder
                    ? store_make_session_folder(&instance->store, identifier, configuration->user,
                                                name, &places.state, ret_problem)
                    : -ENOMEM;
        if (r >= 0)
                r = specify(instance, copy, folder, &places, &spec, ret_problem);
        if (r >= 0)
                r = extension_new(&instance->extensions, name, &spec, ret);
        if (r < 0)
                return r;
        (*ret)->vouched = copy->state == COPY_ENABLING; /* it was looked at a moment ago */
        return 0;
}

static enum nx_provider_stop_reason why_it_ends(const struct store *store, const char *identifier)
{
        const struct life *life = store_find(store, identifier);
        bool is_removed =
                life && life->active && life->active->state == COPY_TERMINATING_FOR_UNINSTALL;

        return is_removed ? NX_PROVIDER_STOP_CONFIGURATION_REMOVED
                          : NX_PROVIDER_STOP_CONFIGURATION_DISABLED;
}

/* Those that are going already are told once more, which is harmless. */
static int end(const char *identifier, void *userdata)
{
        struct instance *instance = userdata;
        enum nx_provider_stop_reason reason = why_it_ends(&instance->store, identifier);
        struct extension *extension = NULL;
        int r = -ENOENT;

        while ((extension = extension_table_next(&instance->extensions, identifier, extension))) {
                session_table_stop_all(&instance->sessions, extension, reason);
                extension_remove(extension);
                r = 0;
        }
        return r;
}

static const char *installed_identifier(const struct extension *extension)
{
        const struct extension_spec *spec = extension_get_spec(extension);

        return spec->team ? spec->identifier : NULL;
}

/* Of the copy that the extension is made of from here on. */
static void declare_endpoints(struct instance *instance, const char *identifier)
{
        const struct life *life = store_find(&instance->store, identifier);

        if (life && life->active)
                endpoints_declare(instance, &life->active->bundle.manifest);
}

static bool is_settled(const struct extension *extension)
{
        return !extension->unsettled || extension->removing;
}

/* What its sessions' processes are to be made of runs when the last of them has turned, and does
 * not when one has stayed behind. */
static void sessions_settled(struct instance *instance, const char *identifier)
{
        const struct copy *copy = store_find_runnable(&instance->store, identifier);
        const struct extension *behind = NULL;
        struct extension *extension = NULL;

        while ((extension = extension_table_next(&instance->extensions, identifier, extension))) {
                if (!is_settled(extension))
                        return;
                if (copy && extension_get_pid(extension) && !extension->removing &&
                    strcmp(extension->spec.digest, copy->bundle.digest) != 0)
                        behind = extension;
        }
        store_settled(&instance->store, identifier, behind ? -ECHILD : 0,
                      behind ? extension_get_message(behind) : NULL);
}

static void settled(struct extension *extension, int result, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        if (!identifier)
                return;
        if (extension->spec.per_session) {
                sessions_settled(instance, identifier);
                return;
        }
        store_settled(&instance->store, identifier, result, extension_get_message(extension));
        if (result >= 0)
                declare_endpoints(instance, identifier);
}

static void gone(struct extension *extension, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        if (!identifier)
                return;
        if (extension->spec.per_session)
                sessions_settled(instance, identifier);
        if (!extension->spec.per_session ||
            !extension_table_next(&instance->extensions, identifier, NULL))
                store_gone(&instance->store, identifier);
}

static void process_gone(struct extension *extension, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        if (identifier)
                store_process_gone(&instance->store, identifier);
}

static const struct extension_listener listener = {
        .settled = settled,
        .process_gone = process_gone,
        .gone = gone,
};

static void vouch(struct extension *extension, void *userdata)
{
        struct instance *instance = userdata;

        store_vouch(&instance->store, installed_identifier(extension));
}

static void vouched(const char *identifier, const char *problem, void *userdata)
{
        struct instance *instance = userdata;
        struct extension *extension = NULL;

        while ((extension = extension_table_next(&instance->extensions, identifier, extension)))
                extension_vouched(extension, problem);
}

static bool uses(const char *identifier, const char *digest, void *userdata)
{
        struct instance *instance = userdata;

        return extension_table_uses(&instance->extensions, identifier, digest);
}

const struct store_runner installed_runner = {
        .put = put,
        .remove = end,
        .uses = uses,
        .vouched = vouched,
};

void installed_init(struct instance *instance)
{
        extension_table_watch(&instance->extensions, &instance->installed_watch, &listener,
                              instance);
        extension_table_guard(&instance->extensions, vouch, instance);
}
