/* SPDX-License-Identifier: Apache-2.0 */

/*
 * BPF objects can be pinned in a bpffs only. systemd mounts one at /sys/fs/bpf; without
 * it we mount our own where the instance lives, and take it away with the instance.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "footprint/footprint.h"
#include "manager/priv/pins.h"
#include "manager/priv/priv.h"

static bool is_bpffs(const char *path)
{
        struct statfs fs;

        return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

/* flowd has a user of its own; bpftool(8) mounts one that only root may enter. */
static bool is_open_to_all(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && st.st_mode & S_IXOTH;
}

static int make_folder(const char *path, mode_t mode)
{
        return mkdir(path, mode) < 0 && errno != EEXIST ? -errno : 0;
}

static int open_in_system_bpffs(const char *path)
{
        int r;

        r = make_folder(FOOTPRINT_PINS, 0711);
        return r < 0 ? r : make_folder(path, 0700);
}

static int open_in_own_bpffs(const char *path)
{
        int r;

        r = make_folder(path, 0700);
        if (r < 0 || is_bpffs(path))
                return r;
        r = mount("bpf", path, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700");
        return r < 0 ? -errno : 0;
}

int pins_open(const char *instance, const char *runtime_folder, char **ret_path)
{
        bool of_system = is_bpffs(FOOTPRINT_BPFFS) && is_open_to_all(FOOTPRINT_BPFFS);
        _cleanup_free_ char *path = NULL;
        int r;

        r = of_system ? asprintf(&path, FOOTPRINT_PINS "/%s", instance)
                      : asprintf(&path, "%s/" FOOTPRINT_OWN_BPFFS, runtime_folder);
        if (r < 0)
                return -ENOMEM;
        priv_trace(PRIV_PINS, path);
        r = of_system ? open_in_system_bpffs(path) : open_in_own_bpffs(path);
        if (r < 0)
                return r;
        *ret_path = take_ptr(path);
        return 0;
}

typedef int pin_fn(int folder_fd, const char *name, const void *userdata);

static int for_each_pin(const char *path, pin_fn *fn, const void *userdata)
{
        _cleanup_dir_ DIR *folder = opendir(path);
        struct dirent *entry;
        int r = 0;

        if (!folder)
                return -errno;
        while (r == 0 && (entry = readdir(folder)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = fn(dirfd(folder), entry->d_name, userdata);
        return r;
}

static int give_pin(int folder_fd, const char *name, const void *userdata)
{
        const uid_t *uid = userdata;

        return fchownat(folder_fd, name, *uid, *uid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int remove_pin(int folder_fd, const char *name, const void *userdata)
{
        (void)unlinkat(folder_fd, name, 0);
        return 0;
}

int pins_give(const char *path, uid_t uid)
{
        int r;

        priv_trace(PRIV_PINS, path);
        r = for_each_pin(path, give_pin, &uid);
        if (r < 0)
                return r;
        return lchown(path, uid, uid) < 0 ? -errno : 0;
}

void pins_remove(const char *path, const char *runtime_folder)
{
        priv_trace(PRIV_PINS, path);
        (void)for_each_pin(path, remove_pin, NULL);
        if (strncmp(path, runtime_folder, strlen(runtime_folder)) == 0)
                (void)umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH);
        (void)rmdir(path);
        (void)rmdir(FOOTPRINT_PINS);
}
