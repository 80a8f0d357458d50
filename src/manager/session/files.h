/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A file of a session's configuration, followed while it changes. */

#include <systemd/sd-event.h>

#include "manager/loop/folder-watch.h"
#include "manager/session/configuration.h"

struct watched_file;

/* The file has new content. problem: NULL, or why it cannot be read now. */
typedef void watched_file_changed_fn(struct watched_file *file, const char *problem,
                                     void *userdata);

struct watched_file {
        const struct configured_file *configured; /* borrowed */
        sd_event *event;
        int fd; /* what was last read: stays when the file goes; -1: never there yet */
        struct folder_watch folder; /* that the file is in */
        sd_event_source *retry;     /* while the rest of the file is not there */
        watched_file_changed_fn *changed_fn;
        void *userdata;
};

/* Opens and watches; a file that is not there comes through changed_fn when it is. Stays at its
 * address until watched_file_deinit(). */
int watched_file_init(struct watched_file *file, sd_event *event,
                      const struct configured_file *configured, watched_file_changed_fn *changed_fn,
                      void *userdata);
void watched_file_deinit(struct watched_file *file);
/* A descriptor of its own, at offset 0; caller owns. Negative errno. */
int watched_file_get_fd(const struct watched_file *file);
