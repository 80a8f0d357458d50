/* SPDX-License-Identifier: Apache-2.0 */

/* In the order in which they were given: the newest that is about a question answers it. */

#include <errno.h>
#include <string.h>

#include "manager/ask/kept.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"

void kept_init(struct kept *kept)
{
        *kept = (struct kept){};
        list_init(&kept->answers);
}

void kept_remove(struct kept_answer *answer)
{
        list_remove(&answer->link);
        free(answer->session);
        free(answer->entry);
        free(answer);
}

void kept_deinit(struct kept *kept)
{
        struct kept_answer *answer;

        while ((answer = list_first(&kept->answers, struct kept_answer, link)))
                kept_remove(answer);
}

/* How many the session has of that lifetime, and the oldest of them. */
static size_t count(const struct kept *kept, const char *session, enum wire_lifetime lifetime,
                    struct kept_answer **ret_oldest)
{
        struct kept_answer *answer;
        size_t n = 0;

        *ret_oldest = NULL;
        list_for_each (answer, &kept->answers, link) {
                if (strcmp(answer->session, session) != 0 || kept_get_lifetime(answer) != lifetime)
                        continue;
                if (n++ == 0)
                        *ret_oldest = answer;
        }
        return n;
}

static int make_room(struct kept *kept, const char *session, enum wire_lifetime lifetime,
                     char **ret_problem)
{
        struct kept_answer *oldest;

        if (count(kept, session, lifetime, &oldest) < KEPT_PER_SESSION_MAX)
                return 0;
        if (lifetime == WIRE_LIFETIME_EVER)
                return text_problem(ret_problem, -ENOSPC,
                                    "%d answers are kept for session %s already: remove some with "
                                    "'netextctl rules forget'",
                                    KEPT_PER_SESSION_MAX, session);
        kept_remove(oldest);
        return 0;
}

int kept_restore(struct kept *kept, const char *session, uint64_t given_ns, struct letter *entry)
{
        uint64_t number = wire_get(&entry->message, WIRE_ATTR_ANSWER);
        struct kept_answer *answer = malloc(sizeof(*answer));

        if (!answer)
                return -ENOMEM;
        *answer = (struct kept_answer){ .session = strdup(session), .given_ns = given_ns };
        if (!answer->session) {
                free(answer);
                return -ENOMEM;
        }
        answer->entry = entry;
        list_append(&kept->answers, &answer->link);
        if (number > kept->last_number)
                kept->last_number = number;
        return 0;
}

int kept_add(struct kept *kept, const char *session, const struct wire_message *question,
             uint8_t verdict, enum wire_lifetime lifetime, uint8_t scope, char **ret_problem)
{
        const char *problem = question_problem(question, lifetime, scope);
        _cleanup_(cleanup_letter) struct letter *entry = NULL;
        int r;

        if (problem)
                return text_problem(ret_problem, -EINVAL, "%s", problem);
        r = make_room(kept, session, lifetime, ret_problem);
        if (r < 0)
                return r;
        entry = question_keep(question, kept->last_number + 1, verdict, lifetime, scope);
        if (!entry)
                return -ENOMEM;
        r = kept_restore(kept, session, clock_realtime_ns(), entry);
        if (r >= 0)
                take_ptr(entry);
        return r;
}

const struct kept_answer *kept_find(const struct kept *kept, const char *session,
                                    const struct wire_message *question)
{
        const struct kept_answer *answer, *newest = NULL;

        list_for_each (answer, &kept->answers, link)
                if (strcmp(answer->session, session) == 0 &&
                    question_is_answered(question, &answer->entry->message))
                        newest = answer;
        return newest;
}

struct kept_answer *kept_get(const struct kept *kept, uint64_t number)
{
        struct kept_answer *answer;

        list_for_each (answer, &kept->answers, link)
                if (kept_get_number(answer) == number)
                        return answer;
        return NULL;
}
