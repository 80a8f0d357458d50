/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The questions that extensions have put to people, from their message until an answer, or until
 * nobody waits for one any more. Who puts the question measures its time; here it is carried to
 * whoever is attached (control/questions.c), and back.
 */

#include <sys/types.h>

#include "base/list.h"
#include "manager/ask/kept.h"

struct extension;
struct question;
struct session;

#define QUESTIONS_PER_SESSION_MAX 1024

/* How a question ended. */
enum question_end {
        QUESTION_ANSWERED = 1,
        QUESTION_TIMED_OUT,
        QUESTION_WITHDRAWN, /* its flows are gone, or the extension is */
};

const char *question_end_to_string(enum question_end end);

/* What somebody says. */
struct question_answer {
        bool allow;
        enum wire_lifetime lifetime;
        uint8_t scope;
        pid_t pid; /* whose answer it is */
        uid_t uid;
};

struct questions_listener {
        void (*asked)(const struct question *question, void *userdata);
        /* answer: NULL unless it was answered. */
        void (*over)(const struct question *question, enum question_end end,
                     const struct question_answer *answer, void *userdata);
        /* The answers that are kept for a session are others. */
        void (*kept_changed)(const char *session, void *userdata);
};

struct questions_counters {
        uint64_t asked, answered, unanswered, nobody_attached, over_quota;
};

struct questions {
        struct list open; /* question.link, oldest first */
        uint64_t last_number;
        struct kept kept;
        unsigned int n_attached; /* prompts: 0: there is nobody to ask */
        struct questions_counters counters;
        const struct questions_listener *listener; /* borrowed */
        void *userdata;
};

struct question {
        struct list link; /* questions.open */
        uint64_t number;
        struct extension *extension; /* who put it: one of its processes, … */
        uint32_t run;
        uint64_t their_number; /* … and what it calls it */
        char *session;
        char *parent;      /* the program that started the one it is about, or NULL */
        uint64_t asked_ns; /* CLOCK_REALTIME */
        struct letter *asked;
};

void questions_init(struct questions *questions, const struct questions_listener *listener,
                    void *userdata);
void questions_deinit(struct questions *questions);

/* MANAGER_QUESTION and MANAGER_QUESTION_OVER of a process of the session's extension. */
void questions_put(struct questions *questions, const struct session *session, uint32_t run,
                   const struct wire_message *message);
void questions_end(struct questions *questions, const struct extension *extension, uint32_t run,
                   const struct wire_message *message);
/* The process is gone, or what it said on its control channel. */
void questions_end_run(struct questions *questions, const struct extension *extension,
                       uint32_t run);

/* Somebody can be asked, or not any more. */
void questions_attach(struct questions *questions);
void questions_detach(struct questions *questions);
/* 0; -EALREADY: it is over; -ENOENT: there was none; or kept_add()'s, with a sentence. What is kept
 * answers other open questions, too. */
int questions_answer(struct questions *questions, uint64_t number,
                     const struct question_answer *answer, char **ret_problem);
/* 0, or -ENOENT with a sentence. */
int questions_forget(struct questions *questions, uint64_t number, char **ret_problem);
/* How many the session has open. */
size_t questions_count(const struct questions *questions, const char *session);
