/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Reports of flows, for filters that want them. */

#include "sdk/session.h"

/* PROVIDER_FLOW_REPORT. */
int report_handle(struct session *session, const struct wire_message *message);
