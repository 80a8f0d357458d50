/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who made each of the last sockets, as the hooks have written it into memory that is mapped. */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/steer.abi.h"

/* 0 or a negative errno. */
int creators_open(const struct steer_creator **ret_creators, int map_fd);
/* NULL in, NULL out. */
const struct steer_creator *creators_close(const struct steer_creator *creators);

/* False: no hook saw who made the socket of that cookie, or so many were made since. */
bool creators_find(const struct steer_creator *creators, uint64_t cookie,
                   struct steer_process_key *ret_process);
