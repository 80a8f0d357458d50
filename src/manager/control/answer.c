/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An answer is a reply under construction: flowd's messages are appended as they come
 * and it is sent at the end, or replaced by an error. What a client can have under
 * construction or unread is bounded, so a list of flows cannot be asked for faster than
 * it is read.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "manager/control/answer.h"
#include "manager/control/record.h"
#include "manager/engine/request.h"
#include "manager/loop/text.h"
#include "manager/store/recovery.h"

/* Of a client: under construction, and as many that it did not read yet. flowd answers everybody's
 * questions in turn, so whoever is not root has one at a time. */
#define ANSWERS_MAX           4
#define ANSWERS_MAX_OF_OTHERS 1

struct answer {
        struct list link;      /* client.answers */
        struct client *client; /* NULL: it left */
        struct control *control;
        sd_bus_message *call;
        sd_bus_message *reply;
        bool is_list;
        bool is_about_one; /* flow, that was named */
        answer_item_fn *item_fn;
        struct letter *asked; /* a copy, for item_fn, or NULL */
        size_t n_items;
        int error;
};

static struct answer *answer_free(struct answer *answer)
{
        if (!answer)
                return NULL;
        list_remove(&answer->link);
        if (answer->client)
                answer->client->n_answers--;
        sd_bus_message_unref(answer->reply);
        sd_bus_message_unref(answer->call);
        free(answer->asked);
        free(answer);
        return NULL;
}
DEFINE_CLEANUP(struct answer *, answer, answer_free)

void answers_orphan(struct client *client)
{
        struct answer *answer, *following;

        list_for_each_safe (answer, following, &client->answers, link) {
                list_remove(&answer->link);
                answer->client = NULL;
        }
}

static int answer_new(struct client *client, sd_bus_message *call, struct answer **ret)
{
        const unsigned int max = client_is_root(client) ? ANSWERS_MAX : ANSWERS_MAX_OF_OTHERS;
        _cleanup_(cleanup_answer) struct answer *answer = NULL;
        int r;

        if (client->n_answers >= max || client_get_queued(client) >= max)
                return -EBUSY;
        answer = calloc(1, sizeof(*answer));
        if (!answer)
                return -ENOMEM;
        answer->client = client;
        answer->control = client->control;
        answer->call = sd_bus_message_ref(call);
        list_append(&client->answers, &answer->link);
        client->n_answers++;
        r = sd_bus_message_new_method_return(call, &answer->reply);
        if (r < 0)
                return r;
        *ret = take_ptr(answer);
        return 0;
}

static int refuse_answer(sd_bus_message *call, int error)
{
        switch (error) {
        case -EBUSY:
                return control_refuse(call, error, "too many answers wait; read those first");
        case -ENOTCONN:
        case -ECONNRESET:
                return control_refuse(call, -EAGAIN, "netext-flowd is being restarted; ask again");
        case -ETIMEDOUT:
                return control_refuse(call, error, "netext-flowd does not answer");
        case -ENOENT:
                return control_refuse(call, error, "there is no such flow (any more)");
        case -EADDRNOTAVAIL:
                return control_refuse(
                        call, error,
                        "no program of the instance has resolved that name lately, so "
                        "it is not known which address it stands for; give an "
                        "address");
        default:
                return control_refuse(call, error, "cannot answer: %s", strerror(-error));
        }
}

static void answer_send(struct answer *answer, int result)
{
        if (result >= 0)
                result = answer->error;
        if (result >= 0)
                result = sd_bus_message_close_container(answer->reply);
        if (result >= 0)
                result = sd_bus_send(NULL, answer->reply, NULL);
        if (result < 0)
                (void)refuse_answer(answer->call, result);
        answer_free(answer);
}

static int append_flow(struct control *control, sd_bus_message *record,
                       const struct wire_message *item, const struct wire_message *asked)
{
        return record_put_attributes(record, item);
}

static int put_item(struct answer *answer, const struct wire_message *item)
{
        return answer->item_fn(answer->control, answer->reply, item,
                               answer->asked ? &answer->asked->message : NULL);
}

static int append_item(struct answer *answer, const struct wire_message *item)
{
        int r;

        if (!answer->is_list)
                return answer->n_items > 0 ? 0 : put_item(answer, item);
        r = record_begin(answer->reply);
        if (r >= 0)
                r = put_item(answer, item);
        return r < 0 ? r : record_end(answer->reply);
}

static void list_item(const struct wire_message *message, void *userdata)
{
        struct answer *answer = userdata;

        if (!answer->client ||
            (message->type == NX_MSG_MANAGER_FLOW && !client_may_see_flow(answer->client, message)))
                return;
        if (answer->error >= 0 && message->type != NX_MSG_MANAGER_STATUS)
                answer->error = append_item(answer, message);
        answer->n_items++;
}

static void list_done(int result, void *userdata)
{
        struct answer *answer = userdata;

        if (result >= 0 && !answer->is_list && answer->n_items == 0)
                result = -ENOENT;
        answer_send(answer, result);
}

static int ask(struct client *client, sd_bus_message *call, struct engine_question *question,
               bool is_list, answer_item_fn *item_fn)
{
        _cleanup_(cleanup_letter) struct letter *letter = take_ptr(question->letter);
        _cleanup_(cleanup_answer) struct answer *answer = NULL;
        int r;

        r = answer_new(client, call, &answer);
        if (r < 0)
                return refuse_answer(call, r);
        answer->is_list = is_list;
        answer->item_fn = item_fn;
        if (letter)
                answer->asked =
                        letter_new(letter->message.type, &letter->message, ~(wire_attributes)0);
        r = sd_bus_message_open_container(answer->reply, 'a', is_list ? "a{sv}" : "{sv}");
        if (r >= 0) {
                question->letter = take_ptr(letter);
                r = engine_ask(client->control->engine, question, list_item, list_done, answer);
        }
        if (r < 0)
                return refuse_answer(call, r);
        take_ptr(answer);
        return 1;
}

static int answer_flows(struct client *client, sd_bus_message *call, uint64_t flow, uint64_t count)
{
        struct engine_question question = {
                .type = NX_MSG_FLOWD_FLOW_LIST,
                .flow = flow,
                .count = count,
                .waits = true,
        };

        return ask(client, call, &question, flow == 0, append_flow);
}

int answer_list(struct client *client, sd_bus_message *call, enum wire_message_type type,
                struct letter *letter, answer_item_fn *item_fn)
{
        struct engine_question question = { .type = type, .letter = letter };

        if (!letter)
                return refuse_answer(call, -ENOMEM);
        return ask(client, call, &question, true, item_fn);
}

int answer_list_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        uint64_t limit;
        int r;

        r = sd_bus_message_read(message, "t", &limit);
        return r < 0 ? r : answer_flows(userdata, message, 0, limit);
}

int answer_get_flow(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        uint64_t flow;
        int r;

        r = sd_bus_message_read(message, "t", &flow);
        if (r < 0)
                return r;
        return flow ? answer_flows(userdata, message, flow, 0) : refuse_answer(message, -ENOENT);
}

static int append_questions(sd_bus_message *reply, const struct questions *questions)
{
        const struct questions_counters *counters = &questions->counters;
        uint64_t n_open = 0;
        const struct question *question;
        int r;

        list_for_each (question, &questions->open, link)
                n_open++;
        r = record_put_uint64(reply, "prompts", questions->n_attached);
        if (r >= 0)
                r = record_put_uint64(reply, "questions_open", n_open);
        if (r >= 0)
                r = record_put_uint64(reply, "questions_asked", counters->asked);
        if (r >= 0)
                r = record_put_uint64(reply, "questions_answered", counters->answered);
        if (r >= 0)
                r = record_put_uint64(reply, "questions_unanswered", counters->unanswered);
        if (r >= 0)
                r = record_put_uint64(reply, "questions_nobody_attached",
                                      counters->nobody_attached);
        return r < 0 ? r : record_put_uint64(reply, "questions_over_quota", counters->over_quota);
}

static char *explain_damaged_state(const struct control *control)
{
        const char *path = control->paths->damaged_state;
        char *text = NULL;

        if (access(path, F_OK) == 0)
                text_set(&text,
                         "what ran before could not be read, and has ended: %s; the file is %s, "
                         "until you remove it",
                         control->options->keep_configuration ? "its sessions began anew"
                                                              : "start its sessions again",
                         path);
        return text;
}

static int append_own_status(sd_bus_message *reply, const struct control *control,
                             const char *state)
{
        _cleanup_free_ char *damage = recovery_explain_damage(control->store);
        _cleanup_free_ char *damaged_state = explain_damaged_state(control);
        const struct engine *engine = control->engine;
        char mark_mask[16];
        int r;

        snprintf(mark_mask, sizeof(mark_mask), "0x%08x", control->options->mark_mask);
        r = record_put_string(reply, "version", NETEXT_VERSION);
        if (r >= 0)
                r = record_put_string(reply, "instance", control->options->instance);
        if (r >= 0)
                r = record_put_string(reply, "cgroup", control->paths->cgroup);
        if (r >= 0)
                r = record_put_string(reply, "mark_mask", mark_mask);
        if (r >= 0)
                r = record_put_uint64(reply, "netextd_pid", (uint64_t)getpid());
        if (r >= 0 && process_is_alive(&engine->process))
                r = record_put_uint64(reply, "flowd_pid", (uint64_t)engine->process.pid);
        if (r >= 0)
                r = record_put_uint64(reply, "flowd_restarts", engine->restarts.total);
        if (r >= 0)
                r = record_put_string(reply, "store_problem", damage);
        if (r >= 0)
                r = record_put_string(reply, "state_problem", damaged_state);
        if (r >= 0)
                r = append_questions(reply, control->questions);
        return r < 0 ? r : record_put_string(reply, "state", state);
}

static void status_item(const struct wire_message *message, void *userdata)
{
        struct answer *answer = userdata;
        _cleanup_free_ char *key = text_clean(wire_get_string(message, WIRE_ATTR_KEY));

        if (answer->error < 0 || !key)
                return;
        if (wire_has(message, WIRE_ATTR_TEXT))
                answer->error = record_put_string(answer->reply, key,
                                                  wire_get_string(message, WIRE_ATTR_TEXT));
        else
                answer->error =
                        record_put_uint64(answer->reply, key, wire_get(message, WIRE_ATTR_COUNT));
}

/* What netextd knows by itself, where flowd has no say. */
static int reply_own_status(struct answer *answer, const char *state)
{
        int r;

        answer->reply = sd_bus_message_unref(answer->reply);
        r = sd_bus_message_new_method_return(answer->call, &answer->reply);
        if (r >= 0)
                r = record_begin(answer->reply);
        if (r >= 0)
                r = append_own_status(answer->reply, answer->control, state);
        return r;
}

static void status_done(int result, void *userdata)
{
        struct answer *answer = userdata;

        if (result == -ETIMEDOUT)
                result = reply_own_status(answer, "flowd-silent");
        else if (result < 0)
                result = reply_own_status(answer, "flowd-restarting");
        answer_send(answer, result);
}

int answer_get_status(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const struct engine_question question = { .type = NX_MSG_FLOWD_STATUS_GET };
        _cleanup_(cleanup_answer) struct answer *answer = NULL;
        struct client *client = userdata;
        int r;

        r = answer_new(client, message, &answer);
        if (r >= 0)
                r = record_begin(answer->reply);
        if (r >= 0)
                r = append_own_status(answer->reply, client->control, "running");
        if (r < 0)
                return refuse_answer(message, r);
        r = engine_ask(client->control->engine, &question, status_item, status_done, answer);
        if (r < 0)
                status_done(r, answer);
        take_ptr(answer);
        return 1;
}

static void flows_ended(int result, void *userdata)
{
        struct answer *answer = userdata;

        if (result == -EALREADY)
                (void)control_refuse(answer->call, result, "it is over already");
        else if (result == -EOPNOTSUPP)
                (void)control_refuse(answer->call, result,
                                     "it is a connection without a socket that netext knows, "
                                     "made of raw packets, and cannot be ended");
        else if (result == -ENOENT && !answer->is_about_one)
                (void)control_refuse(answer->call, result, "no open flow is meant");
        else
                return answer_send(answer, result);
        answer_free(answer);
}

static int read_ending(sd_bus_message *message, struct engine_question *ret_question)
{
        const char *program, *remote;
        int r;

        r = sd_bus_message_read(message, "tssq", &ret_question->flow, &program, &remote,
                                &ret_question->port);
        if (r < 0)
                return r;
        if (strlen(program) >= sizeof(ret_question->program))
                return -ENAMETOOLONG;
        strcpy(ret_question->program, program);
        ret_question->has_remote = remote[0] != '\0';
        if (ret_question->has_remote)
                r = address_from_string(remote, &ret_question->remote);
        return r;
}

/* That nobody means every flow by saying nothing. */
static bool means_anything(const struct engine_question *question)
{
        return question->flow || question->program[0] || question->has_remote || question->port;
}

/* Asks flowd for something to be done, and answers with how many flows that was done to. */
static int do_to_flows(struct client *client, sd_bus_message *message,
                       const struct engine_question *question, engine_done_fn *done_fn)
{
        _cleanup_(cleanup_answer) struct answer *answer = NULL;
        int r;

        r = answer_new(client, message, &answer);
        if (r >= 0)
                r = record_begin(answer->reply);
        if (r < 0)
                return refuse_answer(message, r);
        answer->is_about_one = question->flow != 0;
        r = engine_ask(client->control->engine, question, status_item, done_fn, answer);
        if (r < 0)
                return refuse_answer(message, r);
        take_ptr(answer);
        return 1;
}

int answer_end_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct engine_question question = { .type = NX_MSG_FLOWD_FLOWS_END };
        int r;

        r = read_ending(message, &question);
        if (r < 0 || !means_anything(&question))
                return control_refuse(message, -EINVAL,
                                      "a flow is meant by its number, or by its program, its "
                                      "remote address and its remote port");
        return do_to_flows(userdata, message, &question, flows_ended);
}

static void flows_judged_again(int result, void *userdata)
{
        struct answer *answer = userdata;

        if (result != -EBUSY) {
                answer_send(answer, result);
                return;
        }
        (void)control_refuse(answer->call, result,
                             "somebody else has the flows judged again just now; ask again");
        answer_free(answer);
}

int answer_rejudge_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const struct engine_question question = { .type = NX_MSG_FLOWD_FLOWS_REJUDGE };

        return do_to_flows(userdata, message, &question, flows_judged_again);
}
