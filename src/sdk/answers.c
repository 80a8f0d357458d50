/* SPDX-License-Identifier: Apache-2.0 */

/* The newest answer to a question counts, so they are looked through from the end. */

#include "sdk/answers.h"
#include "sdk/provider.h"
#include "wire/question.h"

struct answer {
        struct list link; /* session.answers or session.coming_answers */
        struct letter *entry;
};

static void clear(struct list *answers)
{
        struct answer *answer;

        while ((answer = list_first(answers, struct answer, link))) {
                list_remove(&answer->link);
                free(answer->entry);
                free(answer);
        }
}

enum nx_verdict answers_find(const struct session *session, const struct wire_message *question)
{
        const struct list *link;

        for (link = session->answers.prev; link != &session->answers; link = link->prev) {
                const struct answer *answer = container_of(link, struct answer, link);
                const struct wire_message *entry = &answer->entry->message;

                if (question_is_answered(question, entry))
                        return (enum nx_verdict)wire_get(entry, WIRE_ATTR_VERDICT);
        }
        return NX_VERDICT_NONE;
}

int answers_handle_begin(struct session *session)
{
        clear(&session->coming_answers);
        session->provider->answers_for = session;
        return 0;
}

int answers_handle_entry(struct nx_provider *provider, const struct wire_message *message)
{
        enum nx_verdict verdict = (enum nx_verdict)wire_get(message, WIRE_ATTR_VERDICT);
        struct answer *answer;

        if (!provider->answers_for || (verdict != NX_VERDICT_ALLOW && verdict != NX_VERDICT_REFUSE))
                return provider_fail_message(provider, "netextd", message->type);
        answer = malloc(sizeof(*answer));
        if (answer)
                answer->entry = letter_new(message->type, message, ~(wire_attributes)0);
        if (!answer || !answer->entry) {
                free(answer);
                return 0; /* then people are asked once more */
        }
        list_append(&provider->answers_for->coming_answers, &answer->link);
        return 0;
}

int answers_handle_commit(struct session *session)
{
        struct list *coming = &session->coming_answers;

        clear(&session->answers);
        while (!list_is_empty(coming)) {
                struct list *first = coming->next;

                list_remove(first);
                list_append(&session->answers, first);
        }
        session->provider->answers_for = NULL;
        return 0;
}

void answers_deinit(struct session *session)
{
        clear(&session->answers);
        clear(&session->coming_answers);
        if (session->provider->answers_for == session)
                session->provider->answers_for = NULL;
}
