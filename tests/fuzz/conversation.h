/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "relay/handshake/handshake.h"

/*
 * Aborts unless this holds of the handshake with an upstream that says data: portions make no
 * difference, each look takes something, and what fails says why. The first byte says whether
 * there are credentials.
 */
void conversation_check(enum upstream_kind kind, const uint8_t *data, size_t size);
