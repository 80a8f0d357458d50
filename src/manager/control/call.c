/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A waiting call holds a reference on its message and with it on its connection: when
 * the caller has left, the answer goes nowhere and the session is not affected.
 */

#include <errno.h>
#include <string.h>

#include "manager/control/call.h"

#define CALLS_MAX (2 * SESSIONS_MAX) /* each may be started by one and stopped by another */

struct call {
        struct list link; /* control.calls */
        struct control *control;
        sd_bus_message *message;
        struct session *session; /* borrowed: it answers us before it goes */
        enum call_kind kind;
};

static void call_free(struct call *call)
{
        list_remove(&call->link);
        call->control->n_calls--;
        sd_bus_message_unref(call->message);
        free(call);
}

int call_add(struct control *control, sd_bus_message *message, struct session *session,
             enum call_kind kind)
{
        struct call *call;

        if (control->n_calls >= CALLS_MAX)
                return -EBUSY;
        call = malloc(sizeof(*call));
        if (!call)
                return -ENOMEM;
        *call = (struct call){
                .control = control,
                .message = sd_bus_message_ref(message),
                .session = session,
                .kind = kind,
        };
        list_append(&control->calls, &call->link);
        control->n_calls++;
        return 0;
}

void calls_free(struct control *control)
{
        struct call *call;

        while ((call = list_first(&control->calls, struct call, link)))
                call_free(call);
}

void control_session_settled(struct control *control, struct session *session, int result)
{
        struct call *call, *following;

        list_for_each_safe (call, following, &control->calls, link) {
                if (call->session != session || call->kind != CALL_START)
                        continue;
                if (result >= 0)
                        (void)sd_bus_reply_method_return(call->message, "");
                else
                        (void)control_refuse(call->message, result, "session %s failed: %s",
                                             session->name, session->message ?: strerror(-result));
                call_free(call);
        }
}

void control_session_gone(struct control *control, struct session *session)
{
        struct call *call, *following;

        list_for_each_safe (call, following, &control->calls, link) {
                if (call->session != session)
                        continue;
                if (call->kind == CALL_STOP)
                        (void)sd_bus_reply_method_return(call->message, "");
                else
                        (void)control_refuse(call->message, -ECANCELED,
                                             "session %s was stopped before it ran", session->name);
                call_free(call);
        }
}

void control_extension_settled(struct control *control, struct extension *extension, int result)
{
        struct call *call, *following;

        list_for_each_safe (call, following, &control->calls, link) {
                if (call->kind != CALL_RESTART || call->session->extension != extension)
                        continue;
                if (result >= 0)
                        (void)sd_bus_reply_method_return(call->message, "");
                else
                        (void)control_refuse(call->message, result, "session %s: %s",
                                             call->session->name,
                                             extension_get_message(extension) ?: strerror(-result));
                call_free(call);
        }
}
