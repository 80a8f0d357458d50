/* SPDX-License-Identifier: Apache-2.0 */

/* Each call is one message to netextd, and one back, by number. What is secret comes as a
 * descriptor of sealed memory, which is read into a buffer that is wiped after the callback. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/sealed.h"
#include "sdk/check.h"
#include "sdk/key.h"
#include "sdk/provider.h"
#include "sdk/public.h"

struct key_call {
        struct list link; /* key_calls.open */
        uint64_t number;
        nx_key_fn *fn;
        void *userdata;
};

void key_calls_init(struct key_calls *calls)
{
        *calls = (struct key_calls){};
        list_init(&calls->open);
}

static void end(struct key_calls *calls, struct key_call *call, int result, const char *problem,
                const void *value, size_t size)
{
        struct key_call ended = *call;

        list_remove(&call->link);
        calls->n_open--;
        free(call);
        ended.fn(result, problem, value, size, ended.userdata);
}

/* Those that a callback begins meanwhile have another netextd to wait for, or none. */
void key_calls_end(struct key_calls *calls, int error, const char *problem)
{
        uint64_t last = calls->last_number;
        struct key_call *call;

        while (calls->n_open > 0 && (call = list_first(&calls->open, struct key_call, link)) &&
               call->number <= last)
                end(calls, call, error, problem, NULL, 0);
}

/* --- answers ----------------------------------------------------------------------------- */

static struct key_call *find(struct nx_provider *provider, const struct wire_message *message)
{
        uint64_t number = wire_get(message, WIRE_ATTR_QUESTION);
        struct key_call *call;

        list_for_each (call, &provider->key_calls.open, link)
                if (call->number == number)
                        return call;
        return NULL;
}

int key_calls_handle_done(struct nx_provider *provider, const struct wire_message *message)
{
        struct key_call *call = find(provider, message);
        int result = wire_get_i32(message, WIRE_ATTR_RESULT);
        const void *value = NULL;
        size_t size = 0;

        if (!call)
                return provider_fail_message(provider, "netextd", message->type);
        if (wire_has(message, WIRE_ATTR_DATA))
                value = wire_get_bytes(message, WIRE_ATTR_DATA, &size);
        end(&provider->key_calls, call, result,
            result < 0 ? wire_get_string(message, WIRE_ATTR_TEXT) ?: strerror(-result) : NULL,
            value, size);
        return 0;
}

static int read_value(int fd, uint8_t *buffer, size_t *ret_size)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size > NX_SECRET_SIZE_MAX)
                return -EMSGSIZE;
        *ret_size = (size_t)st.st_size;
        return pread(fd, buffer, *ret_size, 0) == st.st_size ? 0 : -EIO;
}

int key_calls_handle_value(struct nx_provider *provider, const struct wire_message *message, int fd)
{
        struct key_call *call = find(provider, message);
        uint8_t buffer[NX_SECRET_SIZE_MAX];
        size_t size = 0;
        int r;

        if (!call)
                return provider_fail_message(provider, "netextd", message->type);
        r = read_value(fd, buffer, &size);
        end(&provider->key_calls, call, r, r < 0 ? strerror(-r) : NULL, r < 0 ? NULL : buffer,
            r < 0 ? 0 : size);
        explicit_bzero(buffer, size);
        return 0;
}

/* --- calls ------------------------------------------------------------------------------- */

struct question {
        enum wire_key_operation operation;
        const char *name;
        unsigned int type, scheme;
        const void *data;
        size_t size;
        int fd; /* of a deposit; 0: it is none */
};

static int put(struct nx_provider *provider, const struct question *question, uint64_t number)
{
        struct channel *channel = &provider->control.manager.channel;
        struct wire_writer *writer = channel_begin(
                channel, question->fd ? NX_MSG_MANAGER_KEYS_DEPOSIT : NX_MSG_MANAGER_KEYS_CALL, 0);
        int r;

        wire_put(writer, WIRE_ATTR_QUESTION, number);
        wire_put(writer, WIRE_ATTR_KEY_OPERATION, question->operation);
        wire_put_string(writer, WIRE_ATTR_NAME, question->name);
        if (question->type)
                wire_put(writer, WIRE_ATTR_KEY_TYPE, question->type);
        if (question->scheme)
                wire_put(writer, WIRE_ATTR_SCHEME, question->scheme);
        if (question->data)
                wire_put_bytes(writer, WIRE_ATTR_DATA, question->data, question->size);
        r = question->fd ? channel_end_with_copy(channel, question->fd) : channel_end(channel);
        provider_flush_soon(provider);
        return r;
}

static int ask(struct nx_provider *provider, const struct question *question, nx_key_fn *fn,
               void *userdata)
{
        struct key_calls *calls = &provider->key_calls;
        struct key_call *call;
        int r;

        if (!name_is_valid(question->name))
                return -EINVAL;
        if (question->size > NX_KEY_DATA_SIZE_MAX)
                return -EMSGSIZE;
        if (!peer_is_open(&provider->control.manager))
                return -ENOTCONN;
        if (calls->n_open >= NX_KEY_CALLS_MAX)
                return -EBUSY;
        call = malloc(sizeof(*call));
        if (!call)
                return -ENOMEM;
        *call = (struct key_call){ .number = ++calls->last_number, .fn = fn, .userdata = userdata };
        r = put(provider, question, call->number);
        if (r < 0) {
                free(call);
                return r;
        }
        list_append(&calls->open, &call->link);
        calls->n_open++;
        return 0;
}

_public_ int nx_secret_read(struct nx_provider *provider, const char *name, nx_key_fn *fn,
                            void *userdata)
{
        return ask(provider, &(struct question){ .operation = WIRE_KEY_READ_SECRET, .name = name },
                   fn, userdata);
}

_public_ int nx_secret_put(struct nx_provider *provider, const char *name, const void *secret,
                           size_t size, nx_key_fn *fn, void *userdata)
{
        struct question question = { .operation = WIRE_KEY_PUT_SECRET, .name = name };
        _cleanup_fd_ int fd = -1;

        if (size == 0)
                return -EINVAL;
        if (size > NX_SECRET_SIZE_MAX)
                return -EMSGSIZE;
        fd = sealed_copy("netext-secret", secret, size);
        if (fd < 0)
                return fd;
        question.fd = fd;
        return ask(provider, &question, fn, userdata);
}

_public_ int nx_secret_remove(struct nx_provider *provider, const char *name, nx_key_fn *fn,
                              void *userdata)
{
        return ask(provider,
                   &(struct question){ .operation = WIRE_KEY_REMOVE_SECRET, .name = name }, fn,
                   userdata);
}

_public_ int nx_key_generate(struct nx_provider *provider, const char *name, enum nx_key_type type,
                             nx_key_fn *fn, void *userdata)
{
        if (type < NX_KEY_TYPE_ED25519 || type > NX_KEY_TYPE_RSA)
                return -EINVAL;
        return ask(provider,
                   &(struct question){ .operation = WIRE_KEY_GENERATE, .name = name, .type = type },
                   fn, userdata);
}

_public_ int nx_key_get_public(struct nx_provider *provider, const char *name, nx_key_fn *fn,
                               void *userdata)
{
        return ask(provider, &(struct question){ .operation = WIRE_KEY_GET_PUBLIC, .name = name },
                   fn, userdata);
}

_public_ int nx_key_sign(struct nx_provider *provider, const char *name,
                         enum nx_signature_scheme scheme, const void *data, size_t size,
                         nx_key_fn *fn, void *userdata)
{
        return ask(provider,
                   &(struct question){
                           .operation = WIRE_KEY_SIGN,
                           .name = name,
                           .scheme = scheme,
                           .data = data,
                           .size = size,
                   },
                   fn, userdata);
}

_public_ int nx_key_decrypt(struct nx_provider *provider, const char *name, const void *data,
                            size_t size, nx_key_fn *fn, void *userdata)
{
        return ask(provider,
                   &(struct question){
                           .operation = WIRE_KEY_DECRYPT,
                           .name = name,
                           .data = data,
                           .size = size,
                   },
                   fn, userdata);
}

_public_ int nx_key_remove(struct nx_provider *provider, const char *name, nx_key_fn *fn,
                           void *userdata)
{
        return ask(provider, &(struct question){ .operation = WIRE_KEY_REMOVE, .name = name }, fn,
                   userdata);
}
