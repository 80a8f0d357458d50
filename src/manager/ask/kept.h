/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Answers that count for longer than the flows that were asked about: for a process, or for ever.
 * Those for ever are written down (record.c); those for a process go with netextd, as most do with
 * their process.
 */

#include "base/list.h"
#include "wire/question.h"

#define KEPT_PER_SESSION_MAX 1024

struct kept_answer {
        struct list link; /* kept.answers */
        char *session;
        uint64_t given_ns; /* CLOCK_REALTIME */
        struct letter *entry;
};

struct kept {
        struct list answers; /* kept_answer.link, oldest first */
        uint64_t last_number;
};

void kept_init(struct kept *kept);
void kept_deinit(struct kept *kept);

/*
 * Keeps an answer to the question, under a number of its own. 0; -EINVAL where it would be about
 * what is not known, -ENOSPC over KEPT_PER_SESSION_MAX for ever (of those for a process the oldest
 * goes), with a sentence; -ENOMEM.
 */
int kept_add(struct kept *kept, const char *session, const struct wire_message *question,
             uint8_t verdict, enum wire_lifetime lifetime, uint8_t scope, char **ret_problem);
/* One that was written down. Takes the entry over on success. */
int kept_restore(struct kept *kept, const char *session, uint64_t given_ns, struct letter *entry);
/* The newest of the session that answers the question, or NULL. */
const struct kept_answer *kept_find(const struct kept *kept, const char *session,
                                    const struct wire_message *question);
/* NULL: there is none of that number. */
struct kept_answer *kept_get(const struct kept *kept, uint64_t number);
void kept_remove(struct kept_answer *answer);

static inline uint64_t kept_get_number(const struct kept_answer *answer)
{
        return wire_get(&answer->entry->message, WIRE_ATTR_ANSWER);
}

static inline enum wire_lifetime kept_get_lifetime(const struct kept_answer *answer)
{
        return (enum wire_lifetime)wire_get(&answer->entry->message, WIRE_ATTR_LIFETIME);
}
