/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Tells when the machine's settings change, and what they are. */

#include "base/loop.h"
#include "sdk/system.h"

/* Soon after the start with all settings, later with those that changed: 1U << enum
 * nx_system_setting. */
typedef void system_changed_fn(const struct nx_system *system, uint32_t changed, void *userdata);

#define SYSTEM_FOLDERS 3

struct system_watch {
        struct loop *loop;
        const char *root;
        system_changed_fn *fn;
        void *userdata;
        struct nx_system system;
        bool is_known;
        int files_fd; /* inotify */
        int hostname_fd;
        struct loop_io files, hostname;
        int folders[SYSTEM_FOLDERS]; /* what is watched of them, or -1 */
        struct loop_timer look;
};

/* Stays at its address. root: as in system_read(), borrowed. */
void system_watch_start(struct system_watch *watch, struct loop *loop, const char *root,
                        system_changed_fn *fn, void *userdata);
/* Fine on one that is zero. */
void system_watch_stop(struct system_watch *watch);
