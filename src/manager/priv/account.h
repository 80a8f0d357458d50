/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Users and groups as this machine knows them: from files, or from a server that may not answer.
 * So all of this is for threads (loop/aside.h), and never for the loop.
 */

#include <stdbool.h>
#include <sys/types.h>

/* False: there is none of that name. */
bool account_find_user(const char *name, uid_t *ret);
bool account_find_group(const char *name, gid_t *ret);
/* Caller owns; NULL: it has none. */
char *account_name_user(uid_t uid);

/* What a program of somebody's starts with. */
struct account_person {
        uid_t uid;
        gid_t gid;
        char *name, *home;
        gid_t *groups;
        int n_groups;
};

/* 0; -ENOENT: there is no such user; or negative errno. */
int account_find_person(uid_t uid, struct account_person *ret);
void account_person_deinit(struct account_person *person);
