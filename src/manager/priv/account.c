/* SPDX-License-Identifier: Apache-2.0 */

/* The calls of libc that ask whatever /etc/nsswitch.conf names. */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/priv/account.h"

#define USER_ROOM  16384
#define GROUP_ROOM 65536 /* all its members */
#define GROUPS_MAX 256

bool account_find_user(const char *name, uid_t *ret)
{
        char room[USER_ROOM];
        struct passwd entry, *found = NULL;

        if (getpwnam_r(name, &entry, room, sizeof(room), &found) != 0 || !found)
                return false;
        *ret = found->pw_uid;
        return true;
}

bool account_find_group(const char *name, gid_t *ret)
{
        char room[GROUP_ROOM];
        struct group entry, *found = NULL;

        if (getgrnam_r(name, &entry, room, sizeof(room), &found) != 0 || !found)
                return false;
        *ret = found->gr_gid;
        return true;
}

char *account_name_user(uid_t uid)
{
        char room[USER_ROOM];
        struct passwd entry, *found = NULL;

        if (getpwuid_r(uid, &entry, room, sizeof(room), &found) != 0 || !found)
                return NULL;
        return strdup(found->pw_name);
}

void account_person_deinit(struct account_person *person)
{
        free(person->name);
        free(person->home);
        free(person->groups);
        *person = (struct account_person){};
}

int account_find_person(uid_t uid, struct account_person *ret)
{
        _cleanup_(account_person_deinit) struct account_person person = { .uid = uid };
        char room[USER_ROOM];
        struct passwd entry, *found = NULL;
        int r;

        r = -getpwuid_r(uid, &entry, room, sizeof(room), &found);
        if (r < 0 || !found)
                return r < 0 ? r : -ENOENT;
        person.gid = found->pw_gid;
        person.name = strdup(found->pw_name);
        person.home = strdup(found->pw_dir);
        person.n_groups = GROUPS_MAX;
        person.groups = calloc(GROUPS_MAX, sizeof(*person.groups));
        if (!person.name || !person.home || !person.groups)
                return -ENOMEM;
        if (getgrouplist(person.name, person.gid, person.groups, &person.n_groups) < 0)
                return -E2BIG;
        *ret = person;
        person = (struct account_person){};
        return 0;
}
