/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A question that is answered, over or not taken is freed at once; what follows from that is told
 * before. So a list of those that are open is all the state there is.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <netext/netext.h>

#include "base/log.h"
#include "manager/ask/question.h"
#include "manager/extension/parts.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/parent.h"
#include "manager/session/session.h"

const char *question_end_to_string(enum question_end end)
{
        switch (end) {
        case QUESTION_ANSWERED:
                return "answered";
        case QUESTION_TIMED_OUT:
                return "timed-out";
        default:
                return "withdrawn";
        }
}

void questions_init(struct questions *questions, const struct questions_listener *listener,
                    void *userdata)
{
        *questions = (struct questions){ .listener = listener, .userdata = userdata };
        list_init(&questions->open);
        kept_init(&questions->kept);
}

static struct question *question_free(struct question *question)
{
        if (!question)
                return NULL;
        list_remove(&question->link);
        free(question->session);
        free(question->parent);
        free(question->asked);
        free(question);
        return NULL;
}
DEFINE_CLEANUP(struct question *, question, question_free)

void questions_deinit(struct questions *questions)
{
        struct question *question;

        while ((question = list_first(&questions->open, struct question, link)))
                question_free(question);
        kept_deinit(&questions->kept);
}

size_t questions_count(const struct questions *questions, const char *session)
{
        const struct question *question;
        size_t n = 0;

        list_for_each (question, &questions->open, link)
                n += strcmp(question->session, session) == 0;
        return n;
}

/* --- answers to the extension ------------------------------------------------------------- */

static struct wire_writer *begin(struct extension *extension, uint32_t number,
                                 uint64_t their_number, int result)
{
        struct run *run = extension_find_number(extension, number);
        struct wire_writer *writer = run ? run_begin_many(run, NX_MSG_EXTENSION_ANSWER) : NULL;

        if (!writer)
                return NULL; /* nobody waits there */
        wire_put(writer, WIRE_ATTR_QUESTION, their_number);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        return writer;
}

static void send_reply(struct extension *extension, uint32_t number)
{
        run_send_many(extension_find_number(extension, number), -1);
}

static void refuse(struct extension *extension, uint32_t run, uint64_t their_number, int result)
{
        if (begin(extension, run, their_number, result))
                send_reply(extension, run);
}

static void reply(struct extension *extension, uint32_t run, uint64_t their_number,
                  uint64_t verdict, enum wire_reason reason)
{
        struct wire_writer *writer = begin(extension, run, their_number, 0);

        if (!writer)
                return;
        wire_put(writer, WIRE_ATTR_VERDICT, verdict);
        wire_put(writer, WIRE_ATTR_REASON, reason);
        send_reply(extension, run);
}

/* --- questions ---------------------------------------------------------------------------- */

static struct question *question_new(struct questions *questions, const struct session *session,
                                     uint32_t run, const struct wire_message *message)
{
        _cleanup_(cleanup_question) struct question *question = calloc(1, sizeof(*question));

        if (!question)
                return NULL;
        list_init(&question->link);
        question->extension = session->extension;
        question->run = run;
        question->their_number = wire_get(message, WIRE_ATTR_QUESTION);
        question->asked_ns = clock_realtime_ns();
        question->session = strdup(session->name);
        question->asked = letter_new(message->type, message, ~(wire_attributes)0);
        if (!question->session || !question->asked)
                return NULL;
        if (wire_has(message, WIRE_ATTR_PROCESS_STARTED_NS))
                question->parent = parent_program((pid_t)wire_get(message, WIRE_ATTR_PID),
                                                  wire_get(message, WIRE_ATTR_PROCESS_STARTED_NS));
        question->number = ++questions->last_number;
        list_append(&questions->open, &question->link);
        return take_ptr(question);
}

/* The reason why nobody is asked, or 0. */
static int check(struct questions *questions, const char *session)
{
        if (questions->n_attached == 0) {
                questions->counters.nobody_attached++;
                return -ENOTCONN;
        }
        if (questions_count(questions, session) < QUESTIONS_PER_SESSION_MAX)
                return 0;
        if (questions->counters.over_quota++ == 0)
                log_warning("%s: %d questions are open: its fail policy answers more of them "
                            "(see questions_over_quota in netextctl status)",
                            session, QUESTIONS_PER_SESSION_MAX);
        return -ENOSPC;
}

void questions_put(struct questions *questions, const struct session *session, uint32_t run,
                   const struct wire_message *message)
{
        const struct kept_answer *kept = kept_find(&questions->kept, session->name, message);
        uint64_t their_number = wire_get(message, WIRE_ATTR_QUESTION);
        struct question *question;
        int r;

        if (kept) {
                reply(session->extension, run, their_number,
                      wire_get(&kept->entry->message, WIRE_ATTR_VERDICT), WIRE_REASON_KEPT_ANSWER);
                return;
        }
        r = check(questions, session->name);
        question = r < 0 ? NULL : question_new(questions, session, run, message);
        if (!question) {
                refuse(session->extension, run, their_number, r < 0 ? r : -ENOSPC);
                return;
        }
        questions->counters.asked++;
        questions->listener->asked(question, questions->userdata);
}

static void end(struct questions *questions, struct question *question, enum question_end how,
                const struct question_answer *answer)
{
        list_remove(&question->link);
        questions->listener->over(question, how, answer, questions->userdata);
        question_free(question);
}

void questions_end(struct questions *questions, const struct extension *extension, uint32_t run,
                   const struct wire_message *message)
{
        uint64_t their_number = wire_get(message, WIRE_ATTR_QUESTION);
        bool is_late = wire_get_i32(message, WIRE_ATTR_RESULT) == -ETIMEDOUT;
        struct question *question, *following;

        list_for_each_safe (question, following, &questions->open, link) {
                if (question->extension != extension || question->run != run ||
                    question->their_number != their_number)
                        continue;
                questions->counters.unanswered += is_late;
                end(questions, question, is_late ? QUESTION_TIMED_OUT : QUESTION_WITHDRAWN, NULL);
        }
}

void questions_end_run(struct questions *questions, const struct extension *extension, uint32_t run)
{
        struct question *question, *following;

        list_for_each_safe (question, following, &questions->open, link)
                if (question->extension == extension && question->run == run)
                        end(questions, question, QUESTION_WITHDRAWN, NULL);
}

/* --- people ------------------------------------------------------------------------------- */

void questions_attach(struct questions *questions)
{
        questions->n_attached++;
}

void questions_detach(struct questions *questions)
{
        struct question *question;

        if (--questions->n_attached > 0)
                return;
        while ((question = list_first(&questions->open, struct question, link))) {
                questions->counters.nobody_attached++;
                refuse(question->extension, question->run, question->their_number, -ENOTCONN);
                end(questions, question, QUESTION_WITHDRAWN, NULL);
        }
}

static struct question *find(struct questions *questions, uint64_t number)
{
        struct question *question;

        list_for_each (question, &questions->open, link)
                if (question->number == number)
                        return question;
        return NULL;
}

static void settle(struct questions *questions, struct question *question,
                   const struct question_answer *answer, enum wire_reason reason)
{
        questions->counters.answered++;
        reply(question->extension, question->run, question->their_number,
              answer->allow ? NX_VERDICT_ALLOW : NX_VERDICT_REFUSE, reason);
        end(questions, question, QUESTION_ANSWERED, answer);
}

/* Those that the answer which is kept now is about as well. */
static void settle_others(struct questions *questions, const char *session,
                          const struct question_answer *answer)
{
        struct question *question, *following;

        list_for_each_safe (question, following, &questions->open, link)
                if (strcmp(question->session, session) == 0 &&
                    kept_find(&questions->kept, session, &question->asked->message))
                        settle(questions, question, answer, WIRE_REASON_KEPT_ANSWER);
}

int questions_answer(struct questions *questions, uint64_t number,
                     const struct question_answer *answer, char **ret_problem)
{
        struct question *question = find(questions, number);
        _cleanup_free_ char *session = NULL;
        int r;

        if (!question && number > 0 && number <= questions->last_number)
                return text_problem(ret_problem, -EALREADY,
                                    "question %" PRIu64 " is over: somebody answered it, or nobody "
                                    "waits for it any more",
                                    number);
        if (!question)
                return text_problem(ret_problem, -ENOENT, "there is no question %" PRIu64, number);
        if (answer->lifetime != WIRE_LIFETIME_ONCE) {
                r = kept_add(&questions->kept, question->session, &question->asked->message,
                             answer->allow ? NX_VERDICT_ALLOW : NX_VERDICT_REFUSE, answer->lifetime,
                             answer->scope, ret_problem);
                if (r < 0)
                        return r;
                session = strdup(question->session);
        }
        settle(questions, question, answer, WIRE_REASON_ANSWERED);
        if (!session)
                return 0;
        questions->listener->kept_changed(session, questions->userdata);
        settle_others(questions, session, answer);
        return 0;
}

int questions_forget(struct questions *questions, uint64_t number, char **ret_problem)
{
        struct kept_answer *answer = kept_get(&questions->kept, number);
        _cleanup_free_ char *session = NULL;

        if (!answer)
                return text_problem(ret_problem, -ENOENT,
                                    "no answer %" PRIu64 " is kept; 'netextctl rules answers' "
                                    "shows those that are",
                                    number);
        session = strdup(answer->session);
        kept_remove(answer);
        if (session)
                questions->listener->kept_changed(session, questions->userdata);
        return 0;
}
