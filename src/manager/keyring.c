/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whose secret it is follows from the channel that the call came on: an extension has no way to
 * name another's. One that is not installed has none, whatever it calls itself, so root does not
 * get at them by starting a program of that name.
 */

#include <errno.h>
#include <string.h>

#include "manager/extension/parts.h"
#include "manager/keyring.h"
#include "manager/loop/text.h"

struct key_call {
        struct list link;            /* instance.key_calls */
        struct extension *extension; /* NULL: it is gone */
        uint32_t run;                /* 0: nobody there waits for it any more */
        uint64_t number;
};

/* What an extension may do; the rest is the administrator's. */
static const enum wire_key_operation allowed[] = {
        WIRE_KEY_READ_SECRET, WIRE_KEY_REMOVE_SECRET, WIRE_KEY_GENERATE, WIRE_KEY_GET_PUBLIC,
        WIRE_KEY_SIGN,        WIRE_KEY_DECRYPT,       WIRE_KEY_REMOVE,
};

static enum wire_key_operation operation_of(const struct wire_message *message)
{
        return (enum wire_key_operation)wire_get(message, WIRE_ATTR_KEY_OPERATION);
}

static bool is_allowed(const struct wire_message *message)
{
        if (message->type == NX_MSG_MANAGER_KEYS_DEPOSIT)
                return operation_of(message) == WIRE_KEY_PUT_SECRET;
        for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
                if (allowed[i] == operation_of(message))
                        return true;
        return false;
}

/* --- answers ----------------------------------------------------------------------------- */

static struct run *find_run(const struct extension *extension, uint32_t number)
{
        return extension ? extension_find_number(extension, number) : NULL;
}

static void answer_value(struct run *run, uint64_t number, int fd)
{
        struct wire_writer *writer = run_begin_many(run, NX_MSG_EXTENSION_KEYS_VALUE);

        if (!writer)
                return;
        wire_put(writer, WIRE_ATTR_QUESTION, number);
        run_send_many(run, fd);
}

static void answer_done(struct run *run, uint64_t number, int result, const char *why,
                        const struct wire_message *answer)
{
        struct wire_writer *writer = run_begin_many(run, NX_MSG_EXTENSION_KEYS_DONE);

        if (!writer)
                return;
        wire_put(writer, WIRE_ATTR_QUESTION, number);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        if (result < 0)
                wire_put_string(writer, WIRE_ATTR_TEXT, why ?: strerror(-result));
        else if (answer)
                wire_put_copies(writer, answer, WIRE_HAS(DATA));
        run_send_many(run, -1);
}

static void done(int result, const char *why, const struct wire_message *answer, int fd,
                 void *userdata)
{
        struct key_call *call = userdata;
        struct run *run = find_run(call->extension, call->run);

        if (run && fd >= 0)
                answer_value(run, call->number, fd);
        else if (run)
                answer_done(run, call->number, result, why, answer);
        list_remove(&call->link);
        free(call);
}

/* --- calls ------------------------------------------------------------------------------- */

/* Also those that nobody waits for: who comes back does not get more. */
static unsigned int count_of(const struct instance *instance, const struct extension *extension)
{
        const struct key_call *call;
        unsigned int n = 0;

        list_for_each (call, &instance->key_calls, link)
                n += call->extension == extension;
        return n;
}

static int check(const struct instance *instance, const struct extension *extension,
                 const struct wire_message *message, char **ret_problem)
{
        if (extension_is_anonymous(extension))
                return text_problem(ret_problem, -EPERM,
                                    "%s is not installed, so it has no secrets and keys; "
                                    "see netextctl extension activate",
                                    extension->name);
        if (!is_allowed(message))
                return text_problem(ret_problem, -EPERM, "that is for administrators");
        if (count_of(instance, extension) >= NX_KEY_CALLS_MAX)
                return text_problem(ret_problem, -EBUSY, "%d calls wait for their answers already",
                                    NX_KEY_CALLS_MAX);
        return 0;
}

static int ask(struct instance *instance, struct extension *extension, uint32_t run,
               const struct wire_message *message, int fd, char **ret_problem)
{
        _cleanup_free_ char *owner = NULL;
        struct key_call *call;
        int r;

        text_set(&owner, "%s.%s", extension->spec.team, extension->spec.identifier);
        call = owner ? malloc(sizeof(*call)) : NULL;
        if (!call)
                return -ENOMEM;
        *call = (struct key_call){
                .extension = extension,
                .run = run,
                .number = wire_get(message, WIRE_ATTR_QUESTION),
        };
        list_append(&instance->key_calls, &call->link);
        r = keys_ask(&instance->keys,
                     &(struct keys_question){
                             .operation = operation_of(message),
                             .extension = owner,
                             .name = wire_get_string(message, WIRE_ATTR_NAME),
                             .with = message,
                             .deposit_fd = fd,
                     },
                     NULL, done, call, ret_problem);
        if (r < 0) {
                list_remove(&call->link);
                free(call);
        }
        return r;
}

static void called(struct extension *extension, uint32_t number, const struct wire_message *message,
                   int fd, void *userdata)
{
        struct instance *instance = userdata;
        struct run *run = extension_find_number(extension, number);
        _cleanup_free_ char *problem = NULL;
        int r;

        r = check(instance, extension, message, &problem);
        if (r >= 0)
                r = ask(instance, extension, number, message, fd, &problem);
        if (r < 0)
                answer_done(run, wire_get(message, WIRE_ATTR_QUESTION), r, problem, NULL);
}

static void silent(struct extension *extension, uint32_t run, void *userdata)
{
        struct instance *instance = userdata;
        struct key_call *call;

        list_for_each (call, &instance->key_calls, link)
                if (call->extension == extension && call->run == run)
                        call->run = 0;
}

static void gone(struct extension *extension, void *userdata)
{
        struct instance *instance = userdata;
        struct key_call *call;

        list_for_each (call, &instance->key_calls, link)
                if (call->extension == extension)
                        call->extension = NULL;
}

static const struct extension_listener listener = {
        .called_keys = called,
        .silent = silent,
        .gone = gone,
};

void keyring_open(struct instance *instance)
{
        extension_table_watch(&instance->extensions, &instance->key_calls_watch, &listener,
                              instance);
}

void keyring_start(struct instance *instance)
{
        keys_init(&instance->keys, instance->event, instance->paths.keys_program,
                  instance->options.instance, &instance->store);
}

void keyring_close(struct instance *instance)
{
        keys_deinit(&instance->keys);
}
