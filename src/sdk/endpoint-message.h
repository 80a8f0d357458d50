/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A message that outlives the packet it came in. */

#include <netext/endpoint.h>

/* A copy that nx_message_free() frees, with the descriptors, which are taken from message. NULL:
 * no memory. */
struct nx_message *message_keep(struct nx_message *message);
