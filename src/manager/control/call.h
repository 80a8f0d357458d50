/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Calls that are answered when a session, or its extension, has got where they want it. */

#include "manager/control/control.h"

enum call_kind {
        CALL_START,   /* until it runs or failed */
        CALL_STOP,    /* until it is gone */
        CALL_RESTART, /* until another process has taken over, or nothing has changed */
};

/* Keeps message. 0; -EBUSY: too many wait. */
int call_add(struct control *control, sd_bus_message *message, struct session *session,
             enum call_kind kind);
/* Forgets all: their callers see the connection end. */
void calls_free(struct control *control);
