/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The sockets that programs of the instance have (bpf/older.bpf.h). Who is found to have one is
 * kept on it for packets and visitors, where no hook saw who began.
 */

#include "bpf/steer.abi.h"

struct hooks;

/* Of several processes that have a socket each is told; owner is the oldest of those so far. */
typedef void open_socket_fn(const struct steer_open_socket *socket, void *userdata);

/*
 * Calls fn for each that has another end. Walks the open files of the whole machine: for when a
 * daemon begins, and when somebody asks. 0, -EOPNOTSUPP where the kernel cannot tell, or another
 * negative errno; fn may have been called by then.
 */
int open_sockets_list(struct hooks *hooks, open_socket_fn *fn, void *userdata);
