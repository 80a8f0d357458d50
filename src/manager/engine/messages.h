/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For engine.c: what flowd says, and what it is told besides sessions. */

#include "manager/engine/engine.h"

/* A channel_message_fn; userdata: struct engine. */
int engine_message(const struct wire_message *message, int *fd, void *userdata);
/* In engine.c: flowd said that it is ready. */
void engine_is_ready(struct engine *engine, bool adopted);

int engine_send_quit(struct engine *engine);
int engine_send_watch(struct engine *engine);
