/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Live flows that get another verdict: nx_filter_update_flow(). */

#include "sdk/session.h"

/* PROVIDER_FLOW_UPDATED. */
int update_handle_done(struct session *session, const struct wire_message *message);
/* No answer will come any more. */
void update_cancel_all(struct session *session);
