/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The signer is meant, not the certificate: a certificate that was renewed under the same root
 * names the same signer (bundle_signer.identity).
 */

#include <errno.h>
#include <string.h>

#include "manager/loop/timer.h"
#include "manager/store/approval.h"

static struct approval *approval_free(struct approval *approval)
{
        if (!approval)
                return NULL;
        list_remove(&approval->link);
        free(approval->identifier);
        free(approval->team);
        free(approval->signer);
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
                  const char *signer, uint32_t capabilities, uint64_t approved_ns)
{
        struct approval *approval = calloc(1, sizeof(*approval));

        if (!approval)
                return -ENOMEM;
        list_init(&approval->link);
        approval->identifier = strdup(identifier);
        approval->team = strdup(team);
        approval->signer = strdup(signer);
        approval->capabilities = capabilities;
        approval->approved_ns = approved_ns;
        if (!approval->identifier || !approval->team || !approval->signer) {
                approval_free(approval);
                return -ENOMEM;
        }
        list_append(approvals, &approval->link);
        return 0;
}

int approval_add(struct list *approvals, const struct copy *copy)
{
        const struct manifest *manifest = &copy->bundle.manifest;

        approvals_forget(approvals, manifest->identifier);
        return append(approvals, manifest->identifier, manifest->team,
                      copy->bundle.signer.identity ?: "", manifest->capabilities,
                      clock_realtime_ns());
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
        return json_pack("{ss ss ss sI sI}", "identifier", approval->identifier, "team",
                         approval->team, "signer", approval->signer, "capabilities",
                         (json_int_t)approval->capabilities, "approved_ns",
                         (json_int_t)approval->approved_ns);
}

int approval_unpack(struct list *approvals, const json_t *object)
{
        const char *identifier, *team, *signer;
        json_int_t capabilities, approved_ns;

        if (json_unpack((json_t *)object, "{ss ss ss sI sI}", "identifier", &identifier, "team",
                        &team, "signer", &signer, "capabilities", &capabilities, "approved_ns",
                        &approved_ns) < 0)
                return -EBADMSG;
        return append(approvals, identifier, team, signer, (uint32_t)capabilities,
                      (uint64_t)approved_ns);
}
