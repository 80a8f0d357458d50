/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whoever is attached is asked everything, and told what became of it: the first answer counts. A
 * prompt that does not read is not attached any more when too much waits for it; what it was asked
 * is then the others', or nobody's.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/ask/question.h"
#include "manager/control/questions.h"
#include "manager/control/record.h"

#define QUEUED_MAX 4096

static int append_subject(sd_bus_message *record, const struct wire_message *message)
{
        uint64_t scope = wire_get(message, WIRE_ATTR_SCOPE);
        int r;

        r = record_put_attributes(record, message);
        if (r < 0 || !wire_has(message, WIRE_ATTR_SCOPE))
                return r;
        r = record_put_bool(record, "by_program", scope & WIRE_SCOPE_PROGRAM);
        if (r >= 0)
                r = record_put_bool(record, "by_host", scope & WIRE_SCOPE_HOST);
        return r < 0 ? r : record_put_bool(record, "by_port", scope & WIRE_SCOPE_PORT);
}

/* Its number is ours, not the extension's. */
static int append_question(sd_bus_message *record, const struct question *question)
{
        struct wire_message shown = question->asked->message;
        int r;

        shown.present &= ~WIRE_HAS(QUESTION);
        r = record_put_uint64(record, "question", question->number);
        if (r >= 0)
                r = append_subject(record, &shown);
        if (r >= 0)
                r = record_put_string(record, "parent", question->parent);
        return r < 0 ? r : record_put_uint64(record, "asked_ns", question->asked_ns);
}

static int new_event(struct client *client, const char *what, sd_bus_message **ret_event)
{
        int r;

        r = sd_bus_message_new_signal(client->bus, ret_event, CONTROL_PATH, CONTROL_INTERFACE,
                                      "QuestionEvent");
        if (r >= 0)
                r = record_begin(*ret_event);
        return r < 0 ? r : record_put_string(*ret_event, "event", what);
}

static int send_event(struct client *client, sd_bus_message *event, int r)
{
        if (r >= 0)
                r = record_end(event);
        return r < 0 ? r : sd_bus_send(client->bus, event, NULL);
}

static int send_asked(struct client *client, const struct question *question)
{
        _cleanup_message_ sd_bus_message *event = NULL;
        int r;

        r = new_event(client, "asked", &event);
        if (r >= 0)
                r = append_question(event, question);
        return send_event(client, event, r);
}

static int append_answer(sd_bus_message *event, const struct question_answer *answer)
{
        int r;

        r = record_put_string(event, "verdict", answer->allow ? "allow" : "refuse");
        if (r >= 0)
                r = record_put_string(event, "lifetime",
                                      wire_name_to_string(wire_lifetimes, answer->lifetime));
        if (r >= 0)
                r = record_put_uint64(event, "answered_by_pid", (uint64_t)answer->pid);
        return r < 0 ? r : record_put_uint64(event, "answered_by_uid", answer->uid);
}

static int send_over(struct client *client, const struct question *question, enum question_end end,
                     const struct question_answer *answer)
{
        _cleanup_message_ sd_bus_message *event = NULL;
        int r;

        r = new_event(client, question_end_to_string(end), &event);
        if (r >= 0)
                r = record_put_uint64(event, "question", question->number);
        if (r >= 0 && answer)
                r = append_answer(event, answer);
        return send_event(client, event, r);
}

void questions_detach_client(struct client *client)
{
        if (!client->is_prompt)
                return;
        client->is_prompt = false;
        questions_detach(client->control->questions);
}

/* What waits for a prompt is bounded: a question is over once. */
static void check_client(struct client *client, int r)
{
        if (r >= 0 && client_get_queued(client) < QUEUED_MAX)
                return;
        log_warning("a prompt (pid %d) does not read what it is asked: it is not asked any more",
                    client->caller.pid);
        questions_detach_client(client);
}

void control_question_asked(struct control *control, const struct question *question)
{
        struct client *client;

        list_for_each (client, &control->clients, link)
                if (client->is_prompt)
                        check_client(client, send_asked(client, question));
}

void control_question_over(struct control *control, const struct question *question,
                           enum question_end end, const struct question_answer *answer)
{
        struct client *client;

        list_for_each (client, &control->clients, link)
                if (client->is_prompt)
                        (void)send_over(client, question, end, answer);
}

int questions_attach_prompt(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        struct questions *questions = client->control->questions;
        struct question *question;
        int enable, r;

        r = sd_bus_message_read(message, "b", &enable);
        if (r < 0)
                return r;
        if (!enable)
                questions_detach_client(client);
        if (!enable || client->is_prompt)
                return sd_bus_reply_method_return(message, "");
        r = sd_bus_reply_method_return(message, "");
        if (r < 0)
                return r;
        client->is_prompt = true;
        questions_attach(questions);
        list_for_each (question, &questions->open, link)
                (void)send_asked(client, question);
        return 1;
}

static int read_word(sd_bus_message *message, const char *key, struct question_answer *answer)
{
        const char *word;
        int r, lifetime;

        r = sd_bus_message_read(message, "v", "s", &word);
        if (r < 0)
                return r;
        if (strcmp(key, "verdict") == 0) {
                answer->allow = strcmp(word, "allow") == 0;
                return answer->allow || strcmp(word, "refuse") == 0 ? 0 : -EINVAL;
        }
        lifetime = wire_name_from_string(wire_lifetimes, word);
        if (lifetime < 0)
                return -EINVAL;
        answer->lifetime = (enum wire_lifetime)lifetime;
        return 0;
}

static int read_entry(sd_bus_message *message, struct question_answer *answer, bool *has_verdict)
{
        static const struct wire_name scopes[] = {
                { WIRE_SCOPE_PROGRAM, "by_program" },
                { WIRE_SCOPE_HOST, "by_host" },
                { WIRE_SCOPE_PORT, "by_port" },
                {},
        };
        const char *key;
        int scope, value, r;

        r = sd_bus_message_read(message, "s", &key);
        if (r < 0)
                return r;
        if (strcmp(key, "verdict") == 0 || strcmp(key, "lifetime") == 0) {
                *has_verdict |= strcmp(key, "verdict") == 0;
                return read_word(message, key, answer);
        }
        scope = wire_name_from_string(scopes, key);
        if (scope < 0)
                return -EINVAL;
        r = sd_bus_message_read(message, "v", "b", &value);
        if (r >= 0 && value)
                answer->scope |= (uint8_t)scope;
        return r < 0 ? r : 0;
}

static int read_answer(sd_bus_message *message, struct question_answer *answer)
{
        bool has_verdict = false;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_entry(message, answer, &has_verdict);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? r : has_verdict ? 0 : -EINVAL;
}

int questions_answer_question(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        struct question_answer answer = {
                .lifetime = WIRE_LIFETIME_ONCE,
                .pid = client->caller.pid,
                .uid = client->caller.uid,
        };
        _cleanup_free_ char *problem = NULL;
        uint64_t number;
        int r;

        r = sd_bus_message_read(message, "t", &number);
        if (r < 0)
                return r;
        r = read_answer(message, &answer);
        if (r < 0)
                return control_refuse(message, -EINVAL,
                                      "an answer is a verdict, \"allow\" or \"refuse\", with a "
                                      "lifetime, \"once\", \"run\" or \"ever\", and by_program, "
                                      "by_host or by_port");
        r = questions_answer(client->control->questions, number, &answer, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        return sd_bus_reply_method_return(message, "");
}

int questions_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        struct question *question;
        int r;

        r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        list_for_each (question, &client->control->questions->open, link) {
                r = record_begin(reply);
                if (r >= 0)
                        r = append_question(reply, question);
                if (r >= 0)
                        r = record_end(reply);
                if (r < 0)
                        return r;
        }
        return record_list_send(reply);
}

static int append_kept(sd_bus_message *reply, const struct kept_answer *answer)
{
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_string(reply, "session_name", answer->session);
        if (r >= 0)
                r = append_subject(reply, &answer->entry->message);
        if (r >= 0)
                r = record_put_uint64(reply, "given_ns", answer->given_ns);
        return r < 0 ? r : record_end(reply);
}

int questions_list_answers(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const struct kept_answer *answer;
        int r;

        r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        list_for_each (answer, &client->control->questions->kept.answers, link) {
                r = append_kept(reply, answer);
                if (r < 0)
                        return r;
        }
        return record_list_send(reply);
}

int questions_forget_answer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_free_ char *problem = NULL;
        uint64_t number;
        int r;

        r = sd_bus_message_read(message, "t", &number);
        if (r < 0)
                return r;
        r = questions_forget(client->control->questions, number, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        return sd_bus_reply_method_return(message, "");
}
