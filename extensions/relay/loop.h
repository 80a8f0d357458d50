/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netext/extension.h>

#include "relay/relay.h"

/* Before the provider is made: from its hello on, the daemon may send SIGTERM. */
int loop_hold_signals(void);
/* Serves until the daemon is done with us or SIGTERM comes: 0, or a negative errno. */
int loop_run(struct relay *relay, struct nx_provider *provider);
