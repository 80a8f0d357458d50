/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The signer is meant, not the certificate: a certificate that was renewed under the same root
 * names the same signer (bundle_signer.identity).
 */

#include <errno.h>
#include <string.h>

#include "manager/loop/timer.h"
#include "manager/store/approval.h"

struct approval *approval_free(struct approval *approval)
{
        if (!approval)
                return NULL;
        list_remove(&approval->link);
        free(approval->identifier);
        free(approval->team);
        free(approval->signer);
        actor_deinit(&approval->by);
        free(approval);
        return NULL;
}

static const struct approval *find_identifier(const struct list *approvals, const char *identifier)
{
        const struct approval *approval;

        list_for_each (approval, approvals, link)
                if (strcmp(approval->identifier, identifier) == 0)
                        return approval;
        return NULL;
}

const char *approval_explain(const struct list *approvals, const struct copy *copy)
{
        const struct manifest *manifest = &copy->bundle.manifest;
        const struct approval *approval = find_identifier(approvals, manifest->identifier);

        if (!approval)
                return NULL;
        if (strcmp(approval->team, manifest->team) != 0)
                return "it is of another team than the one that was approved";
        if (strcmp(approval->signer, copy->bundle.signer.identity ?: "") != 0)
                return "its signer is another than the one that was approved";
        if (manifest->capabilities & ~approval->capabilities)
                return "it wants capabilities that were not approved";
        return NULL;
}

const struct approval *approval_find(const struct list *approvals, const struct copy *copy)
{
        if (approval_explain(approvals, copy))
                return NULL;
        return find_identifier(approvals, copy->bundle.manifest.identifier);
}

static int append(struct list *approvals, const char *identifier, const char *team,
                  const char *signer, struct approval **ret)
{
        struct approval *approval = calloc(1, sizeof(*approval));

        if (!approval)
                return -ENOMEM;
        list_init(&approval->link);
        approval->by = (struct actor)ACTOR_NULL;
        approval->identifier = strdup(identifier);
        approval->team = strdup(team);
        approval->signer = strdup(signer);
        if (!approval->identifier || !approval->team || !approval->signer) {
                approval_free(approval);
                return -ENOMEM;
        }
        list_append(approvals, &approval->link);
        *ret = approval;
        return 0;
}

int approval_add(struct list *approvals, const struct copy *copy, const struct actor *by)
{
        const struct manifest *manifest = &copy->bundle.manifest;
        struct approval *approval;
        int r;

        approvals_forget(approvals, manifest->identifier);
        r = append(approvals, manifest->identifier, manifest->team,
                   copy->bundle.signer.identity ?: "", &approval);
        if (r < 0)
                return r;
        approval->capabilities = manifest->capabilities;
        approval->approved_ns = clock_realtime_ns();
        approval->request = copy->request;
        return actor_copy(&approval->by, by);
}

void approvals_forget(struct list *approvals, const char *identifier)
{
        struct approval *approval, *following;

        list_for_each_safe (approval, following, approvals, link)
                if (!identifier || strcmp(approval->identifier, identifier) == 0)
                        approval_free(approval);
}

json_t *approval_pack(const struct approval *approval)
{
        return json_pack("{ss ss ss sI sI sI so}", "identifier", approval->identifier, "team",
                         approval->team, "signer", approval->signer, "capabilities",
                         (json_int_t)approval->capabilities, "approved_ns",
                         (json_int_t)approval->approved_ns, "request",
                         (json_int_t)approval->request, "by", actor_pack(&approval->by));
}

int approval_unpack(struct list *approvals, const json_t *object)
{
        const char *identifier, *team, *signer;
        json_int_t capabilities, approved_ns;
        struct approval *approval;
        int r;

        if (json_unpack((json_t *)object, "{ss ss ss sI sI}", "identifier", &identifier, "team",
                        &team, "signer", &signer, "capabilities", &capabilities, "approved_ns",
                        &approved_ns) < 0)
                return -EBADMSG;
        r = append(approvals, identifier, team, signer, &approval);
        if (r < 0)
                return r;
        approval->capabilities = (uint32_t)capabilities;
        approval->approved_ns = (uint64_t)approved_ns;
        approval->request = (uint64_t)json_integer_value(json_object_get(object, "request"));
        actor_unpack(&approval->by, json_object_get(object, "by"));
        return 0;
}
