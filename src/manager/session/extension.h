/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For session.c and table.c: the extension's process and its control channel. */

#include "manager/session/session.h"

/* Starts the process in the session's cgroup. 0, or negative errno with a sentence. */
int extension_spawn(struct session *session, char **ret_problem);
/* Finds the process of an earlier netextd again. -ESRCH: it is gone. */
int extension_adopt(struct session *session, pid_t pid, uint64_t started);
/* A control channel in place of the present one. Takes fd over. */
int extension_attach(struct session *session, int fd);
void extension_close(struct session *session);
/* Opens the session's cgroup, after making it where there is none. */
int extension_open_cgroup(struct session *session);
/* 0, or -EBUSY while killed processes are still leaving. */
int extension_remove_cgroup(struct session *session);

/* Sends all files, or the one. */
void extension_send_files(struct session *session);
void extension_file_changed(struct watched_file *file, const char *problem, void *userdata);
/* Sends the flow channel's other end; fd stays the caller's. */
int extension_send_channel(struct session *session, int fd);
