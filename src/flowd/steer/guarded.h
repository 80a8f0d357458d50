/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* How many packets the guard chains have given the fail policy since the table was made: nobody
 * listened to the queue, or it was full. 0 where there is no table. 0 or a negative errno. */
int guarded_count(const char *table, uint64_t *ret_packets);
