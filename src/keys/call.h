/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One call of netextd, done and answered. */

#include "wire/channel.h"

/* fd: what NX_MSG_KEYS_DEPOSIT brings; stays the caller's. 0, or negative errno of the channel. */
int call_answer(struct channel *channel, int vault_fd, const struct wire_message *message, int fd);
