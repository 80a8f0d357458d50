/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A uid that nobody else on the machine has, for each daemon and extension. */

#include <sys/types.h>

/*
 * Two instances that choose at the same time must not choose the same: hold the returned
 * descriptor from here until the process that gets the uid has it. Negative errno.
 */
int user_lock(void);
/* The first free one of systemd's range for dynamic users after a hash of the names.
 * -EAGAIN: all are taken. */
int user_choose(const char *instance, const char *name, uid_t *ret_uid);
