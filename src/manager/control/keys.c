/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The extension is one that is installed, by any of its names; netext-keys knows it as
 * TEAM.identifier. What is deposited comes as a descriptor, which is handed on unread.
 */

#include <errno.h>
#include <string.h>

#include "manager/control/keys.h"
#include "manager/control/record.h"
#include "manager/loop/text.h"
#include "manager/store/life.h"
#include "wire/names.h"

static char *find_owner(const struct control *control, const char *word)
{
        const struct life *life = store_find(control->store, word);
        const struct copy *copy = life ? life->active ?: life_get_copy(life) : NULL;
        char *owner = NULL;

        if (copy)
                text_set(&owner, "%s.%s", copy->bundle.manifest.team, life->identifier);
        return owner;
}

static void answer(int result, const char *why, const struct wire_message *done, int fd,
                   void *userdata)
{
        sd_bus_message *call = userdata;

        if (result >= 0)
                (void)sd_bus_reply_method_return(call, "");
        else
                (void)control_refuse(call, result, "%s", why ?: strerror(-result));
        sd_bus_message_unref(call);
}

/* question: all but the extension, which word means. */
static int ask(sd_bus_message *message, struct client *client, const char *word,
               struct keys_question *question, keys_done_fn *done_fn)
{
        _cleanup_free_ char *owner = find_owner(client->control, word), *problem = NULL;
        int r;

        if (!owner)
                return control_refuse(message, -ENOENT, "there is no extension \"%s\"", word);
        question->extension = owner;
        r = keys_ask(client->control->keys, question, NULL, done_fn, sd_bus_message_ref(message),
                     &problem);
        if (r >= 0)
                return 1;
        sd_bus_message_unref(message);
        return control_refuse(message, r, "%s", problem ?: strerror(-r));
}

static int ask_by_name(sd_bus_message *message, struct client *client,
                       enum wire_key_operation operation, keys_done_fn *done_fn)
{
        struct keys_question question = { .operation = operation, .deposit_fd = -1 };
        const char *word;
        int r = sd_bus_message_read(message, "ss", &word, &question.name);

        return r < 0 ? r : ask(message, client, word, &question, done_fn);
}

static int deposit(sd_bus_message *message, struct client *client,
                   enum wire_key_operation operation)
{
        struct keys_question question = { .operation = operation };
        const char *word;
        int r = sd_bus_message_read(message, "ssh", &word, &question.name, &question.deposit_fd);

        return r < 0 ? r : ask(message, client, word, &question, answer);
}

int keys_put_secret(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return deposit(message, userdata, WIRE_KEY_PUT_SECRET);
}

int keys_remove_secret(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return ask_by_name(message, userdata, WIRE_KEY_REMOVE_SECRET, answer);
}

int keys_import(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return deposit(message, userdata, WIRE_KEY_IMPORT);
}

int keys_remove(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return ask_by_name(message, userdata, WIRE_KEY_REMOVE, answer);
}

int keys_generate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct keys_question question = { .operation = WIRE_KEY_GENERATE, .deposit_fd = -1 };
        const char *word, *type;
        int r = sd_bus_message_read(message, "sss", &word, &question.name, &type);

        if (r < 0)
                return r;
        r = wire_name_from_string(wire_key_types, type);
        if (r < 0)
                return control_refuse(message, r,
                                      "\"%s\" is no type of key: expected ed25519, p256, p384 or "
                                      "rsa",
                                      type);
        question.type = (enum nx_key_type)r;
        return ask(message, userdata, word, &question, answer);
}

/* --- the public part --------------------------------------------------------------------- */

static int send_public(sd_bus_message *call, const struct wire_message *done)
{
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *pem = NULL;
        const void *bytes;
        size_t size;
        int r;

        bytes = wire_get_bytes(done, WIRE_ATTR_DATA, &size);
        pem = strndup(bytes, size);
        r = pem ? sd_bus_message_new_method_return(call, &reply) : -ENOMEM;
        if (r >= 0)
                r = record_begin(reply);
        if (r >= 0)
                r = record_put_string(reply, "pem", pem);
        if (r >= 0)
                r = record_end(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void answer_public(int result, const char *why, const struct wire_message *done, int fd,
                          void *userdata)
{
        sd_bus_message *call = userdata;

        if (result >= 0 && !(done && wire_has(done, WIRE_ATTR_DATA)))
                result = -EPROTO;
        if (result >= 0)
                result = send_public(call, done);
        if (result < 0)
                (void)control_refuse(call, result, "%s", why ?: strerror(-result));
        sd_bus_message_unref(call);
}

int keys_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return ask_by_name(message, userdata, WIRE_KEY_GET_PUBLIC, answer_public);
}

/* --- lists ------------------------------------------------------------------------------- */

struct listing {
        sd_bus_message *call, *reply; /* owned */
        int result;
};

static struct listing *listing_free(struct listing *listing)
{
        sd_bus_message_unref(listing->call);
        sd_bus_message_unref(listing->reply);
        free(listing);
        return NULL;
}

/* A secret has a size, a key a type and perhaps a certificate. */
static int put_item(sd_bus_message *reply, const struct wire_message *item)
{
        int r = record_begin(reply);

        if (r >= 0)
                r = record_put_string(reply, "extension",
                                      wire_get_string(item, WIRE_ATTR_EXTENSION));
        if (r >= 0)
                r = record_put_string(reply, "name", wire_get_string(item, WIRE_ATTR_NAME));
        if (r >= 0 && wire_has(item, WIRE_ATTR_COUNT))
                r = record_put_uint64(reply, "bytes", wire_get(item, WIRE_ATTR_COUNT));
        if (r >= 0 && wire_has(item, WIRE_ATTR_KEY_TYPE))
                r = record_put_string(reply, "type",
                                      wire_name_to_string(wire_key_types,
                                                          (int)wire_get(item, WIRE_ATTR_KEY_TYPE)));
        if (r >= 0)
                r = record_put_string(reply, "subject", wire_get_string(item, WIRE_ATTR_SUBJECT));
        if (r >= 0 && wire_has(item, WIRE_ATTR_EXPIRES_NS))
                r = record_put_uint64(reply, "expires_ns", wire_get(item, WIRE_ATTR_EXPIRES_NS));
        return r < 0 ? r : record_end(reply);
}

static void add_item(const struct wire_message *item, void *userdata)
{
        struct listing *listing = userdata;
        int r = listing->result < 0 ? 0 : put_item(listing->reply, item);

        if (r < 0)
                listing->result = r;
}

static void send_list(int result, const char *why, const struct wire_message *done, int fd,
                      void *userdata)
{
        struct listing *listing = userdata;

        if (result >= 0)
                result = listing->result;
        if (result >= 0)
                result = record_list_send(listing->reply);
        if (result < 0)
                (void)control_refuse(listing->call, result, "%s", why ?: strerror(-result));
        listing_free(listing);
}

static int list(sd_bus_message *message, struct client *client, enum wire_key_operation operation)
{
        const struct keys_question question = { .operation = operation, .deposit_fd = -1 };
        struct listing *listing = calloc(1, sizeof(*listing));
        _cleanup_free_ char *problem = NULL;
        int r;

        if (!listing)
                return -ENOMEM;
        listing->call = sd_bus_message_ref(message);
        r = record_list_new(message, &listing->reply);
        if (r >= 0 && client->control->store->place.store_fd < 0) {
                send_list(0, NULL, NULL, -1, listing); /* nothing was ever kept */
                return 1;
        }
        if (r >= 0)
                r = keys_ask(client->control->keys, &question, add_item, send_list, listing,
                             &problem);
        if (r >= 0)
                return 1;
        listing_free(listing);
        return control_refuse(message, r, "%s", problem ?: strerror(-r));
}

int keys_list_secrets(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return list(message, userdata, WIRE_KEY_LIST_SECRETS);
}

int keys_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return list(message, userdata, WIRE_KEY_LIST);
}
