/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The folder of the vault is in one that root alone may enter, and netext-keys gets a descriptor of
 * it: so it is out of reach for whoever has the same user id when netext-keys does not run.
 *
 * Each call is answered in its turn. Where netext-keys dies, those that it had end with an error,
 * and the next one starts another: a call that comes while it is dying waits for that. One that
 * takes too long is killed, and one that dies again and again is left alone for a while.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "manager/keys/keys.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/give.h"
#include "manager/priv/spawn.h"
#include "manager/priv/staged.h"
#include "manager/priv/user.h"
#include "wire/letter.h"

#define TIMEOUT_MS 20000 /* a key of RSA takes its time on a slow machine */
#define STARTS_MAX 5     /* in RESTARTS_WINDOW_MS */

struct keys_call {
        struct list link; /* keys.calls */
        uint64_t number;
        struct letter *letter; /* owned; NULL: it was sent … */
        int deposit_fd;        /* … with this; owned */
        bool needs_folder;
        char *extension;
        keys_item_fn *item_fn;
        keys_done_fn *done_fn;
        void *userdata;
};

void keys_init(struct keys *keys, sd_event *event, const char *program, const char *instance,
               struct store *store)
{
        *keys = (struct keys){
                .event = event,
                .program = program,
                .instance = instance,
                .store = store,
                .process = PROCESS_NULL,
                .peer = PEER_NULL,
        };
        list_init(&keys->calls);
}

/* --- how calls end ----------------------------------------------------------------------- */

static void arm(struct keys *keys);

static void call_free(struct keys_call *call)
{
        list_remove(&call->link);
        free(call->letter);
        free(call->extension);
        close_fd(call->deposit_fd);
        free(call);
}

static void end_call(struct keys *keys, struct keys_call *call, int result, const char *why,
                     const struct wire_message *answer, int fd)
{
        keys_done_fn *done_fn = call->done_fn;
        void *userdata = call->userdata;

        call_free(call);
        arm(keys);
        done_fn(result, why, answer, fd, userdata);
}

static void end_sent(struct keys *keys, int result, const char *why)
{
        struct keys_call *call;

        while ((call = list_first(&keys->calls, struct keys_call, link)) && !call->letter)
                end_call(keys, call, result, why, NULL, -1);
}

static int late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct keys *keys = userdata;

        log_error("netext-keys (pid %d) did not answer within %d s and is killed",
                  keys->process.pid, TIMEOUT_MS / 1000);
        keys->is_late = true;
        process_signal(&keys->process, SIGKILL);
        return 0;
}

/* The oldest call is the next to be answered, and this is when it becomes that. */
static void arm(struct keys *keys)
{
        if (list_is_empty(&keys->calls))
                timer_stop(&keys->deadline);
        else
                (void)timer_start(keys->event, &keys->deadline, TIMEOUT_MS, late, keys);
}

void keys_deinit(struct keys *keys)
{
        struct keys_call *call;

        process_signal(&keys->process, SIGKILL);
        process_close(&keys->process);
        peer_close(&keys->peer);
        while ((call = list_first(&keys->calls, struct keys_call, link)))
                end_call(keys, call, -ECANCELED, "netextd ends", NULL, -1);
        timer_stop(&keys->deadline);
}

/* --- what it says ------------------------------------------------------------------------ */

static void send_waiting(struct keys *keys);

static struct keys_call *find(struct keys *keys, const struct wire_message *message)
{
        uint64_t number = wire_get(message, WIRE_ATTR_QUESTION);
        struct keys_call *call;

        list_for_each (call, &keys->calls, link)
                if (call->number == number)
                        return call;
        return NULL;
}

static int receive(const struct wire_message *message, int *fd, void *userdata)
{
        struct keys *keys = userdata;
        struct keys_call *call = find(keys, message);

        if (!call)
                return -EPROTO;
        switch (message->type) {
        case NX_MSG_MANAGER_KEYS_ITEM:
                if (!call->item_fn)
                        return -EPROTO;
                call->item_fn(message, call->userdata);
                return 0;
        case NX_MSG_MANAGER_KEYS_DONE:
                end_call(keys, call, wire_get_i32(message, WIRE_ATTR_RESULT),
                         wire_get_string(message, WIRE_ATTR_TEXT), message, -1);
                return 0;
        case NX_MSG_MANAGER_KEYS_VALUE:
                end_call(keys, call, 0, NULL, message, *fd);
                return 0;
        default:
                return -EPROTO;
        }
}

/* What it did say before it died counts. */
static void ended(const char *how, bool clean, void *userdata)
{
        struct keys *keys = userdata;
        bool was_late = keys->is_late;

        log_warning("netext-keys is gone: %s", how);
        keys->is_late = false;
        peer_drain(&keys->peer);
        peer_close(&keys->peer);
        end_sent(keys, was_late ? -ETIMEDOUT : -ECONNRESET,
                 was_late ? "netext-keys did not answer in time and was ended"
                          : "netext-keys ended before it had an answer; ask again");
        send_waiting(keys);
}

/* Also where it breaks the protocol: then it is no use. */
static void lost(const char *why, void *userdata)
{
        struct keys *keys = userdata;

        log_debug("the channel to netext-keys is closed: %s", why);
        process_signal(&keys->process, SIGKILL);
}

/* --- starting it ------------------------------------------------------------------------- */

/* Whoever had that user id before has no way in, and the one of today gets all that is there. */
static int open_vault(const struct keys *keys)
{
        int store_fd = keys->store->place.store_fd, r;
        _cleanup_free_ char *path = NULL;
        _cleanup_fd_ int fd = -1;

        fd = staged_make(store_fd, STORE_KEYS, 0, 0700);
        if (fd < 0)
                return fd;
        text_set(&path, "%s/" STORE_VAULT, keys->store->folder);
        r = path ? give_folder(path, keys->uid) : -ENOMEM;
        if (r < 0 && r != -ENOENT)
                return r;
        return staged_make(store_fd, STORE_VAULT, keys->uid, 0700);
}

static int spawn(struct keys *keys, int channel_fd, const char **ret_step)
{
        static const char *const argv[] = { "netext-keys", NULL };
        static const char *const environment[] = { "LANG=C.UTF-8", NULL };
        _cleanup_(spawn_cancel) struct spawned spawned = SPAWNED_NULL;
        _cleanup_fd_ int lock_fd = user_lock(), vault_fd = -1;
        int r;

        *ret_step = "get a user id of its own";
        r = lock_fd < 0 ? lock_fd : user_choose(keys->instance, "netext-keys", NULL, 0, &keys->uid);
        if (r < 0)
                return r;
        *ret_step = "be given its folder";
        vault_fd = open_vault(keys);
        if (vault_fd < 0)
                return vault_fd;
        r = spawn_prepare(
                &(struct spawn){
                        .program = keys->program,
                        .argv = argv,
                        .environ = environment,
                        .uid = keys->uid,
                        .cgroup_fd = -1,
                        .dies_with_us = true,
                        .fds = (const int[]){ channel_fd, vault_fd },
                        .n_fds = 2,
                },
                &spawned, ret_step);
        if (r < 0)
                return r;
        *ret_step = "be watched";
        r = process_open(&keys->process, keys->event, spawned.pid, 0, ended, keys);
        if (r < 0)
                return r;
        *ret_step = "be executed";
        return spawn_release(&spawned);
}

static int start(struct keys *keys, char **ret_problem)
{
        _cleanup_fd_ int their_fd = -1;
        const char *step = "be talked to";
        int pair[2], r;

        if (restarts_recent(&keys->restarts, clock_now_ms()) >= STARTS_MAX)
                return text_problem(ret_problem, -EAGAIN,
                                    "netext-keys ended %d times in a few seconds; ask again later",
                                    STARTS_MAX);
        restarts_add(&keys->restarts, clock_now_ms());
        r = store_make(keys->store, ret_problem);
        if (r < 0)
                return r;
        r = channel_pair(pair);
        if (r >= 0) {
                their_fd = pair[1];
                r = peer_open(&keys->peer, keys->event, pair[0], receive, lost, keys);
        }
        if (r >= 0)
                r = spawn(keys, their_fd, &step);
        if (r >= 0)
                return 0;
        process_close(&keys->process);
        peer_close(&keys->peer);
        return text_problem(ret_problem, r, "%s does not start: it could not %s: %s", keys->program,
                            step, strerror(-r));
}

/* --- asking it --------------------------------------------------------------------------- */

static bool is_list(enum wire_key_operation operation)
{
        return operation == WIRE_KEY_LIST_SECRETS || operation == WIRE_KEY_LIST;
}

static bool keeps_something(enum wire_key_operation operation)
{
        return operation == WIRE_KEY_PUT_SECRET || operation == WIRE_KEY_GENERATE ||
               operation == WIRE_KEY_IMPORT;
}

/* netext-keys makes none, so nothing comes back of an extension that was taken away meanwhile. */
static int make_folder(struct keys *keys, const char *extension)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_fd_ int fd = -1;

        text_set(&path, STORE_VAULT "/%s", extension);
        fd = path ? staged_make(keys->store->place.store_fd, path, keys->uid, 0700) : -ENOMEM;
        return fd < 0 ? fd : 0;
}

static int send_call(struct keys *keys, struct keys_call *call, char **ret_problem)
{
        int r = process_is_alive(&keys->process) ? 0 : start(keys, ret_problem);

        if (r < 0)
                return r;
        r = call->needs_folder ? make_folder(keys, call->extension) : 0;
        if (r < 0)
                return text_problem(ret_problem, r, "cannot make a folder for it in %s: %s",
                                    keys->store->folder, strerror(-r));
        wire_put_copies(peer_begin(&keys->peer, call->letter->message.type, 0),
                        &call->letter->message, ~(wire_attributes)0);
        r = peer_send(&keys->peer, call->deposit_fd);
        if (r == -EPIPE || r == -ECONNRESET)
                return 0; /* it died, and ended() is about to be called */
        free(take_ptr(call->letter));
        return r < 0 ? text_problem(ret_problem, r, "netext-keys cannot be asked: %s", strerror(-r))
                     : 0;
}

static void send_waiting(struct keys *keys)
{
        struct keys_call *call, *following;

        list_for_each_safe (call, following, &keys->calls, link) {
                _cleanup_free_ char *problem = NULL;
                int r = call->letter ? send_call(keys, call, &problem) : 0;

                if (r < 0)
                        end_call(keys, call, r, problem, NULL, -1);
        }
}

static struct letter *write_letter(const struct keys_question *question, uint64_t number)
{
        uint8_t buffer[WIRE_MESSAGE_SIZE_MAX];
        struct wire_writer writer;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, question->deposit_fd < 0 ? NX_MSG_KEYS_CALL : NX_MSG_KEYS_DEPOSIT, 0);
        wire_put(&writer, WIRE_ATTR_QUESTION, number);
        wire_put(&writer, WIRE_ATTR_KEY_OPERATION, question->operation);
        wire_put_string(&writer, WIRE_ATTR_EXTENSION, question->extension);
        wire_put_string(&writer, WIRE_ATTR_NAME, question->name);
        if (question->with)
                wire_put_copies(&writer, question->with,
                                WIRE_HAS(SCHEME) | WIRE_HAS(KEY_TYPE) | WIRE_HAS(DATA));
        if (question->type)
                wire_put(&writer, WIRE_ATTR_KEY_TYPE, question->type);
        return wire_end(&writer) < 0 ? NULL : letter_from(&writer);
}

static struct keys_call *call_new(struct keys *keys, const struct keys_question *question)
{
        struct keys_call *call = malloc(sizeof(*call));

        if (!call)
                return NULL;
        *call = (struct keys_call){
                .number = ++keys->last_number,
                .letter = write_letter(question, keys->last_number),
                .deposit_fd = question->deposit_fd < 0
                                      ? -1
                                      : fcntl(question->deposit_fd, F_DUPFD_CLOEXEC, 0),
                .needs_folder = keeps_something(question->operation),
                .extension = question->extension ? strdup(question->extension) : NULL,
        };
        list_append(&keys->calls, &call->link);
        if (call->letter && !(question->extension && !call->extension) &&
            (call->deposit_fd >= 0) == (question->deposit_fd >= 0))
                return call;
        call_free(call);
        return NULL;
}

int keys_ask(struct keys *keys, const struct keys_question *question, keys_item_fn *item_fn,
             keys_done_fn *done_fn, void *userdata, char **ret_problem)
{
        bool is_dying = process_is_alive(&keys->process) && !peer_is_open(&keys->peer);
        struct keys_call *call;
        int r;

        if (!is_list(question->operation) && !text_is_identifier(question->name))
                return text_problem(ret_problem, -EINVAL,
                                    "the name of a secret or key is 1 to %d lower-case letters, "
                                    "digits and dashes",
                                    TEXT_IDENTIFIER_MAX);
        call = call_new(keys, question);
        if (!call)
                return -ENOMEM;
        call->item_fn = item_fn;
        call->done_fn = done_fn;
        call->userdata = userdata;
        r = is_dying ? 0 : send_call(keys, call, ret_problem);
        if (r < 0)
                call_free(call);
        else if (list_first(&keys->calls, struct keys_call, link) == call)
                arm(keys);
        return r;
}
