/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A copy: one staged bundle, of an identifier and a digest, below the state directory. It was
 * verified there, by a worker, and is verified again before it runs.
 */

#include <jansson.h>
#include <stdint.h>

#include "base/list.h"
#include "bundle/answer.h"
#include "manager/store/grant.h"

/* What systemextensionsctl calls them; written down with underscores, shown with blanks. */
enum copy_state {
        COPY_VALIDATING,       /* staged, and being looked at */
        COPY_WAITING_FOR_USER, /* to be approved */
        COPY_ENABLING,         /* its process is being started, or takes over */
        COPY_ENABLED,
        COPY_DISABLING,
        COPY_DISABLED,           /* by an administrator, or by policy */
        COPY_WAITING_TO_UPGRADE, /* behind one that is being enabled or removed, or to be answered
                                  */
        COPY_TERMINATING_FOR_UPGRADE,
        COPY_TERMINATING_FOR_UNINSTALL,
        COPY_UNINSTALLING,
        _COPY_STATE_MAX,
        _COPY_STATE_INVALID = -22,
};

struct copy {
        struct list link; /* life.leaving */
        struct bundle bundle;
        enum copy_state state;
        uint64_t request;   /* that brought it here */
        uint64_t staged_ns; /* CLOCK_REALTIME */
        bool developer;     /* its signer is unknown, and developer mode let it in */
        bool switched_off;  /* by an administrator */
        bool fresh;         /* it was verified a moment ago */
        bool damaged;       /* it was not what was staged, when it was looked at last */
        struct grant grant; /* who has it run */
        char *recovered;    /* what was lost, so that it has to be approved again; NULL: nothing */
        char *problem;      /* why it does not do what its state says; NULL: it does */
        char *last_failure; /* why the last version that was to replace it did not; NULL: it did */
};

/* Takes the bundle over. NULL: no memory. */
struct copy *copy_new(struct bundle *bundle, uint64_t request);
/* NULL in, NULL out. What is on disk stays. */
struct copy *copy_free(struct copy *copy);
DEFINE_CLEANUP(struct copy *, copy, copy_free)

/* "activated_waiting_for_user" */
const char *copy_state_to_string(enum copy_state state);
int copy_state_from_string(const char *word);

/* "extensions/IDENTIFIER/DIGEST" below the store. Caller owns. */
char *copy_get_folder(const struct copy *copy);
/* The manifest and the report of a newer look at the same copy. Takes bundle over. */
void copy_set_bundle(struct copy *copy, struct bundle *bundle);

/* The report of a look that it did not pass. Takes report over. */
void copy_set_report(struct copy *copy, struct bundle_report *report);
/* Copies problem, which may be NULL. */
void copy_set_problem(struct copy *copy, const char *problem);

/* What a policy is asked about; borrows from copy. */
struct policy_subject copy_to_subject(const struct copy *copy);

/* What a later netextd has to know of it before it has looked at it itself. */
json_t *copy_pack(const struct copy *copy);
/* -EBADMSG: this is none. */
int copy_unpack(const json_t *object, struct copy **ret_copy);

/* Can it be the name of a folder below the store? */
bool copy_is_name(const char *text);
