/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All extensions of the instance, and the socket where their processes come back. */

#include <errno.h>
#include <systemd/sd-event.h>

#include "base/list.h"
#include "manager/paths.h"

struct extension;

struct extension_table {
        sd_event *event;
        const char *instance; /* borrowed, like the next */
        const struct paths *paths;
        int cgroup_fd; /* the folder above the extensions' cgroups */
        int lobby_fd;  /* the `extension` socket */
        sd_event_source *lobby;
        struct list extensions; /* extension.link */
        struct list watches;    /* extension_watch.link */
};
