/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The folder that the policy's files are in, followed while it changes. */

#include <systemd/sd-event.h>

#include "manager/loop/folder-watch.h"
#include "manager/policy/policy.h"

typedef void policy_changed_fn(void *userdata);

struct policy_folder {
        struct policy policy;
        sd_event *event;
        const char *path; /* borrowed, as is the next */
        const char *state_directory;
        struct folder_watch watch;
        sd_event_source *reload; /* soon */
        policy_changed_fn *changed_fn;
        void *userdata;
};

/* Empty, until it is opened. */
void policy_folder_init(struct policy_folder *folder);
/* Reads what is there, without calling changed_fn, and watches. What is in force is kept below the
 * state directory, where there is one. Stays at its address. */
void policy_folder_open(struct policy_folder *folder, sd_event *event, const char *path,
                        const char *state_directory, policy_changed_fn *changed_fn, void *userdata);
/* There may be a state directory now. */
void policy_folder_keep(struct policy_folder *folder);
void policy_folder_deinit(struct policy_folder *folder);
