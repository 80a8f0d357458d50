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
#include "manager/extension/extension.h"
#include "manager/installed.h"
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

static int put(const struct copy *copy, const char *folder, char **ret_problem, void *userdata)
{
        struct instance *instance = userdata;
        const struct manifest *manifest = &copy->bundle.manifest;
        _cleanup_free_ char *executable = NULL, *data = NULL, *shared = NULL;
        struct extension_spec spec;
        struct extension *extension;
        int r;

        r = store_make_data_folder(&instance->store, manifest->identifier, &data, ret_problem);
        if (r >= 0)
                r = store_make_group_folders(&instance->store, manifest, &shared, ret_problem);
        if (r >= 0 && asprintf(&executable, "%s/%s", folder, manifest->executable) < 0) {
                executable = NULL;
                r = -ENOMEM;
        }
        if (r < 0)
                return r;
        spec = (struct extension_spec){
                .identifier = manifest->identifier,
                .team = manifest->team,
                .version = manifest->version,
                .digest = copy->bundle.digest,
                .executable = executable,
                .bundle_folder = folder,
                .state_folder = data,
                .groups_folder = shared,
                .kinds = manifest->kinds,
                .capabilities = manifest->capabilities,
                .grace_time = manifest->grace_time,
                .limits = limits,
        };
        for (size_t i = 0; i < manifest->n_groups; i++)
                spec.groups[i] = manifest->groups[i];
        endpoints_begin(instance, manifest);
        return extension_table_put(&instance->extensions, &spec, &extension, ret_problem);
}

static int end(const char *identifier, void *userdata)
{
        struct instance *instance = userdata;
        struct extension *extension = extension_table_find(&instance->extensions, identifier);

        if (!extension)
                return -ENOENT;
        extension_remove(extension);
        return 0;
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

static void settled(struct extension *extension, int result, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        if (!identifier)
                return;
        store_settled(&instance->store, identifier, result, extension_get_message(extension));
        if (result >= 0)
                declare_endpoints(instance, identifier);
}

static void gone(struct extension *extension, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        if (identifier)
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
        struct extension *extension = extension_table_find(&instance->extensions, identifier);

        if (extension)
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
