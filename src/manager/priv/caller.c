/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pid is a name that somebody else can have a moment later. What /proc says under it counts
 * only if the process that connected still lives after it was read, which its pidfd tells. The
 * kernel gives that pidfd with the socket (SO_PEERPIDFD, Linux 6.5). Before, it is made from the
 * pid, and a process that started after we had the connection in our hands is not the one; a pid
 * that was given away between connect(2) and accept(2) would go unnoticed there.
 *
 * An executable is the same if it is the same inode: in a mount or user namespace of their own
 * people can put anything at any path.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "manager/priv/caller.h"
#include "manager/priv/priv.h"

#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

#define GROUPS_MAX 65536

static uint64_t ticks_since_boot(void)
{
        struct timespec ts;
        uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);

        clock_gettime(CLOCK_BOOTTIME, &ts);
        return (uint64_t)ts.tv_sec * hz + (uint64_t)ts.tv_nsec * hz / 1000000000ULL;
}

/* The supplementary groups of the time of connect(2). */
static int read_groups(int socket_fd, struct caller *caller)
{
        _cleanup_free_ gid_t *groups = NULL;
        socklen_t size = 0;

        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0)
                return 0;
        if (errno != ERANGE || size > GROUPS_MAX * sizeof(*groups))
                return -errno;
        groups = malloc(size);
        if (!groups)
                return -ENOMEM;
        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
                return -errno;
        caller->groups = take_ptr(groups);
        caller->n_groups = size / sizeof(*groups);
        return 0;
}

static int open_process_file(pid_t pid, const char *name, int flags)
{
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Without asking a server that may not answer: of a file system it is what the kernel knows. */
static int identify_file(int folder_fd, const char *path, struct file_identity *ret)
{
        struct statx st;

        if (statx(folder_fd, path, AT_STATX_DONT_SYNC | AT_EMPTY_PATH, STATX_INO, &st) < 0)
                return -errno;
        *ret = (struct file_identity){ .device = makedev(st.stx_dev_major, st.stx_dev_minor),
                                       .inode = st.stx_ino };
        return 0;
}

static int read_executable(struct caller *caller)
{
        _cleanup_fd_ int fd = open_process_file(caller->pid, "exe", O_PATH);
        char link[40], path[PATH_MAX];
        ssize_t length;

        if (fd < 0)
                return fd;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        length = readlink(link, path, sizeof(path) - 1);
        if (length < 0)
                return -errno;
        path[length] = '\0';
        free(caller->program);
        caller->program = strdup(path);
        return caller->program ? identify_file(fd, "", &caller->executable) : -ENOMEM;
}

/* "0::/system.slice/app.service" */
static int read_cgroup(struct caller *caller)
{
        int fd = open_process_file(caller->pid, "cgroup", O_RDONLY);
        _cleanup_file_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
        char line[PATH_MAX + 8];

        if (!file) {
                close_fd(fd);
                return -ESRCH;
        }
        while (fgets(line, sizeof(line), file)) {
                if (strncmp(line, "0::", 3) != 0)
                        continue;
                line[strcspn(line, "\n")] = '\0';
                free(caller->cgroup);
                caller->cgroup = strdup(line + 3);
                return caller->cgroup ? 0 : -ENOMEM;
        }
        return 0;
}

/* Field 22; the second, in parentheses, may contain anything. */
static int read_started(struct caller *caller)
{
        _cleanup_fd_ int fd = open_process_file(caller->pid, "stat", O_RDONLY);
        char text[1024] = {};
        const char *at;

        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
                return -ESRCH;
        at = strrchr(text, ')');
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        if (!at)
                return -ESRCH;
        caller->started_ticks = strtoull(at, NULL, 10);
        return 0;
}

/* Kept from a login through every su(1) and sudo(8), where the kernel has audit. */
static void read_login(struct caller *caller)
{
        _cleanup_fd_ int fd = open_process_file(caller->pid, "loginuid", O_RDONLY);
        char text[16] = {};

        caller->login = CALLER_NOBODY;
        if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
                caller->login = (uid_t)strtoul(text, NULL, 10);
}

static bool has_ended(int pidfd)
{
        struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };

        return poll(&pollfd, 1, 0) != 0;
}

static int read_process(struct caller *caller)
{
        int r;

        r = read_started(caller);
        read_login(caller);
        if (r >= 0)
                r = read_executable(caller);
        return r < 0 ? r : read_cgroup(caller);
}

/* Nothing is known about a process that is gone. */
static int forget_process(struct caller *caller)
{
        caller->started_ticks = 0;
        caller->login = CALLER_NOBODY;
        caller->executable = (struct file_identity){};
        free(caller->program);
        free(caller->cgroup);
        caller->program = strdup("");
        caller->cgroup = strdup("");
        return caller->program && caller->cgroup ? 0 : -ENOMEM;
}

static int identify_process(int socket_fd, struct caller *caller, uint64_t now_ticks)
{
        _cleanup_fd_ int pidfd = -1;
        socklen_t size = sizeof(pidfd);
        bool is_guess = false;
        int r;

        r = forget_process(caller);
        if (r < 0 || caller->pid == 0)
                return r;
        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0) {
                is_guess = errno == ENOPROTOOPT;
                pidfd = is_guess ? pidfd_open(caller->pid, 0) : -1;
        }
        if (pidfd < 0)
                return 0;
        r = read_process(caller);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || has_ended(pidfd) || (is_guess && caller->started_ticks > now_ticks))
                return forget_process(caller);
        return 0;
}

int caller_identify(int socket_fd, struct caller *ret)
{
        uint64_t now_ticks = ticks_since_boot();
        struct caller caller = {};
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        char object[32];
        int r;

        if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        snprintf(object, sizeof(object), "of pid %d", credentials.pid);
        priv_trace(PRIV_EXECUTABLE, object);
        caller.uid = credentials.uid;
        caller.gid = credentials.gid;
        caller.pid = credentials.pid;
        r = read_groups(socket_fd, &caller);
        if (r >= 0)
                r = identify_process(socket_fd, &caller, now_ticks);
        if (r < 0) {
                caller_deinit(&caller);
                return r;
        }
        *ret = caller;
        return 0;
}

int caller_on_bus(uid_t uid, const char *bus_name, struct caller *ret)
{
        struct caller caller = { .uid = uid, .gid = (gid_t)-1, .bus_name = strdup(bus_name) };
        int r;

        r = forget_process(&caller);
        if (r < 0 || !caller.bus_name) {
                caller_deinit(&caller);
                return -ENOMEM;
        }
        *ret = caller;
        return 0;
}

void caller_deinit(struct caller *caller)
{
        free(caller->bus_name);
        free(caller->groups);
        free(caller->program);
        free(caller->cgroup);
        *caller = (struct caller){};
}

bool caller_is_in_group(const struct caller *caller, gid_t gid)
{
        for (size_t i = 0; i < caller->n_groups; i++)
                if (caller->groups[i] == gid)
                        return true;
        return caller->gid == gid;
}

bool caller_executes(const struct caller *caller, const char *path)
{
        struct file_identity there;

        return caller->executable.inode != 0 && identify_file(AT_FDCWD, path, &there) == 0 &&
               there.inode == caller->executable.inode && there.device == caller->executable.device;
}
