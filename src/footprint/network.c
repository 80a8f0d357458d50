/* SPDX-License-Identifier: Apache-2.0 */

/* A namespace can be opened by its mount point, by a process in it, or by a descriptor for it, each
 * through /proc; the same inode is the same namespace. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "footprint/network.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

struct walk {
        network_fn *fn;
        void *userdata;
        uint64_t *seen;
        size_t n_seen;
        struct stat run; /* our /run */
};

static bool is_seen(const struct walk *walk, uint64_t inode)
{
        for (size_t i = 0; i < walk->n_seen; i++)
                if (walk->seen[i] == inode)
                        return true;
        return false;
}

static int note(struct walk *walk, uint64_t inode)
{
        uint64_t *seen = reallocarray(walk->seen, walk->n_seen + 1, sizeof(*seen));

        if (!seen)
                return -ENOMEM;
        seen[walk->n_seen++] = inode;
        walk->seen = seen;
        return 0;
}

/* What is gone by now is no namespace any more. */
static int visit(struct walk *walk, int folder_fd, const char *path, uint64_t inode)
{
        _cleanup_fd_ int fd = -1;
        struct stat st;
        int r;

        if (is_seen(walk, inode))
                return 0;
        fd = openat(folder_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != inode)
                return 0;
        r = note(walk, inode);
        return r < 0 ? r : walk->fn(fd, inode, walk->userdata);
}

/* "net:[4026531840]" */
static bool parse_link(const char *text, uint64_t *ret_inode)
{
        unsigned long long inode;

        if (sscanf(text, "net:[%llu]", &inode) != 1)
                return false;
        *ret_inode = inode;
        return true;
}

static bool read_link(int folder_fd, const char *path, uint64_t *ret_inode)
{
        char text[64];
        ssize_t length = readlinkat(folder_fd, path, text, sizeof(text) - 1);

        if (length <= 0)
                return false;
        text[length] = '\0';
        return parse_link(text, ret_inode);
}

static int visit_link(struct walk *walk, int folder_fd, const char *path)
{
        uint64_t inode;

        return read_link(folder_fd, path, &inode) ? visit(walk, folder_fd, path, inode) : 0;
}

/* "id parent device net:[inode] mount-point …": no other kind of mount has such a root. */
static int visit_mounts(struct walk *walk)
{
        _cleanup_file_ FILE *mounts = fopen("/proc/self/mountinfo", "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        int r = 0;

        while (mounts && r == 0 && getline(&line, &size, mounts) >= 0) {
                char root[64], point[4096];
                uint64_t inode;

                if (sscanf(line, "%*d %*d %*s %63s %4095s", root, point) == 2 &&
                    parse_link(root, &inode))
                        r = visit(walk, AT_FDCWD, point, inode);
        }
        return r;
}

static bool sees_our_runtime(const struct walk *walk, int process_fd)
{
        struct stat run;

        return fstatat(process_fd, "root/run", &run, 0) == 0 && run.st_ino == walk->run.st_ino &&
               run.st_dev == walk->run.st_dev;
}

static int visit_descriptors(struct walk *walk, int process_fd)
{
        int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_dir_ DIR *descriptors = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;
        int r = 0;

        while (descriptors && r == 0 && (entry = readdir(descriptors)))
                if (entry->d_name[0] != '.')
                        r = visit_link(walk, dirfd(descriptors), entry->d_name);
        return r;
}

static int visit_process(struct walk *walk, int processes_fd, const char *pid)
{
        _cleanup_fd_ int fd = openat(processes_fd, pid, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (fd < 0 || !sees_our_runtime(walk, fd))
                return 0;
        r = visit_link(walk, fd, "ns/net");
        return r == 0 ? visit_descriptors(walk, fd) : r;
}

static int visit_processes(struct walk *walk)
{
        _cleanup_dir_ DIR *processes = opendir("/proc");
        struct dirent *entry;
        int r = 0;

        if (!processes)
                return -errno;
        while (r == 0 && (entry = readdir(processes)))
                if (isdigit((unsigned char)entry->d_name[0]))
                        r = visit_process(walk, dirfd(processes), entry->d_name);
        return r;
}

int network_for_each(network_fn *fn, void *userdata)
{
        struct walk walk = { .fn = fn, .userdata = userdata };
        int r;

        if (stat("/run", &walk.run) < 0)
                return -errno;
        r = visit_link(&walk, AT_FDCWD, "/proc/self/ns/net");
        if (r == 0)
                r = visit_mounts(&walk);
        if (r == 0)
                r = visit_processes(&walk);
        free(walk.seen);
        return r;
}

uint64_t network_cookie(void)
{
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);

        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
                return 0;
        return cookie;
}

struct wanted {
        uint64_t inode, cookie;
        int own_fd; /* to come back */
};

static bool has_cookie(int fd, const struct wanted *wanted)
{
        uint64_t cookie;

        if (!wanted->cookie || wanted->own_fd < 0 || setns(fd, CLONE_NEWNET) < 0)
                return true;
        cookie = network_cookie();
        (void)setns(wanted->own_fd, CLONE_NEWNET);
        return cookie == wanted->cookie;
}

static int is_wanted(int fd, uint64_t inode, void *userdata)
{
        const struct wanted *wanted = userdata;

        return inode == wanted->inode && has_cookie(fd, wanted);
}

bool network_exists(uint64_t inode, uint64_t cookie)
{
        _cleanup_fd_ int own_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        struct wanted wanted = { .inode = inode, .cookie = cookie, .own_fd = own_fd };

        return network_for_each(is_wanted, &wanted) != 0;
}
