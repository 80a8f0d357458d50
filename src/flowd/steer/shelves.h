/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is said to the kernel about each claimed flow, see struct steer_shelf. */

#include <stdint.h>

#include "bpf/steer.abi.h"

/* 0, or a negative errno. */
int shelves_open(struct steer_shelf **ret_shelves, int map_fd);
/* NULL in, NULL out. The kernel keeps what is in them. */
struct steer_shelf *shelves_close(struct steer_shelf *shelves);

/* Instead of an earlier grant to the same extension about the same flow; or of the shelf's oldest. */
void shelves_grant(struct steer_shelf *shelves, const struct steer_granted *granted);
/* cookie: the socket's; of eight on a shelf one is forgotten that was not taken. */
void shelves_deliver(struct steer_shelf *shelves, uint64_t cookie);
