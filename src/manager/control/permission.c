/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A call that waits for polkit belongs to its connection and goes with it. What the call says is
 * read when it is carried out, so what has changed meanwhile counts.
 */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/control/permission.h"
#include "manager/loop/text.h"
#include "wire/names.h"

struct permission {
        struct list link; /* client.permissions */
        struct client *client;
        const struct change *change;
        sd_bus_message *message;
        struct authority_question *question; /* borrowed */
};

static struct permission *permission_free(struct permission *permission)
{
        if (!permission)
                return NULL;
        list_remove(&permission->link);
        sd_bus_message_unref(permission->message);
        free(permission);
        return NULL;
}
DEFINE_CLEANUP(struct permission *, permission, permission_free)

static int deny(sd_bus_message *message, struct client *client, const struct change *change,
                const char *why)
{
        const int code = NX_REQUEST_ERROR_AUTHORIZATION_REQUIRED;

        if (change->deny)
                return change->deny(message, client, why);
        return control_refuse(message, -EACCES, "%d %s: %s", code,
                              wire_name_to_string(wire_request_errors, code), why);
}

/* What is left of it is answered as sd-bus does where it calls a handler itself. */
static void answered(const char *why, void *userdata)
{
        _cleanup_(cleanup_permission) struct permission *permission = userdata;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        const struct change *change = permission->change;
        sd_bus_message *message = permission->message;
        int r;

        list_remove(&permission->link);
        r = why ? deny(message, permission->client, change, why)
                : change->carry_out(message, permission->client, &error);
        if (r < 0)
                (void)sd_bus_reply_method_errno(message, r, &error);
}

static bool needs_authority(sd_bus_message *message, struct client *client,
                            const struct change *change)
{
        bool needs;

        if (client_is_root(client))
                return false;
        needs = !change->needs_authority || change->needs_authority(message, client);
        (void)sd_bus_message_rewind(message, true);
        return needs;
}

int permission_ask(sd_bus_message *message, struct client *client, const struct change *change)
{
        _cleanup_(cleanup_permission) struct permission *permission = NULL;
        _cleanup_free_ char *why = NULL;
        int r;

        if (!needs_authority(message, client, change))
                return change->carry_out(message, client, NULL);
        permission = calloc(1, sizeof(*permission));
        if (!permission)
                return -ENOMEM;
        permission->client = client;
        permission->change = change;
        permission->message = sd_bus_message_ref(message);
        list_append(&client->permissions, &permission->link);
        r = authority_ask(&client->control->authority, &client->caller, change->action,
                          sd_bus_message_get_allow_interactive_authorization(message) > 0, answered,
                          permission, &permission->question, &why);
        if (r < 0)
                return deny(message, client, change, why ?: strerror(-r));
        (void)take_ptr(permission);
        return 1;
}

void permissions_withdraw(struct client *client)
{
        struct permission *permission;

        while ((permission = list_first(&client->permissions, struct permission, link))) {
                authority_withdraw(permission->question);
                (void)deny(permission->message, client, permission->change,
                           "who asked left before an administrator allowed it");
                permission_free(permission);
        }
}
