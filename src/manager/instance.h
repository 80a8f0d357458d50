/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One netextd with all that it runs. */

#include "manager/ask/question.h"
#include "manager/bus/bus.h"
#include "manager/control/control.h"
#include "manager/endpoint/table.h"
#include "manager/engine/engine.h"
#include "manager/extension/extension.h"
#include "manager/keys/keys.h"
#include "manager/options.h"
#include "manager/paths.h"
#include "manager/policy/folder.h"
#include "manager/session/table.h"
#include "manager/set/table.h"
#include "manager/store/store.h"

struct instance {
        struct options options;
        struct paths paths;
        sd_event *event;
        sd_event_source *owner;    /* --owner-fd */
        sd_event_source *deadline; /* of the end */
        int lock_fd;               /* who holds it is the instance */
        char *pin_folder;
        uint64_t network;           /* inode of our network namespace … */
        uint64_t network_cookie;    /* … and its number, which no other has */
        bool made_extension_cgroup; /* it is ours to remove */
        bool owns;                  /* from here on, ending means taking everything away */
        bool ready, ending, failed;
        bool keeps; /* what is configured is written down from here on */

        struct engine engine;
        struct extension_table extensions;
        struct extension_watch watch; /* of all */
        struct session_table sessions;
        struct set_table sets;
        char *lasting_sessions; /* what was last written of them; NULL: nothing yet */
        struct policy_folder policies;
        struct store store;
        struct extension_watch installed_watch;
        struct endpoint_table endpoints;
        struct extension_watch endpoints_watch;
        sd_event_source *signers_again; /* flowd was not told all of them */
        struct keys keys;
        struct list key_calls; /* key_call.link: of extensions */
        struct extension_watch key_calls_watch;
        struct questions questions;
        struct extension_watch questions_watch;
        struct control control;
        struct system_bus system_bus;
};

/* Each 0 or negative errno after a log line; -EBUSY from instance_claim(): it runs already. */

/* Options are borrowed for ever. */
int instance_new(struct instance **ret, const struct options *options);
/* The runtime folder and its lock. */
int instance_claim(struct instance *instance);
/* flowd and sessions: those of an earlier netextd, or a new flowd. */
int instance_start(struct instance *instance);
/* Until the instance has ended in order, or could not start. */
int instance_run(struct instance *instance);
/* Takes away what is left. NULL in, NULL out. */
struct instance *instance_free(struct instance *instance);
