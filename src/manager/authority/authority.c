/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The subject of a question is the process that connected, by pid, start time and user as the
 * kernel told them; nothing that it says. polkitd looks up all three again, so a pid that was given
 * away meanwhile is nobody. Of a caller on the system bus it is the name there.
 *
 * The bus is opened at the first question, and again where it was lost. What the bus or polkitd
 * does (nothing, nonsense, an answer that comes too late) is an answer here: no. The time that it
 * may take is measured by a timer of our own, because sd-bus does not count while it has not been
 * let in.
 */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "manager/authority/authority.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"

#define POLKIT_NAME      "org.freedesktop.PolicyKit1"
#define POLKIT_OBJECT    "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"

#define ALLOW_USER_INTERACTION 1U

#define ANSWER_TIMEOUT_MS 25000
#define PERSON_TIMEOUT_MS 120000

struct authority_question {
        struct list link; /* authority.questions */
        struct authority *authority;
        uint64_t number;
        uid_t uid;
        enum authority_action action;
        sd_bus_slot *slot; /* polkitd's answer */
        sd_event_source *deadline;
        authority_answer_fn *answer_fn;
        void *userdata;
};

static const struct {
        const char *name;
        const char *what; /* "only an administrator may …" */
} actions[_AUTHORITY_ACTION_MAX] = {
        [AUTHORITY_EXTENSION_ACTIVATE] = { "org.netext1.extension.activate", "install extensions" },
        [AUTHORITY_EXTENSION_DEACTIVATE] = { "org.netext1.extension.deactivate",
                                             "take this extension away" },
        [AUTHORITY_EXTENSION_APPROVE] = { "org.netext1.extension.approve",
                                          "approve or refuse extensions" },
        [AUTHORITY_EXTENSION_CONFIGURE] = { "org.netext1.extension.configure",
                                            "change how extensions are kept" },
        [AUTHORITY_SESSION_START] = { "org.netext1.session.start", "start sessions" },
        [AUTHORITY_SESSION_STOP] = { "org.netext1.session.stop", "stop sessions" },
        [AUTHORITY_SET_CONFIGURE] = { "org.netext1.set.configure",
                                      "see and change what is in sets of destinations" },
        [AUTHORITY_FLOW_END] = { "org.netext1.flow.end", "end flows" },
        [AUTHORITY_KEY_CONFIGURE] = { "org.netext1.key.configure",
                                      "see and change which secrets and keys extensions have" },
};

static struct authority_question *question_free(struct authority_question *question)
{
        if (!question)
                return NULL;
        list_remove(&question->link);
        question->authority->n_questions--;
        sd_bus_slot_unref(question->slot);
        timer_stop(&question->deadline);
        free(question);
        return NULL;
}
DEFINE_CLEANUP(struct authority_question *, question, question_free)

void authority_init(struct authority *authority, sd_event *event)
{
        *authority = (struct authority){
                .event = event,
                .answer_timeout_ms = ANSWER_TIMEOUT_MS,
                .person_timeout_ms = PERSON_TIMEOUT_MS,
        };
        list_init(&authority->questions);
}

void authority_deinit(struct authority *authority)
{
        struct authority_question *question;

        while ((question = list_first(&authority->questions, struct authority_question, link)))
                question_free(question);
        authority->bus = sd_bus_close_unref(authority->bus);
}

/* --- answers ------------------------------------------------------------------------------- */

static int explain(char **ret_why, int error, enum authority_action action, const char *reason)
{
        return text_problem(ret_why, error, "only an administrator may %s, and %s; use sudo",
                            actions[action].what, reason);
}

/* The last of a question. reason: why not; NULL: it is allowed. */
static void answer(struct authority_question *question, const char *reason)
{
        authority_answer_fn *answer_fn = question->answer_fn;
        void *userdata = question->userdata;
        _cleanup_free_ char *why = NULL;

        if (reason)
                (void)explain(&why, -EACCES, question->action, reason);
        log_info("polkit: user %u %s %s%s%s", question->uid, reason ? "may not" : "may",
                 actions[question->action].name, reason ? ": " : "", reason ?: "");
        question_free(question);
        answer_fn(reason ? why ?: reason : NULL, userdata);
}

/* What polkitd said beside no: a{ss}. */
static int read_details(sd_bus_message *message, bool *ret_dismissed)
{
        const char *key, *value;
        int r;

        *ret_dismissed = false;
        r = sd_bus_message_enter_container(message, 'a', "{ss}");
        while (r >= 0 && (r = sd_bus_message_read(message, "{ss}", &key, &value)) > 0)
                *ret_dismissed |= strcmp(key, "polkit.dismissed") == 0;
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

/* NULL: yes. */
static const char *read_answer(sd_bus_message *message)
{
        int is_authorized, is_challenge, r;
        bool was_dismissed;

        r = sd_bus_message_enter_container(message, 'r', "bba{ss}");
        if (r > 0)
                r = sd_bus_message_read(message, "bb", &is_authorized, &is_challenge);
        if (r > 0)
                r = read_details(message, &was_dismissed);
        if (r <= 0)
                return "polkitd's answer is not understood";
        if (is_authorized)
                return NULL;
        if (was_dismissed)
                return "nobody gave a password to polkit";
        if (is_challenge)
                return "polkit wants a password for it, for which nobody here could be asked";
        return "polkit does not let you (an administrator can write a rule, see polkit(8))";
}

static int polkit_answered(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const sd_bus_error *error = sd_bus_message_get_error(message);
        struct authority_question *question = userdata;
        _cleanup_free_ char *said = error ? text_clean(error->message) : NULL;
        _cleanup_free_ char *reason = NULL;

        if (error)
                text_set(&reason, "polkit cannot say who else may: %s", said ?: error->name);
        answer(question, error ? reason ?: error->name : read_answer(message));
        return 0;
}

/* --- questions ----------------------------------------------------------------------------- */

static void tell_withdrawn(struct authority_question *question)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        text_set(&id, "netextd-%llu", (unsigned long long)question->number);
        r = sd_bus_message_new_method_call(question->authority->bus, &call, POLKIT_NAME,
                                           POLKIT_OBJECT, POLKIT_INTERFACE,
                                           "CancelCheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", id);
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(call, false);
        if (r >= 0)
                (void)sd_bus_send(question->authority->bus, call, NULL);
}

void authority_withdraw(struct authority_question *question)
{
        tell_withdrawn(question);
        question_free(question);
}

static int answer_is_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        tell_withdrawn(userdata);
        answer(userdata, "polkit did not answer in time");
        return 0;
}

static int reach_bus(struct authority *authority)
{
        int r;

        if (authority->bus && sd_bus_is_open(authority->bus) > 0)
                return 0;
        if (authority->n_questions > 0) /* which sd-bus is about to answer: it was lost */
                return -ECONNRESET;
        authority->bus = sd_bus_close_unref(authority->bus);
        r = sd_bus_open_system_with_description(&authority->bus, "system bus");
        if (r >= 0)
                r = sd_bus_attach_event(authority->bus, authority->event, 0);
        if (r < 0)
                authority->bus = sd_bus_close_unref(authority->bus);
        return r;
}

/* On the bus polkit finds out itself whose the name is. */
static int append_subject(sd_bus_message *call, const struct caller *caller)
{
        if (caller->bus_name)
                return sd_bus_message_append(call, "(sa{sv})", "system-bus-name", 1, "name", "s",
                                             caller->bus_name);
        return sd_bus_message_append(call, "(sa{sv})", "unix-process", 3, "pid", "u",
                                     (uint32_t)caller->pid, "start-time", "t",
                                     caller->started_ticks, "uid", "i", (int32_t)caller->uid);
}

static int append_details(sd_bus_message *call, const struct authority_matter *matter)
{
        return matter->kind ? sd_bus_message_append(call, "a{ss}", 1, matter->kind, matter->name)
                            : sd_bus_message_append(call, "a{ss}", 0);
}

static int send_question(struct authority_question *question, const struct caller *caller,
                         const struct authority_matter *matter, bool may_ask)
{
        sd_bus *bus = question->authority->bus;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        text_set(&id, "netextd-%llu", (unsigned long long)question->number);
        r = sd_bus_message_new_method_call(bus, &call, POLKIT_NAME, POLKIT_OBJECT, POLKIT_INTERFACE,
                                           "CheckAuthorization");
        if (r >= 0)
                r = append_subject(call, caller);
        if (r >= 0)
                r = sd_bus_message_append(call, "s", actions[matter->action].name);
        if (r >= 0)
                r = append_details(call, matter);
        if (r >= 0)
                r = sd_bus_message_append(call, "us", may_ask ? ALLOW_USER_INTERACTION : 0U, id);
        if (r >= 0)
                r = sd_bus_call_async(bus, &question->slot, call, polkit_answered, question,
                                      UINT64_MAX);
        return r;
}

static unsigned int count_of_user(const struct authority *authority, uid_t uid)
{
        struct authority_question *question;
        unsigned int n = 0;

        list_for_each (question, &authority->questions, link)
                n += question->uid == uid;
        return n;
}

/* NULL: it can be asked about. */
static const char *find_obstacle(const struct authority *authority, const struct caller *caller)
{
        if (!caller->bus_name && (caller->pid == 0 || caller->started_ticks == 0))
                return "the process that connected is gone, or not to be seen from here";
        if (count_of_user(authority, caller->uid) >= AUTHORITY_QUESTIONS_PER_USER)
                return "as many of your questions as may be wait for polkit already";
        if (authority->n_questions >= AUTHORITY_QUESTIONS_MAX)
                return "as many questions as may be wait for polkit already";
        return NULL;
}

static struct authority_question *question_new(struct authority *authority, uid_t uid,
                                               enum authority_action action)
{
        struct authority_question *question = calloc(1, sizeof(*question));

        if (!question)
                return NULL;
        question->authority = authority;
        question->number = ++authority->last_number;
        question->uid = uid;
        question->action = action;
        list_append(&authority->questions, &question->link);
        authority->n_questions++;
        return question;
}

int authority_ask(struct authority *authority, const struct caller *caller,
                  const struct authority_matter *matter, bool may_ask,
                  authority_answer_fn *answer_fn, void *userdata,
                  struct authority_question **ret_question, char **ret_why)
{
        _cleanup_(cleanup_question) struct authority_question *question = NULL;
        _cleanup_free_ char *reason = NULL;
        const char *obstacle = find_obstacle(authority, caller);
        int r;

        if (obstacle)
                return explain(ret_why, -EACCES, matter->action, obstacle);
        r = reach_bus(authority);
        if (r >= 0)
                question = question_new(authority, caller->uid, matter->action);
        if (r >= 0 && !question)
                r = -ENOMEM;
        if (r >= 0)
                r = send_question(question, caller, matter, may_ask);
        if (r >= 0)
                r = timer_start(authority->event, &question->deadline,
                                may_ask ? authority->person_timeout_ms
                                        : authority->answer_timeout_ms,
                                answer_is_late, question);
        if (r < 0) {
                text_set(&reason, "polkit cannot be asked who else may: no system bus (%s)",
                         strerror(-r));
                return explain(ret_why, -EACCES, matter->action,
                               reason ?: "polkit cannot be asked");
        }
        question->answer_fn = answer_fn;
        question->userdata = userdata;
        *ret_question = take_ptr(question);
        return 0;
}
