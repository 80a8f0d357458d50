/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The questions know neither which sessions there are, nor who is attached: here they meet both.
 * Each process of a session's extension has the answers that are kept for it, so that it need not
 * ask, and netextd can be gone meanwhile.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/ask/record.h"
#include "manager/asks.h"
#include "manager/extension/parts.h"
#include "manager/priv/staged.h"

static struct session *session_of(struct instance *instance, const struct extension *extension,
                                  const struct wire_message *message)
{
        const char *name = wire_get_string(message, WIRE_ATTR_SESSION_NAME);
        struct session *session = session_table_find(&instance->sessions, name);

        return session && session->extension == extension && !session->stopping ? session : NULL;
}

static void question(struct extension *extension, uint32_t run, const struct wire_message *message,
                     void *userdata)
{
        struct instance *instance = userdata;
        struct session *session;

        if (message->type == NX_MSG_MANAGER_QUESTION_OVER) {
                questions_end(&instance->questions, extension, run, message);
                return;
        }
        session = session_of(instance, extension, message);
        if (session) /* else it was stopped meanwhile, and its flows are nobody's */
                questions_put(&instance->questions, session, run, message);
}

static void silent(struct extension *extension, uint32_t run, void *userdata)
{
        struct instance *instance = userdata;

        questions_end_run(&instance->questions, extension, run);
}

static const struct extension_listener extension_listener = {
        .question = question,
        .silent = silent,
};

static void send_kept(struct run *run, const struct kept *kept, const char *session)
{
        const struct kept_answer *answer;
        struct wire_writer *writer = run_begin_many(run, NX_MSG_EXTENSION_ANSWERS_BEGIN);

        if (!writer)
                return;
        wire_put_string(writer, WIRE_ATTR_SESSION_NAME, session);
        run_end_many(run);
        list_for_each (answer, &kept->answers, link) {
                if (strcmp(answer->session, session) != 0)
                        continue;
                writer = run_begin_many(run, NX_MSG_EXTENSION_ANSWERS_ENTRY);
                wire_put_copies(writer, &answer->entry->message, ~(wire_attributes)0);
                run_end_many(run);
        }
        writer = run_begin_many(run, NX_MSG_EXTENSION_ANSWERS_COMMIT);
        wire_put_string(writer, WIRE_ATTR_SESSION_NAME, session);
        run_send_many(run, -1);
}

void asks_greet(struct instance *instance, struct session *session, struct run *run)
{
        send_kept(run, &instance->questions.kept, session->name);
}

static void save(struct instance *instance)
{
        _cleanup_free_ char *problem = NULL;
        int r;

        r = store_make(&instance->store, &problem);
        if (r >= 0)
                r = record_save_answers(&instance->questions.kept, instance->store.place.store_fd);
        if (r < 0)
                log_error("the answers that were to be kept for ever are not written down: %s",
                          problem ?: strerror(-r));
}

static bool is_of_ever(const struct kept *kept)
{
        const struct kept_answer *answer;

        list_for_each (answer, &kept->answers, link)
                if (kept_get_lifetime(answer) == WIRE_LIFETIME_EVER)
                        return true;
        return false;
}

static void kept_changed(const char *name, void *userdata)
{
        struct instance *instance = userdata;
        struct session *session = session_table_find(&instance->sessions, name);
        struct run *run;

        if (instance->store.place.store_fd >= 0 || is_of_ever(&instance->questions.kept))
                save(instance);
        if (!session)
                return;
        list_for_each (run, &session->extension->runs, link)
                send_kept(run, &instance->questions.kept, name);
}

static void asked(const struct question *put, void *userdata)
{
        struct instance *instance = userdata;

        control_question_asked(&instance->control, put);
}

static void over(const struct question *ended, enum question_end end,
                 const struct question_answer *answer, void *userdata)
{
        struct instance *instance = userdata;

        control_question_over(&instance->control, ended, end, answer);
}

static const struct questions_listener questions_listener = {
        .asked = asked,
        .over = over,
        .kept_changed = kept_changed,
};

void asks_open(struct instance *instance)
{
        questions_init(&instance->questions, &questions_listener, instance);
        extension_table_watch(&instance->extensions, &instance->questions_watch,
                              &extension_listener, instance);
}

void asks_load(struct instance *instance)
{
        if (instance->store.place.store_fd >= 0)
                (void)record_load_answers(&instance->questions.kept,
                                          instance->store.place.store_fd);
}

void asks_close(struct instance *instance)
{
        questions_deinit(&instance->questions);
}
