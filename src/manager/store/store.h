/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The extensions that are installed: their staged copies, what was asked for and what was
 * approved. store.c answers those who ask, life.c is the life of one identifier, activation.c the
 * way of a bundle into the store, database.c what is on disk.
 */

#include "manager/policy/policy.h"
#include "manager/store/approval.h"
#include "manager/store/copy.h"
#include "manager/store/request.h"
#include "manager/store/staging.h"

/* The extensions' secrets and keys, in a folder that is root's alone; see keys/keys.c. */
#define STORE_KEYS  "keys"
#define STORE_VAULT STORE_KEYS "/vault"

struct life;
struct store;

/* Who runs extensions. */
struct store_runner {
        /* Has the copy's program run, in place of another of its identifier: store_settled()
         * follows. -EALREADY: it runs like that, and nothing follows. */
        int (*put)(const struct copy *copy, const char *folder, char **ret_problem, void *userdata);
        /* Ends it: store_gone() follows. -ENOENT: there is none, and nothing follows. */
        int (*remove)(const char *identifier, void *userdata);
        /* Does a process run that is made of that copy? Where one ends, store_process_gone()
         * follows. */
        bool (*uses)(const char *identifier, const char *digest, void *userdata);
        /* The answer to store_vouch(). problem: why it must not be started; NULL: nothing. */
        void (*vouched)(const char *identifier, const char *problem, void *userdata);
};

struct store_listener {
        /* A request has come further. */
        void (*request)(struct request *request, void *userdata);
        /* Which copies are enabled, or how they look on disk. */
        void (*changed)(void *userdata);
        /* Is anybody there who can say replace or cancel? */
        bool (*has_audience)(uint64_t request, void *userdata);
};

struct store {
        struct store_place place;
        const char *folder; /* the state directory; borrowed, like the next three */
        const struct policy *policy;
        const struct store_runner *runner;
        const struct store_listener *listener;
        void *userdata;        /* of both */
        bool ending;           /* nothing is begun any more, and nothing that ends is news */
        bool developer;        /* signers whom no root vouches for are let in */
        uint64_t developer_ns; /* CLOCK_REALTIME: when that was said last; 0: never */
        struct actor developer_by;
        struct list lives;       /* life.link */
        struct list approvals;   /* approval.link */
        struct list activations; /* activation.link: on their way into the store */
        struct list refusals;    /* refusal.link: what was not let in lately */
        struct list recoveries;  /* recovery.link: to be looked at, after a damage */
        struct request_log requests;
};

/* Nothing is read or made yet. */
void store_init(struct store *store);
/*
 * Borrows all it is given; place.store_fd is opened here. 0, or negative errno after a log line. A
 * state directory that is not there is made when it is needed.
 */
int store_open(struct store *store, const struct store_place *place, const char *folder,
               const struct policy *policy, const struct store_runner *runner,
               const struct store_listener *listener, void *userdata);
/* Takes up what an earlier netextd left: what was enabled is started again, and requests that were
 * under way go on or have failed. 0 or negative errno. */
int store_take_up(struct store *store);
void store_deinit(struct store *store);

/* Takes source_fd over on success. source: what the client calls it. 0, or negative errno with a
 * sentence. */
int store_activate(struct store *store, int source_fd, const char *source,
                   enum request_replace replace, uint64_t *ret_request, char **ret_problem);
/* word: IDENTIFIER, TEAM.IDENTIFIER, or the number of a request about it, as in the following.
 * -ENOENT: there is none. */
int store_deactivate(struct store *store, const char *word, uint64_t *ret_request,
                     char **ret_problem);
/* As policy_permit(); -ENOENT: there is none. */
int store_permit_removal(const struct store *store, const char *word, enum policy_caller caller);
/* A request that nobody with the authority for it made: it fails, with this reason. word: what it
 * would have been about. 0, or negative errno, and it is not kept. */
int store_deny(struct store *store, enum request_kind kind, const char *word, const char *why,
               uint64_t *ret_request);
/* The answer to a request that needs a reply. -ENOENT; -EALREADY: it does not, or not any more. */
int store_reply(struct store *store, uint64_t request, bool replace, char **ret_problem);
/* Who could have replied is gone. */
void store_audience_left(struct store *store, uint64_t request);

/* by: who decides, in the following. -ENOENT: nothing waits; -EPERM: by policy. */
int store_approve(struct store *store, const char *word, const struct actor *by,
                  char **ret_problem);
int store_refuse(struct store *store, const char *word, const struct actor *by, char **ret_problem);
/* Off and on again, by an administrator. */
int store_switch(struct store *store, const char *word, bool on, char **ret_problem);
int store_set_developer(struct store *store, bool developer, const struct actor *by,
                        char **ret_problem);
/* Deactivates every extension. -EPERM: a policy keeps one. */
int store_reset(struct store *store, unsigned int *ret_n, char **ret_problem);
/* Removes what lies in the state directory and belongs to nothing. */
int store_collect(struct store *store, unsigned int *ret_n, char **ret_problem);

/* The instance ends: what is under way is taken up by the next one. */
void store_end(struct store *store);
/* Calls fn for each copy whose programs are what was approved: those that are enabled, and earlier
 * versions as long as they are used. folder: below the store. */
typedef void store_copy_fn(const struct copy *copy, const char *folder, void *userdata);
void store_for_each_enabled(const struct store *store, store_copy_fn *fn, void *userdata);
/* The policy's files say something else. */
void store_policy_changed(struct store *store);
/* What became of runner->put(): 0, or negative errno with a sentence. */
void store_settled(struct store *store, const char *identifier, int result, const char *message);
/* What runner->remove() ended is no more. */
void store_gone(struct store *store, const char *identifier);

/* One of its processes is no more. */
void store_process_gone(struct store *store, const char *identifier);

/* It is about to be started again: is its copy still what was staged? runner->vouched() follows. */
void store_vouch(struct store *store, const char *identifier);

/* The copy that the next process is to be made of; NULL: none is to be made. */
const struct copy *store_find_runnable(const struct store *store, const char *identifier);

/* The folder below the state directory that is the extension's own. Caller owns *ret_path. 0, or
 * negative errno with a sentence. */
int store_make_data_folder(const struct store *store, const char *identifier, char **ret_path,
                           char **ret_problem);
/* The same of what a session of that name is, which the user started. */
int store_make_session_folder(const struct store *store, const char *identifier, uid_t user,
                              const char *session, char **ret_path, char **ret_problem);

/* A folder for each group of the manifest, in that of its team: *ret_path, which the caller owns;
 * NULL: it names none. The groups' gids stay. 0, or negative errno with a sentence. */
int store_make_group_folders(const struct store *store, const struct manifest *manifest,
                             char **ret_path, char **ret_problem);

/* NULL: there is none. */
struct life *store_find(const struct store *store, const char *word);
/* The program of the copy that is enabled. Caller owns *ret_path. -ENOENT: there is none; -ESRCH:
 * it is not enabled, with a sentence. */
int store_find_executable(const struct store *store, const char *word, char **ret_path,
                          char **ret_problem);
/* The session's extension may not be stopped: -EPERM with a sentence; 0. */
int store_permit_stop(const struct store *store, const char *identifier, char **ret_why);

/* A bundle that was not let in, and why. */
struct refusal {
        struct list link; /* store.refusals, newest last */
        uint64_t request; /* 0: none; it was found damaged at a start */
        char *identifier; /* NULL: that was not found out */
        struct bundle_report report;
};
const struct refusal *store_find_refusal(const struct store *store, const char *word);

/* For the files of this folder. */

/* Makes the state directory, if it is not there yet. 0, or negative errno with a sentence. */
int store_make(struct store *store, char **ret_problem);
void store_save(struct store *store);
/* Something that is not written down: how a copy looks on disk. */
void store_changed(struct store *store);
/* Keeps the report, whose bundle is left without it. identifier: may be NULL. */
void store_keep_report(struct store *store, uint64_t request, const char *identifier,
                       struct bundle *bundle);
