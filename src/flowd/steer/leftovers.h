/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * UDP flows that are in the kernel's sets for longer than we may know them: what an earlier flowd
 * left, and what was ended. Those that were left (steer/passed.h) go on as they were
 * decided, and we have no record of them: what ends one is that its program closes its socket, of
 * which the hooks tell, also of what happened while there was no flowd. (Whoever got its port in
 * that time met its way: only a flowd can change the sets.) One that a proxy has ends also when
 * nothing passes: we do not know which proxy's it was, so it may be idle for as long as any of them
 * waits.
 */

#include "base/endpoint.h"
#include "base/htable.h"
#include "base/list.h"
#include "base/wheel.h"

struct passed;

/* How long a claimed flow may be idle; 0: for ever, or it is not known yet. */
typedef uint64_t leftovers_patience_fn(void *userdata);

struct leftovers {
        const struct passed *passed; /* borrowed; NULL while it is closed */
        struct list all;
        struct htable by_port;
        struct wheel idle;                      /* leftover.idle_timer */
        leftovers_patience_fn *get_patience_ns; /* NULL: nobody looks */
        void *userdata;
};

/* Reads what is there. 0 or a negative errno. */
int leftovers_open(struct leftovers *leftovers, const struct passed *passed);
/* From now on it is looked for those that are idle. loop is borrowed. */
void leftovers_watch(struct leftovers *leftovers, struct loop *loop,
                     leftovers_patience_fn *get_patience_ns, void *userdata);
/* Fine on one that is zero. */
void leftovers_close(struct leftovers *leftovers);
/* One that was ended: whoever gets its port next shall not inherit that. */
void leftovers_add(struct leftovers *leftovers, const struct endpoint *local,
                   const struct endpoint *remote);
/* The program's socket is closed: the kernel forgets its flows. */
void leftovers_forget(struct leftovers *leftovers, const struct endpoint *local);
/* Nobody will tell when they end: the kernel forgets all of them now. */
void leftovers_forget_all(struct leftovers *leftovers);
