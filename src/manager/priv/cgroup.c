/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A cgroup for each extension is what "the extension" means to the kernel: its id tells
 * flowd whose traffic is the extension's own, and cgroup.kill ends also those of its
 * children that hid from their parent. No controllers are touched.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/pidfd.h>
#include <signal.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "footprint/footprint.h"
#include "manager/priv/cgroup.h"
#include "manager/priv/priv.h"

#define SHARED_FOLDER_TRIES 10

int cgroup_check(const char *path)
{
        struct statfs fs;

        if (statfs(path, &fs) < 0)
                return -errno;
        return fs.f_type == CGROUP2_SUPER_MAGIC ? 0 : -ENOTDIR;
}

/* The folder above path. Caller owns. */
static char *parent_of(const char *path)
{
        char *parent = strdup(path);

        if (parent)
                *strrchr(parent, '/') = '\0';
        return parent;
}

/* CGROUP2/netext exists for its instances only; any other parent is somebody else's. */
static bool is_shared_folder(const char *path)
{
        const char *name = strrchr(path, '/');

        return name && strcmp(name, "/" FOOTPRINT_CGROUPS) == 0;
}

static int make_folder(const char *path, bool *ret_made)
{
        _cleanup_free_ char *parent = parent_of(path);
        int r;

        if (!parent)
                return -ENOMEM;
        r = cgroup_check(parent);
        if (r < 0)
                return r;
        r = mkdir(path, 0755);
        if (r < 0 && errno != EEXIST)
                return -errno;
        *ret_made = r == 0;
        return 0;
}

static int write_at(int folder_fd, const char *name, const char *text)
{
        _cleanup_fd_ int fd = openat(folder_fd, name, O_WRONLY | O_CLOEXEC);

        return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* The cgroups below can be limited then, where this one can. */
static void enable_limits(int folder_fd)
{
        (void)write_at(folder_fd, "cgroup.subtree_control", "+memory");
        (void)write_at(folder_fd, "cgroup.subtree_control", "+pids");
}

/* That folder is ours, too, if it is the shared one. */
static void enable_limits_above(const char *parent)
{
        _cleanup_fd_ int fd = is_shared_folder(parent) ? open(parent, O_DIRECTORY | O_CLOEXEC) : -1;

        if (fd >= 0)
                enable_limits(fd);
}

static int limit(int cgroup_fd, const char *name, uint64_t value)
{
        char text[24] = "max";
        int r;

        if (value)
                snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        r = write_at(cgroup_fd, name, text);
        return r == -ENOENT ? (value ? -EOPNOTSUPP : 0) : r;
}

int cgroup_limit(int cgroup_fd, uint64_t memory_max, uint64_t pids_max)
{
        int memory = limit(cgroup_fd, "memory.max", memory_max);
        int pids = limit(cgroup_fd, "pids.max", pids_max);

        return memory < 0 ? memory : pids;
}

int cgroup_make_folder(const char *path, bool *ret_made)
{
        _cleanup_free_ char *parent = parent_of(path);
        bool made = false;
        int r = 0, fd;

        if (!parent)
                return -ENOMEM;
        priv_trace(PRIV_CGROUP, path);
        /* Another instance that ends may take the empty shared folder away in between. */
        for (int i = 0; i < SHARED_FOLDER_TRIES; i++) {
                if (is_shared_folder(parent))
                        r = make_folder(parent, &made);
                if (r >= 0)
                        r = make_folder(path, &made);
                if (r != -ENOENT)
                        break;
        }
        if (r < 0)
                return r;
        fd = open(path, O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        enable_limits_above(parent);
        enable_limits(fd);
        *ret_made = made;
        return fd;
}

void cgroup_remove_folder(const char *path)
{
        _cleanup_free_ char *parent = parent_of(path);

        priv_trace(PRIV_CGROUP, path);
        (void)rmdir(path);
        if (parent && is_shared_folder(parent))
                (void)rmdir(parent);
}

int cgroup_kill(int cgroup_fd)
{
        return write_at(cgroup_fd, "cgroup.kill", "1");
}

/* Whoever is in the cgroup now is there still when it has been looked at by its pidfd. */
static void kill_member(pid_t pid, pid_t sid)
{
        _cleanup_fd_ int fd = pidfd_open(pid, 0);

        if (fd >= 0 && getsid(pid) == sid)
                (void)pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

void cgroup_kill_session(int cgroup_fd, pid_t sid)
{
        int fd = openat(cgroup_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        _cleanup_file_ FILE *members = fd < 0 ? NULL : fdopen(fd, "r");
        int pid;

        while (members && fscanf(members, "%d", &pid) == 1)
                kill_member(pid, sid);
}

int cgroup_open(int folder_fd, const char *name, int *ret_fd, uint64_t *ret_id)
{
        _cleanup_fd_ int fd = -1;
        struct stat st;

        priv_trace(PRIV_CGROUP, name);
        if (mkdirat(folder_fd, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(folder_fd, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        *ret_id = st.st_ino;
        *ret_fd = take_fd(&fd);
        return 0;
}

int cgroup_remove(int folder_fd, const char *name)
{
        _cleanup_fd_ int fd = openat(folder_fd, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        priv_trace(PRIV_CGROUP, name);
        (void)cgroup_kill(fd);
        return unlinkat(folder_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}
