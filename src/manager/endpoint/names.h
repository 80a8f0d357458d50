/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The users and groups that a declaration names, looked for beside the loop. */

#include "manager/endpoint/declaration.h"
#include "manager/loop/aside.h"

struct names;

/* One more is known, or is not waited for any more. */
typedef void names_changed_fn(void *userdata);

struct names {
        struct endpoint_declaration *declaration; /* borrowed */
        names_changed_fn *changed_fn;
        void *userdata;
        unsigned int n_looked_for; /* now */
        struct name {
                struct names *names;
                struct aside *aside;    /* NULL: it is not being looked for */
                uint64_t not_before_ms; /* it was not answered in time, and is left alone */
        } names[MANIFEST_PEERS_MAX];    /* one for each peer of the declaration */
};

/* Stays at its address, as declaration does. */
void names_init(struct names *names, struct endpoint_declaration *declaration,
                names_changed_fn *changed_fn, void *userdata);
/* Looks for those that are not known; changed_fn follows for each. -EBUSY: too many are looked for,
 * and some of these are not. */
int names_look(struct names *names, sd_event *event);
/* Nothing follows any more. */
void names_forget(struct names *names);
