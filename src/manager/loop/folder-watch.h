/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A folder that is watched by inotify, also while it is not there: then the way to it is, as far as
 * there is one. So nobody looks again and again whether it has come. What is mounted over a part of
 * the way is not seen.
 */

#include <stdbool.h>
#include <sys/inotify.h>
#include <systemd/sd-event.h>

/* event: what happened in the folder, IN_CLOSE_WRITE, IN_ATTRIB, or that something came or went;
 * NULL: the folder itself did. */
typedef int folder_watch_fn(const struct inotify_event *event, void *userdata);

struct folder_watch {
        sd_event *event;
        char *path;
        sd_event_source *source; /* on the folder, or on the last part of the way that is there */
        sd_event_source *retry;  /* while the kernel has no watch to give */
        bool is_there;
        folder_watch_fn *fn;
        void *userdata;
};

/* What is in the folder when this returns is not told. Stays at its address. path is absolute. 0 or
 * -ENOMEM. */
int folder_watch_start(struct folder_watch *watch, sd_event *event, const char *path,
                       folder_watch_fn *fn, void *userdata);
/* Fine on one that is zero. */
void folder_watch_stop(struct folder_watch *watch);
