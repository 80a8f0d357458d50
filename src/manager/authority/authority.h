/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether somebody who is not root may change something: polkit says so, where there is a system
 * bus with polkitd. Nothing here waits. A question has one answer, and is charged to its user.
 */

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "manager/priv/caller.h"

#define AUTHORITY_QUESTIONS_PER_USER 8
#define AUTHORITY_QUESTIONS_MAX      64

/* What can be allowed; dist/polkit has the same list. */
enum authority_action {
        AUTHORITY_EXTENSION_ACTIVATE,
        AUTHORITY_EXTENSION_DEACTIVATE,
        AUTHORITY_EXTENSION_APPROVE,
        AUTHORITY_EXTENSION_CONFIGURE,
        AUTHORITY_SESSION_START,
        AUTHORITY_SESSION_STOP,
        AUTHORITY_SET_CONFIGURE,
        AUTHORITY_FLOW_END,
        AUTHORITY_KEY_CONFIGURE,
        _AUTHORITY_ACTION_MAX,
};

/* What is to be done, and to what: for rules that an administrator writes. */
struct authority_matter {
        enum authority_action action;
        const char *kind; /* "session": what the name is of; NULL: there is none */
        const char *name;
};

/* why: NULL where it is allowed; else a sentence with what can be done. Borrowed. */
typedef void authority_answer_fn(const char *why, void *userdata);

struct authority {
        sd_event *event; /* borrowed */
        sd_bus *bus;     /* the system bus, since the first question; NULL: not yet, or lost */
        struct list questions; /* authority_question.link */
        unsigned int n_questions;
        uint64_t last_number;
        unsigned int answer_timeout_ms; /* where polkitd may have to be started for it */
        unsigned int person_timeout_ms; /* where somebody looks for a password */
};

struct authority_question;

void authority_init(struct authority *authority, sd_event *event);
/* Nobody may be asking any more. */
void authority_deinit(struct authority *authority);

/*
 * caller: as it was identified when it connected; not kept, like matter. may_ask: polkit may ask a
 * person for a password. 0: answer_fn is called once, later; *ret_question lasts until then. Or
 * negative errno: it is not allowed, answer_fn is not called, and *ret_why is the sentence.
 */
int authority_ask(struct authority *authority, const struct caller *caller,
                  const struct authority_matter *matter, bool may_ask,
                  authority_answer_fn *answer_fn, void *userdata,
                  struct authority_question **ret_question, char **ret_why);
/* Whoever asked is gone: polkit is told, and answer_fn is not called. */
void authority_withdraw(struct authority_question *question);
