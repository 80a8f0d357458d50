/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct intake;

/* Ends the open flows that began by before_ns and whose socket is gone, as if the events that were
 * lost had said so. 0 or a negative errno. */
int lost_find_ends(struct intake *intake, uint64_t before_ns);
