/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * netext-keys as netextd sees it: started when it is first needed, ended with netextd, and asked
 * on behalf of somebody whom the caller has looked at. netextd itself has no secret: it hands
 * descriptors on.
 */

#include <netext/key.h>

#include "manager/loop/peer.h"
#include "manager/loop/restarts.h"
#include "manager/priv/process.h"
#include "manager/store/store.h"

struct keys {
        sd_event *event;
        const char *program; /* borrowed, like the next two */
        const char *instance;
        struct store *store;
        struct process process;
        struct peer peer;
        struct restarts restarts;
        sd_event_source *deadline; /* of the oldest call */
        struct list calls;         /* keys_call.link, oldest first */
        uint64_t last_number;
        uid_t uid;
        bool is_late; /* it was killed for that */
};

struct keys_question {
        enum wire_key_operation operation;
        const char *extension; /* TEAM.identifier; NULL: of all, where that is a list */
        const char *name;
        const struct wire_message *with; /* SCHEME, KEY_TYPE and DATA of it; may be NULL */
        enum nx_key_type type;           /* 0: as above */
        int deposit_fd;                  /* stays the caller's; -1 for none */
};

/* Of a list. */
typedef void keys_item_fn(const struct wire_message *item, void *userdata);
/* answer: MANAGER_KEYS_DONE, or MANAGER_KEYS_VALUE with its fd, which stays netextd's; NULL: there
 * is none, result and why say why not. */
typedef void keys_done_fn(int result, const char *why, const struct wire_message *answer, int fd,
                          void *userdata);

/* Borrows everything. Nothing is started. */
void keys_init(struct keys *keys, sd_event *event, const char *program, const char *instance,
               struct store *store);
/* Ends it; calls end with -ECANCELED. */
void keys_deinit(struct keys *keys);

/* 0, and done_fn is called once, later; or negative errno with a sentence, and it is not: -EINVAL
 * the name is none. */
int keys_ask(struct keys *keys, const struct keys_question *question, keys_item_fn *item_fn,
             keys_done_fn *done_fn, void *userdata, char **ret_problem);
