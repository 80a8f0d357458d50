/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A folder belongs to a gid that only processes of its sharers have, and keeps it as long as one of
 * them runs: what the file system says is what a restarted netextd knows. When none runs, anybody
 * may be given that number, so the last one leaves the folder to root, and the next one chooses
 * anew.
 */

#include "manager/extension/groups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "manager/extension/parts.h"
#include "manager/priv/give.h"
#include "manager/priv/user.h"

static bool names(const struct extension_spec *spec, const char *group)
{
        for (size_t i = 0; i < EXTENSION_GROUPS_MAX && spec->groups[i]; i++)
                if (strcmp(spec->groups[i], group) == 0)
                        return true;
        return false;
}

static bool is_sharer(const struct run *run, const char *groups_folder, const char *group)
{
        const struct extension_spec *spec = extension_spec_of(run);

        return spec->groups_folder && strcmp(spec->groups_folder, groups_folder) == 0 &&
               names(spec, group);
}

/* Does another process that shares the folder run, and has that gid for it? */
static bool is_in_use(const struct run *run, const char *group, gid_t gid)
{
        const char *groups_folder = extension_spec_of(run)->groups_folder;
        const struct extension *extension;
        const struct run *other;

        list_for_each (extension, &run->extension->table->extensions, link)
                list_for_each (other, &extension->runs, link)
                        if (other != run && is_sharer(other, groups_folder, group) &&
                            user_is_in(other->pid, gid))
                                return true;
        return false;
}

static int give_anew(const struct run *run, const struct groups *groups, const char *folder, int fd,
                     gid_t *ret_gid)
{
        id_t taken[EXTENSION_GROUPS_MAX + 1] = { run->extension->uid };
        int r;

        memcpy(taken + 1, groups->gids, groups->n * sizeof(*taken));
        r = user_choose(run->extension->table->instance, folder, taken, groups->n + 1, ret_gid);
        return r < 0 ? r : give_folder_to_group(fd, *ret_gid);
}

/* Descriptor of the group's folder, or negative errno. */
static int open_folder(const struct run *run, const char *group, char **ret_path, gid_t *ret_gid)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_fd_ int fd = -1;
        struct stat st;

        if (asprintf(&path, "%s/%s", extension_spec_of(run)->groups_folder, group) < 0)
                return -ENOMEM;
        fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        *ret_path = take_ptr(path);
        *ret_gid = st.st_gid;
        return take_fd(&fd);
}

static int take(const struct run *run, const char *group, struct groups *groups)
{
        _cleanup_free_ char *folder = NULL;
        _cleanup_fd_ int fd = -1;
        gid_t gid;
        int r = 0;

        fd = open_folder(run, group, &folder, &gid);
        if (fd < 0)
                return fd;
        if (!is_in_use(run, group, gid))
                r = give_anew(run, groups, folder, fd, &gid);
        if (r < 0)
                return r;
        groups->gids[groups->n] = gid;
        groups->folders[groups->n++] = take_ptr(folder);
        return 0;
}

int groups_take(const struct run *run, struct groups *ret)
{
        const struct extension_spec *spec = extension_spec_of(run);
        _cleanup_groups_ struct groups groups = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < EXTENSION_GROUPS_MAX && spec->groups[i]; i++)
                r = take(run, spec->groups[i], &groups);
        if (r < 0)
                return r;
        *ret = groups;
        groups = (struct groups){};
        return 0;
}

static void leave(const struct run *run, const char *group)
{
        _cleanup_free_ char *folder = NULL;
        _cleanup_fd_ int fd = -1;
        gid_t gid;
        int r;

        fd = open_folder(run, group, &folder, &gid);
        if (fd < 0 || is_in_use(run, group, gid))
                return;
        r = give_folder_back(fd);
        if (r < 0)
                log_warning("%s stays open to the group %u: %s", folder, gid, strerror(-r));
}

void groups_leave(const struct run *run)
{
        const struct extension_spec *spec = extension_spec_of(run);

        for (size_t i = 0; i < EXTENSION_GROUPS_MAX && spec->groups[i]; i++)
                leave(run, spec->groups[i]);
}

void groups_release(struct groups *groups)
{
        for (size_t i = 0; i < groups->n; i++)
                free(groups->folders[i]);
        *groups = (struct groups){};
}
