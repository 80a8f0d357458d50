/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The control channel: how netextd and an extension talk about everything but flows. */

#include <netext/netext.h>

#include "base/loop.h"
#include "sdk/peer.h"

struct nx_provider;

struct control {
        struct nx_provider *provider; /* the one that embeds this */
        struct peer manager;
        char *socket_path; /* where a restarted netextd listens, or NULL */
        struct loop_timer retry;
        unsigned int n_retries_left; /* 0 unless a restarted netextd is waited for */
        bool stays;                  /* there is more to come back for than running sessions */
};

#define CONTROL_NULL { .manager = PEER_NULL }

/* Takes fd over, also on failure, and says hello. */
int control_init(struct control *control, struct nx_provider *provider, int fd);
void control_deinit(struct control *control);

/* A netextd is there, or one may still come. */
bool control_is_alive(const struct control *control);
/* A message without attributes; lost while netextd is away. */
void control_tell(struct control *control, enum wire_message_type type);
/* session: who it is about, or NULL. text is one line. Lost while netextd is away. */
void control_report(struct control *control, enum nx_level level, const char *session,
                    const char *text);
