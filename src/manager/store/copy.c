/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Of the manifest only what is listed is written down: before a copy runs, it is read anew from
 * the copy itself. Identifier and digest are names of folders here, so they are looked at once
 * more, whatever the worker said.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manager/loop/timer.h"
#include "manager/store/copy.h"

static const char *const states[_COPY_STATE_MAX] = {
        [COPY_VALIDATING] = "validating",
        [COPY_WAITING_FOR_USER] = "activated_waiting_for_user",
        [COPY_ENABLING] = "activated_enabling",
        [COPY_ENABLED] = "activated_enabled",
        [COPY_DISABLING] = "activated_disabling",
        [COPY_DISABLED] = "activated_disabled",
        [COPY_WAITING_TO_UPGRADE] = "activated_waiting_to_upgrade",
        [COPY_TERMINATING_FOR_UPGRADE] = "terminating_for_upgrade",
        [COPY_TERMINATING_FOR_UNINSTALL] = "terminating_for_uninstall",
        [COPY_UNINSTALLING] = "uninstalling",
};

const char *copy_state_to_string(enum copy_state state)
{
        return states[state];
}

int copy_state_from_string(const char *word)
{
        for (enum copy_state state = 0; state < _COPY_STATE_MAX; state++)
                if (strcmp(states[state], word) == 0)
                        return (int)state;
        return -EINVAL;
}

struct copy *copy_new(struct bundle *bundle, uint64_t request)
{
        struct copy *copy = calloc(1, sizeof(*copy));

        if (!copy)
                return NULL;
        list_init(&copy->link);
        copy->request = request;
        copy->staged_ns = clock_realtime_ns();
        copy->bundle = *bundle;
        copy->developer = !bundle->signer.is_trusted;
        *bundle = (struct bundle){};
        return copy;
}

struct copy *copy_free(struct copy *copy)
{
        if (!copy)
                return NULL;
        list_remove(&copy->link);
        bundle_deinit(&copy->bundle);
        grant_deinit(&copy->grant);
        free(copy->recovered);
        free(copy->problem);
        free(copy->last_failure);
        free(copy);
        return NULL;
}

bool copy_is_name(const char *text)
{
        size_t length = text ? strlen(text) : 0;

        return length > 0 && length <= MANIFEST_IDENTIFIER_MAX && *text != '.' &&
               strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") ==
                       length;
}

char *copy_get_folder(const struct copy *copy)
{
        char *path;

        if (asprintf(&path, "extensions/%s/%s", copy->bundle.manifest.identifier,
                     copy->bundle.digest) < 0)
                return NULL;
        return path;
}

void copy_set_bundle(struct copy *copy, struct bundle *bundle)
{
        bundle_deinit(&copy->bundle);
        copy->bundle = *bundle;
        *bundle = (struct bundle){};
}

void copy_set_report(struct copy *copy, struct bundle_report *report)
{
        bundle_report_deinit(&copy->bundle.report);
        copy->bundle.report = *report;
        *report = (struct bundle_report){};
}

void copy_set_problem(struct copy *copy, const char *problem)
{
        char *text = problem ? strdup(problem) : NULL;

        free(copy->problem);
        copy->problem = text;
}

struct policy_subject copy_to_subject(const struct copy *copy)
{
        const struct manifest *manifest = &copy->bundle.manifest;

        return (struct policy_subject){
                .team = manifest->team,
                .identifier = manifest->identifier,
                .category = manifest_category_name(manifest->category),
        };
}

static json_t *pack_groups(const struct manifest *manifest)
{
        json_t *groups = json_array();

        for (size_t i = 0; i < manifest->n_groups; i++)
                (void)json_array_append_new(groups, json_string(manifest->groups[i]));
        return groups;
}

json_t *copy_pack(const struct copy *copy)
{
        const struct manifest *manifest = &copy->bundle.manifest;
        const struct bundle_signer *signer = &copy->bundle.signer;

        return json_pack(
                "{ss ss ss ss ss ss* si ss* ss ss* ss* ss* si so ss sI sI sb sb so ss* si}",
                "identifier", manifest->identifier, "team", manifest->team, "version",
                manifest->version, "short_version", manifest->short_version, "name", manifest->name,
                "vendor", manifest->vendor, "category", (int)manifest->category,
                "usage_description", manifest->usage_description, "digest", copy->bundle.digest,
                "signer", signer->identity, "signer_name", signer->name, "signer_root",
                signer->root, "capabilities", (int)manifest->capabilities, "groups",
                pack_groups(manifest), "state", states[copy->state], "request",
                (json_int_t)copy->request, "staged_ns", (json_int_t)copy->staged_ns, "developer",
                copy->developer, "switched_off", copy->switched_off, "grant",
                grant_pack(&copy->grant), "recovered", copy->recovered, "scope",
                (int)manifest->scope);
}

static char *take_string(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));

        return text ? strdup(text) : NULL;
}

static void read_groups(struct manifest *manifest, const json_t *groups)
{
        size_t n = json_array_size(groups);

        if (n == 0 || n > MANIFEST_GROUPS_MAX)
                return;
        manifest->groups = calloc(n + 1, sizeof(char *));
        while (manifest->groups && manifest->n_groups < n) {
                const char *group = json_string_value(json_array_get(groups, manifest->n_groups));

                if (!group || !(manifest->groups[manifest->n_groups] = strdup(group)))
                        break;
                manifest->n_groups++;
        }
}

static void read_bundle(struct bundle *bundle, const json_t *object)
{
        struct manifest *manifest = &bundle->manifest;
        const char *digest = json_string_value(json_object_get(object, "digest"));

        manifest->identifier = take_string(object, "identifier");
        manifest->team = take_string(object, "team");
        manifest->version = take_string(object, "version");
        manifest->short_version = take_string(object, "short_version");
        manifest->name = take_string(object, "name");
        manifest->vendor = take_string(object, "vendor");
        manifest->usage_description = take_string(object, "usage_description");
        manifest->category =
                (enum manifest_category)json_integer_value(json_object_get(object, "category"));
        manifest->scope = (enum manifest_scope)json_integer_value(json_object_get(object, "scope"));
        manifest->capabilities =
                (uint32_t)json_integer_value(json_object_get(object, "capabilities"));
        read_groups(manifest, json_object_get(object, "groups"));
        bundle->signer.identity = take_string(object, "signer");
        bundle->signer.name = take_string(object, "signer_name");
        bundle->signer.root = take_string(object, "signer_root");
        snprintf(bundle->digest, sizeof(bundle->digest), "%s", digest ?: "");
}

int copy_unpack(const json_t *object, struct copy **ret_copy)
{
        const char *state = json_string_value(json_object_get(object, "state"));
        _cleanup_(cleanup_copy) struct copy *copy = NULL;
        struct bundle bundle = {};
        int found = state ? copy_state_from_string(state) : -EINVAL;

        read_bundle(&bundle, object);
        copy = copy_new(&bundle, (uint64_t)json_integer_value(json_object_get(object, "request")));
        if (!copy) {
                bundle_deinit(&bundle);
                return -ENOMEM;
        }
        if (found < 0 || !copy_is_name(copy->bundle.manifest.identifier) ||
            !copy_is_name(copy->bundle.digest) || !copy->bundle.manifest.team ||
            !copy->bundle.manifest.version || !copy->bundle.manifest.short_version ||
            !copy->bundle.manifest.name ||
            copy->bundle.manifest.category >= _MANIFEST_CATEGORY_MAX ||
            copy->bundle.manifest.scope >= _MANIFEST_SCOPE_MAX)
                return -EBADMSG;
        copy->state = (enum copy_state)found;
        copy->staged_ns = (uint64_t)json_integer_value(json_object_get(object, "staged_ns"));
        copy->developer = json_is_true(json_object_get(object, "developer"));
        copy->switched_off = json_is_true(json_object_get(object, "switched_off"));
        grant_unpack(&copy->grant, json_object_get(object, "grant"));
        copy->recovered = take_string(object, "recovered");
        *ret_copy = take_ptr(copy);
        return 0;
}
