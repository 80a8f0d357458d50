/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All that there is of one identifier: the copy that is active, and those before and behind it. */

#include "manager/loop/tree-watch.h"
#include "manager/store/check.h"
#include "manager/store/store.h"

struct life {
        struct list link; /* store.lives */
        struct store *store;
        char *identifier;
        struct copy *active;     /* enabled, disabled, or on the way there or away; may be NULL */
        struct copy *coming;     /* of a request: to be answered, to be approved, being enabled */
        struct copy *next;       /* of a later request, while the one before is carried out */
        struct list leaving;     /* copy.link: of earlier versions, whose processes still run */
        struct request *removal; /* being carried out, or waiting for its turn */
        bool replaces;           /* it was said that coming takes the place of active */
        uint64_t newest;         /* request that came this far */

        struct copy *enabled;      /* what check looks at: coming or active */
        struct check check;        /* before a copy is enabled */
        struct check vouch;        /* before the active one is started again, and when it changed */
        unsigned int n_retries;    /* of looks at an active copy that is damaged */
        sd_event_source *retry;    /* for the next one */
        struct tree_watch folders; /* of the active one, while it is enabled */
        bool has_changed;          /* something in them, since it was looked at */
        sd_event_source *settle;   /* then it is looked at */
        sd_event_source *reply;    /* for who was asked whether to replace, and does not say */
};

/* NULL: no memory. */
struct life *life_new(struct store *store, const char *identifier);
/* NULL in, NULL out. */
struct life *life_free(struct life *life);

/* A bundle that was verified has come, with its request. It lies in the staging's folder, from
 * where it is taken where it is let in. */
void life_arrive(struct life *life, struct copy *copy, struct staging *staging);
/* The answer for coming, which waits for it. */
void life_reply(struct life *life, bool replace);
/* Nobody is there to give it. */
void life_abandon(struct life *life);
/* Deactivates. */
void life_remove(struct life *life, struct request *request);
/* Policy, approvals or developer mode have changed: what follows for it. */
void life_reconcile(struct life *life);
/* An administrator says no to coming, which waits for approval. */
void life_refuse(struct life *life, const struct actor *by);
/* After a restart of netextd: what it left, copy by copy, and then what follows from that. */
void life_take_up(struct life *life, struct copy *copy);
void life_resume(struct life *life);
/* Looks at the active copy, which is about to be started again, and tells runner->vouched(). */
void life_vouch(struct life *life);
void life_settled(struct life *life, int result, const char *message);
void life_gone(struct life *life);

/* Is a process of it made of copy? */
bool life_is_used(const struct life *life, const struct copy *copy);
/* One of its processes has ended: former copies that none is made of go. */
void life_drop_unused(struct life *life);

/* Does a copy of an extension of that team name that group? group NULL: any. */
bool life_names_group(const struct store *store, const char *team, const char *group);

/* The copy that waits for approval, or NULL. */
struct copy *life_get_waiting(const struct life *life);
/* Is there a copy with that digest? */
bool life_has(const struct store *store, const char *identifier, const char *digest);
/* The newest: what to show where one is asked for. NULL: there is none, and the life is an empty
 * one. */
struct copy *life_get_copy(const struct life *life);

/* For the files of this folder. */

bool life_is_busy(const struct life *life);
struct request *life_request_of(const struct life *life, const struct copy *copy);
void life_set_status(struct life *life, const struct copy *copy, enum request_status status);
void life_fail(struct life *life, const struct copy *copy, enum nx_request_error code,
               const char *message);
/* Does another copy lie in the same folder? */
bool life_shares(const struct life *life, const struct copy *copy);
/* From memory, and from disk where no other copy shares its folder. */
void life_drop(struct life *life, struct copy *copy);
/* Fails the request of *copy, which may be NULL, for one that came after it, and drops it. */
void life_supersede(struct life *life, struct copy **copy, uint64_t by);
/* Takes what came while life was busy, or looks whether the active copy does what it should. */
void life_next(struct life *life);
enum policy_answer life_ask_policy(const struct life *life, const struct copy *copy,
                                   char **ret_why);
/* Who has it run? True: that has changed, and is to be written down. */
bool life_note_grant(const struct life *life, struct copy *copy);
/* A copy that is in its folder comes now, or is what is active already. */
void life_admit(struct life *life, struct copy *copy);
/* Is coming let in? */
void life_judge(struct life *life);
void life_enable(struct life *life, struct copy *copy);
/* There is no copy of it any more: nothing of it stays, on disk or approved. */
void life_forget(struct life *life);
/* From here on the active copy is looked at when something in its folders changes. Again: they may
 * be others. */
void life_watch(struct life *life);
/* From here on it is not, and a look that was begun comes to nothing. */
void life_unwatch(struct life *life);
/* Keeps copy as long as a process is made of it. */
void life_leave(struct life *life, struct copy *copy, enum copy_state state);
