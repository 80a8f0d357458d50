/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A call that waits for polkit belongs to its connection and goes with it. What the call says is
 * read when it is carried out, so what has changed meanwhile counts; but not that its words mean
 * another extension than the one that was asked about.
 */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/control/permission.h"
#include "manager/store/life.h"
#include "wire/names.h"

#define NAME_LENGTH_MAX 255 /* what is longer is the name of nothing */

struct permission {
        struct list link; /* client.permissions */
        struct client *client;
        const struct change *change;
        sd_bus_message *message;
        char *name;                          /* what polkit was asked about; NULL: it has none */
        struct authority_question *question; /* borrowed */
};

static struct permission *permission_free(struct permission *permission)
{
        if (!permission)
                return NULL;
        list_remove(&permission->link);
        sd_bus_message_unref(permission->message);
        free(permission->name);
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

/* An extension has several names, and a rule knows one of them. NULL: there is none, or no memory.
 */
static char *read_name(sd_bus_message *message, const struct client *client,
                       const struct change *change)
{
        const char *word = NULL;
        const struct life *life;

        if (change->named)
                (void)sd_bus_message_read(message, "s", &word);
        (void)sd_bus_message_rewind(message, true);
        if (!word || strlen(word) > NAME_LENGTH_MAX)
                return NULL;
        life = strcmp(change->named, "extension") == 0 ? store_find(client->control->store, word)
                                                       : NULL;
        return strdup(life ? life->identifier : word);
}

static bool still_means_the_same(const struct permission *permission)
{
        _cleanup_free_ char *name =
                read_name(permission->message, permission->client, permission->change);

        return permission->name ? name && strcmp(name, permission->name) == 0 : !name;
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
        if (!why && !still_means_the_same(permission))
                why = "it means another one since polkit was asked; ask again";
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
        permission->name = read_name(message, client, change);
        list_append(&client->permissions, &permission->link);
        r = authority_ask(&client->control->authority, &client->caller,
                          &(struct authority_matter){
                                  .action = change->action,
                                  .kind = permission->name ? change->named : NULL,
                                  .name = permission->name,
                          },
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
