/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each operation is a function. What is public goes back in the message; what is secret in sealed
 * memory, so that netextd hands a descriptor on and never has it.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sealed.h"
#include "keys/call.h"
#include "keys/key.h"
#include "keys/vault.h"

#define DEPOSIT_SIZE_MAX (NX_SECRET_SIZE_MAX + 1024) /* with a passphrase */

struct call {
        struct channel *channel;
        const struct wire_message *message;
        struct vault_place place;
        int deposit_fd;
        struct locked secret; /* an answer that is secret … */
        void *bytes;          /* … or public */
        size_t size;
        struct refusal why;
};

typedef int operation_fn(struct call *call);

static void call_deinit(struct call *call)
{
        locked_deinit(&call->secret);
        free(call->bytes);
}

/* --- what is read and written ------------------------------------------------------------ */

static int explain(struct call *call, int error)
{
        const char *what = call->place.kind == VAULT_KEY ? "key" : "secret";

        if (error >= 0)
                return error;
        switch (error) {
        case -ENOENT:
                return refuse(&call->why, error, "%s has no %s \"%s\"", call->place.extension, what,
                              call->place.name);
        case -EBADMSG:
                return refuse(&call->why, error, "the %s \"%s\" of %s is damaged", what,
                              call->place.name, call->place.extension);
        case -ENOSPC:
                return refuse(&call->why, error,
                              "%s has %d secrets and keys, and cannot have more; or the disk is "
                              "full",
                              call->place.extension, VAULT_ITEMS_MAX);
        default:
                return refuse(&call->why, error, "the %s \"%s\" of %s cannot be kept or read: %s",
                              what, call->place.name, call->place.extension, strerror(-error));
        }
}

/* Memory of another process, and no file that reading could wait for. */
static int read_deposit(struct call *call, struct locked *ret)
{
        _cleanup_locked_ struct locked locked = {};
        struct stat st;

        if (fcntl(call->deposit_fd, F_GET_SEALS) < 0 || fstat(call->deposit_fd, &st) < 0)
                return refuse(&call->why, -EBADMSG, "it did not come in sealed memory");
        if (st.st_size == 0)
                return refuse(&call->why, -EINVAL, "it is empty");
        if (st.st_size > DEPOSIT_SIZE_MAX)
                return refuse(&call->why, -E2BIG, "it is larger than 64 KiB");
        if (locked_new(&locked, (size_t)st.st_size) < 0)
                return refuse(&call->why, -ENOMEM, "no memory");
        if (pread(call->deposit_fd, locked.bytes, locked.size, 0) != (ssize_t)locked.size)
                return refuse(&call->why, -EIO, "it cannot be read");
        *ret = locked;
        locked = (struct locked){};
        return 0;
}

static int load_key(struct call *call, struct key *ret)
{
        _cleanup_locked_ struct locked pem = {};
        int r = vault_read(&call->place, &pem);

        if (r >= 0)
                r = key_from_private(&pem, ret);
        return explain(call, r);
}

/* A key is never written over: what it signed could not be signed again. */
static int refuse_second(struct call *call)
{
        if (!vault_has(&call->place))
                return 0;
        return refuse(&call->why, -EEXIST, "%s has a key \"%s\" already; remove that first",
                      call->place.extension, call->place.name);
}

static int keep_key(struct call *call, const struct key *key)
{
        _cleanup_locked_ struct locked pem = {};
        int r = key_to_private(key, &pem, &call->why);

        if (r >= 0)
                r = explain(call, vault_write(&call->place, pem.bytes, pem.size));
        return r < 0 ? r : key_to_public(key, &call->bytes, &call->size, &call->why);
}

static const void *get_data(const struct call *call, size_t *ret_size)
{
        return wire_get_bytes(call->message, WIRE_ATTR_DATA, ret_size);
}

/* --- the operations ---------------------------------------------------------------------- */

static int put_secret(struct call *call)
{
        _cleanup_locked_ struct locked secret = {};
        int r = read_deposit(call, &secret);

        return r < 0 ? r : explain(call, vault_write(&call->place, secret.bytes, secret.size));
}

static int read_secret(struct call *call)
{
        return explain(call, vault_read(&call->place, &call->secret));
}

static int remove_item(struct call *call)
{
        return explain(call, vault_remove(&call->place));
}

static int generate(struct call *call)
{
        _cleanup_key_ struct key key = {};
        int r = refuse_second(call);

        if (r >= 0)
                r = key_generate(wire_get(call->message, WIRE_ATTR_KEY_TYPE), &key, &call->why);
        return r < 0 ? r : keep_key(call, &key);
}

static int import(struct call *call)
{
        _cleanup_locked_ struct locked deposit = {};
        _cleanup_key_ struct key key = {};
        const char *passphrase;
        size_t length;
        int r = refuse_second(call);

        if (r >= 0)
                r = read_deposit(call, &deposit);
        if (r < 0)
                return r;
        passphrase = (const char *)deposit.bytes;
        length = strnlen(passphrase, deposit.size) + 1;
        if (length >= deposit.size)
                return refuse(&call->why, -EINVAL, "it is empty");
        r = key_import(deposit.bytes + length, deposit.size - length, passphrase, &key, &call->why);
        return r < 0 ? r : keep_key(call, &key);
}

static int get_public(struct call *call)
{
        _cleanup_key_ struct key key = {};
        int r = load_key(call, &key);

        return r < 0 ? r : key_to_public(&key, &call->bytes, &call->size, &call->why);
}

static int sign(struct call *call)
{
        unsigned int scheme = (unsigned int)wire_get(call->message, WIRE_ATTR_SCHEME);
        _cleanup_key_ struct key key = {};
        int r = load_key(call, &key);
        const void *data;
        size_t size;

        data = get_data(call, &size);
        return r < 0 ? r
                     : key_sign(&key, scheme, data, size, &call->bytes, &call->size, &call->why);
}

static int decrypt(struct call *call)
{
        _cleanup_key_ struct key key = {};
        int r = load_key(call, &key);
        const void *data;
        size_t size;

        data = get_data(call, &size);
        return r < 0 ? r : key_decrypt(&key, data, size, &call->secret, &call->why);
}

static struct wire_writer *begin(const struct call *call, enum wire_message_type type)
{
        struct wire_writer *writer = channel_begin(call->channel, type, 0);

        wire_put(writer, WIRE_ATTR_QUESTION, wire_get(call->message, WIRE_ATTR_QUESTION));
        return writer;
}

static struct wire_writer *begin_item(const struct call *call, const struct vault_place *place)
{
        struct wire_writer *writer = begin(call, NX_MSG_MANAGER_KEYS_ITEM);

        wire_put_string(writer, WIRE_ATTR_EXTENSION, place->extension);
        wire_put_string(writer, WIRE_ATTR_NAME, place->name);
        return writer;
}

static int list_secret(const struct vault_place *place, void *userdata)
{
        struct call *call = userdata;
        _cleanup_locked_ struct locked secret = {};
        struct wire_writer *writer;
        int r = vault_read(place, &secret);

        if (r < 0)
                return explain(call, r);
        writer = begin_item(call, place);
        wire_put(writer, WIRE_ATTR_COUNT, secret.size);
        return channel_end(call->channel);
}

static int list_key(const struct vault_place *place, void *userdata)
{
        struct call *call = userdata;
        _cleanup_key_ struct key key = {};
        char subject[WIRE_STRING_MAX];
        struct wire_writer *writer;
        uint64_t expires_ns;
        int r;

        call->place = *place;
        r = load_key(call, &key);
        if (r < 0)
                return r;
        writer = begin_item(call, place);
        wire_put(writer, WIRE_ATTR_KEY_TYPE, key_get_type(&key));
        if (key_get_certificate(&key, subject, sizeof(subject), &expires_ns)) {
                wire_put_string(writer, WIRE_ATTR_SUBJECT, subject);
                wire_put(writer, WIRE_ATTR_EXPIRES_NS, expires_ns);
        }
        return channel_end(call->channel);
}

static int list(struct call *call)
{
        return vault_for_each(call->place.folder_fd, call->place.extension, call->place.kind,
                              call->place.kind == VAULT_KEY ? list_key : list_secret, call);
}

static const struct {
        operation_fn *fn;
        enum vault_kind kind;
} operations[] = {
        [WIRE_KEY_PUT_SECRET] = { put_secret, VAULT_SECRET },
        [WIRE_KEY_READ_SECRET] = { read_secret, VAULT_SECRET },
        [WIRE_KEY_REMOVE_SECRET] = { remove_item, VAULT_SECRET },
        [WIRE_KEY_LIST_SECRETS] = { list, VAULT_SECRET },
        [WIRE_KEY_GENERATE] = { generate, VAULT_KEY },
        [WIRE_KEY_IMPORT] = { import, VAULT_KEY },
        [WIRE_KEY_GET_PUBLIC] = { get_public, VAULT_KEY },
        [WIRE_KEY_SIGN] = { sign, VAULT_KEY },
        [WIRE_KEY_DECRYPT] = { decrypt, VAULT_KEY },
        [WIRE_KEY_REMOVE] = { remove_item, VAULT_KEY },
        [WIRE_KEY_LIST] = { list, VAULT_KEY },
};

/* --- the answer -------------------------------------------------------------------------- */

static int send_secret(const struct call *call)
{
        _cleanup_fd_ int fd = sealed_copy("netext-keys", call->secret.bytes, call->secret.size);
        int r;

        if (fd < 0)
                return fd;
        begin(call, NX_MSG_MANAGER_KEYS_VALUE);
        r = channel_end_with_fd(call->channel, fd);
        if (r >= 0)
                take_fd(&fd);
        return r;
}

static int send_done(const struct call *call, int result)
{
        struct wire_writer *writer = begin(call, NX_MSG_MANAGER_KEYS_DONE);

        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        if (result < 0)
                wire_put_string(writer, WIRE_ATTR_TEXT, call->why.text);
        else if (call->bytes)
                wire_put_bytes(writer, WIRE_ATTR_DATA, call->bytes, call->size);
        return channel_end(call->channel);
}

static bool brings_what_it_needs(const struct call *call, enum wire_key_operation operation)
{
        bool is_deposit = operation == WIRE_KEY_PUT_SECRET || operation == WIRE_KEY_IMPORT;
        bool is_list = operation == WIRE_KEY_LIST_SECRETS || operation == WIRE_KEY_LIST;

        return is_deposit == (call->message->type == NX_MSG_KEYS_DEPOSIT) &&
               (is_list || (call->place.extension && call->place.name));
}

int call_answer(struct channel *channel, int vault_fd, const struct wire_message *message, int fd)
{
        enum wire_key_operation operation =
                (enum wire_key_operation)wire_get(message, WIRE_ATTR_KEY_OPERATION);
        _cleanup_(call_deinit) struct call call = {
                .channel = channel,
                .message = message,
                .place = { vault_fd, wire_get_string(message, WIRE_ATTR_EXTENSION),
                           operations[operation].kind, wire_get_string(message, WIRE_ATTR_NAME) },
                .deposit_fd = fd,
        };
        int r;

        if (!brings_what_it_needs(&call, operation))
                return -EPROTO;
        r = operations[operation].fn(&call);
        if (r >= 0 && call.size > WIRE_DATA_MAX)
                r = refuse(&call.why, -E2BIG, "its certificates are longer than 32 KiB");
        return r >= 0 && call.secret.bytes ? send_secret(&call) : send_done(&call, r);
}
