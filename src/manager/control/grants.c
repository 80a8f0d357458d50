/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A capability is asked for by the manifest, which the signature covers; it is granted with all
 * others of the copy, by a line of a policy or by an administrator; and it is in effect where the
 * process that runs was started with it, which is where it is enforced.
 */

#include <errno.h>

#include "manager/control/extensions.h"
#include "manager/control/grants.h"
#include "manager/control/record.h"
#include "manager/extension/extension.h"
#include "manager/loop/text.h"
#include "manager/store/life.h"

static int append_uid(sd_bus_message *reply, const char *key, uid_t uid)
{
        return uid == ACTOR_NOBODY ? 0 : record_put_uint64(reply, key, uid);
}

static int append_policy(sd_bus_message *reply, const struct grant *grant)
{
        int r;

        r = record_put_string(reply, "policy", grant->file);
        if (r >= 0)
                r = record_put_string(reply, "policy_key", grant->key);
        if (r >= 0 && grant->line)
                r = record_put_uint64(reply, "policy_line", grant->line);
        return r;
}

static int append_approval(sd_bus_message *reply, const struct approval *approval)
{
        _cleanup_free_ char *who = actor_describe(&approval->by);
        int r;

        r = record_put_string(reply, "approved_by", who);
        if (r >= 0)
                r = append_uid(reply, "approved_uid", approval->by.uid);
        if (r >= 0)
                r = append_uid(reply, "approved_login", approval->by.login);
        if (r >= 0)
                r = record_put_uint64(reply, "approved_ns", approval->approved_ns);
        if (r >= 0 && approval->request)
                r = record_put_uint64(reply, "approved_request", approval->request);
        return r;
}

static int append_developer(sd_bus_message *reply, const struct store *store)
{
        _cleanup_free_ char *who = actor_describe(&store->developer_by);
        int r;

        r = record_put_string(reply, "developer_by", who);
        return r < 0 ? r : record_put_uint64(reply, "developer_ns", store->developer_ns);
}

/* "office.json:3 (AllowedTeamIdentifiers)", "alice (uid 1000) as root", or "nobody". */
static char *describe(const struct grant *grant, const struct approval *approval)
{
        if (grant->by == GRANTED_BY_POLICY)
                return grant_describe_place(grant);
        if (grant->by == GRANTED_BY_APPROVAL && approval)
                return actor_describe(&approval->by) ?: strdup("an administrator");
        return strdup("nobody");
}

static int append_capabilities(sd_bus_message *reply, uint32_t capabilities)
{
        _cleanup_free_ char *names = NULL;

        for (unsigned int i = 0; i < _MANIFEST_CAPABILITY_MAX; i++)
                if (capabilities & 1U << i)
                        text_add_word(&names, manifest_capability_name(i));
        return record_put_string(reply, "capabilities", names);
}

static int append_grant(sd_bus_message *reply, const struct store *store, const struct copy *copy)
{
        const struct approval *approval = approval_find(&store->approvals, copy);
        _cleanup_free_ char *who = describe(&copy->grant, approval);
        int r;

        r = record_put_string(reply, "granted", grant_by_to_string(copy->grant.by));
        if (r >= 0)
                r = record_put_string(reply, "granted_by", who);
        if (r >= 0 && copy->grant.since_ns)
                r = record_put_uint64(reply, "granted_ns", copy->grant.since_ns);
        if (r >= 0 && copy->grant.by == GRANTED_BY_POLICY)
                r = append_policy(reply, &copy->grant);
        if (r >= 0 && approval)
                r = append_approval(reply, approval);
        if (r >= 0 && copy->developer && store->developer_ns)
                r = append_developer(reply, store);
        return r;
}

int grants_append(sd_bus_message *reply, const struct store *store, const struct copy *copy)
{
        int r;

        r = append_capabilities(reply, copy->bundle.manifest.capabilities);
        return r < 0 ? r : append_grant(reply, store, copy);
}

static int append_capability(sd_bus_message *reply, const struct control *control,
                             const struct copy *copy, unsigned int capability)
{
        const struct extension *extension = extensions_find_process(control, copy);
        uint32_t effective = extension && extension_get_pid(extension)
                                     ? extension_get_spec(extension)->capabilities
                                     : 0;
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_string(reply, "capability", manifest_capability_name(capability));
        if (r >= 0)
                r = record_put_bool(reply, "effective", effective & 1U << capability);
        if (r >= 0)
                r = record_put_string(reply, "asked_for_by", copy->bundle.signer.name);
        if (r >= 0)
                r = append_grant(reply, control->store, copy);
        return r < 0 ? r : record_end(reply);
}

int grants_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const struct copy *copy;
        const struct life *life;
        const char *word;
        int r;

        r = sd_bus_message_read(message, "s", &word);
        if (r >= 0)
                r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        life = store_find(client->control->store, word);
        copy = life ? life->active ?: life_get_copy(life) : NULL;
        if (!copy)
                return control_refuse(message, -ENOENT,
                                      "there is no extension \"%s\"; see netextctl extension list",
                                      word);
        for (unsigned int i = 0; r >= 0 && i < _MANIFEST_CAPABILITY_MAX; i++)
                if (copy->bundle.manifest.capabilities & 1U << i)
                        r = append_capability(reply, client->control, copy, i);
        return r < 0 ? r : record_list_send(reply);
}
