/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The folder that the policy's files are in, followed while it changes. */

#include <systemd/sd-event.h>

#include "manager/policy/policy.h"

typedef void policy_changed_fn(void *userdata);

struct policy_folder {
        struct policy policy;
        sd_event *event;
        const char *path;        /* borrowed */
        sd_event_source *watch;  /* inotify on the folder; NULL: it is not there */
        sd_event_source *reload; /* soon, or again where it is not there */
        policy_changed_fn *changed_fn;
        void *userdata;
};

/* Empty, until it is opened. */
void policy_folder_init(struct policy_folder *folder);
/* Reads what is there, without calling changed_fn, and watches. Stays at its address. */
void policy_folder_open(struct policy_folder *folder, sd_event *event, const char *path,
                        policy_changed_fn *changed_fn, void *userdata);
void policy_folder_deinit(struct policy_folder *folder);
