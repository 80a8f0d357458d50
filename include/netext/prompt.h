/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/prompt.h
 *
 * Asks people what extensions want to know about flows (netext/ask.h): `netextctl ask` is one such
 * prompt. Any number can be attached; each is asked everything, and the first answer counts.
 *
 * @code
 * #include <poll.h>
 * #include <string.h>
 *
 * static void handle_event(const struct nx_properties *event, void *manager)
 * {
 *         static const struct nx_answer no = { NX_ANSWER_INIT, .verdict = NX_VERDICT_REFUSE };
 *
 *         if (strcmp(nx_properties_get_string(event, "event"), "asked") == 0)
 *                 nx_manager_answer_question(manager,
 *                                            nx_properties_get_uint64(event, "question"), &no);
 * }
 *
 * int refuse_everything(struct nx_manager *manager)
 * {
 *         struct pollfd news = { .fd = nx_manager_get_fd(manager), .events = POLLIN };
 *         int r = nx_manager_attach_prompt(manager, handle_event, manager);
 *
 *         while (r >= 0) {
 *                 r = nx_manager_dispatch(manager);
 *                 if (r >= 0)
 *                         poll(&news, 1, -1);
 *         }
 *         return r;
 * }
 * @endcode
 */

#include <netext/manager.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How long an answer counts. */
enum nx_lifetime {
        NX_LIFETIME_ONCE = 1, /**< for the flows that the question is about */
        NX_LIFETIME_RUN = 2,  /**< for their process, as long as it runs */
        NX_LIFETIME_EVER = 3, /**< until nx_manager_forget_answer() */
};

/** Initialise with NX_ANSWER_INIT. */
struct nx_answer {
        size_t size;
        /** NX_VERDICT_ALLOW or NX_VERDICT_REFUSE. */
        enum nx_verdict verdict;
        enum nx_lifetime lifetime;
        /** Which later flows a longer answer is for: those of the same program, to the same host,
         *  to the same port; always of the same user, protocol and direction. At least one of them
         *  for NX_LIFETIME_EVER; for NX_LIFETIME_RUN the process is one already. */
        bool by_program, by_host, by_port;
};

#define NX_ANSWER_INIT .size = sizeof(struct nx_answer), .lifetime = NX_LIFETIME_ONCE

/** event: borrowed. Its key "event" is "asked", with all that is known; or how the question of that
 *  number ended: "answered" (by whomever), "timed-out" or "withdrawn". netextctl(1), ask, has its
 *  keys. */
typedef void nx_question_event_fn(const struct nx_properties *event, void *userdata);

/** From here on fn is called by nx_manager_dispatch(), first for the questions that are open.
 *  -EALREADY if it is attached. Lasts until nx_manager_close(). */
int nx_manager_attach_prompt(struct nx_manager *manager, nx_question_event_fn *fn, void *userdata);
/** A descriptor to poll for reading; stays the manager's. */
int nx_manager_get_fd(struct nx_manager *manager);
/** Handles what has come, without blocking. Call it before each wait: what came beside the answer
 *  to another call does not show in the descriptor. -EPIPE when netextd is gone. */
int nx_manager_dispatch(struct nx_manager *manager);
/** -EALREADY: it is over already; -EINVAL: the answer makes no sense for the question, whose
 *  program is not known, for instance; -ENOENT: there is none of that number. */
int nx_manager_answer_question(struct nx_manager *manager, uint64_t question,
                               const struct nx_answer *answer);
int nx_manager_list_questions(struct nx_manager *manager, struct nx_list **ret_questions);

/** The answers that are kept, oldest first. */
int nx_manager_list_answers(struct nx_manager *manager, struct nx_list **ret_answers);
/** Takes one away: people are asked again. -ENOENT: there is none of that number. */
int nx_manager_forget_answer(struct nx_manager *manager, uint64_t answer);

#ifdef __cplusplus
}
#endif
