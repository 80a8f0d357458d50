/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A uid that nobody else on the machine has, for each daemon and extension; and a gid like that for
 * each folder that extensions share. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Two instances that choose at the same time must not choose the same: hold the returned
 * descriptor from here until the process that gets the uid has it. Negative errno.
 */
int user_lock(void);
/* The first free one of systemd's range for dynamic users after a hash of the names, as uid or as
 * gid, and none of others, which nobody has yet. -EAGAIN: all are taken. */
int user_choose(const char *instance, const char *name, const id_t *others, size_t n_others,
                id_t *ret_id);
/* Is that one of the process's supplementary groups? */
bool user_is_in(pid_t pid, gid_t gid);
