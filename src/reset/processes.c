/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A pid alone can be anybody's by now. It is one of ours if, while we hold its pidfd, it still is
 * the pid of who holds the lock, or has the start time that state.json says, or a socket that is
 * bound in the runtime folder. netextd comes first, as it would start the others again; asked to
 * end, it takes everything away itself.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/started.h"
#include "footprint/footprint.h"
#include "reset/instances.h"
#include "reset/networks.h"
#include "reset/processes.h"

#define ORDERLY_MS 20000
#define KILLED_MS  5000

static bool has_ended(int pidfd, int timeout_ms)
{
        struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };

        return poll(&pollfd, 1, timeout_ms) > 0;
}

static int kill_at_once(int pidfd)
{
        if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0)
                return errno == ESRCH ? 0 : -errno;
        return has_ended(pidfd, KILLED_MS) ? 0 : -ETIMEDOUT;
}

/* One that is stopped goes on to end. */
static int end_in_order(int pidfd)
{
        if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) < 0)
                return errno == ESRCH ? 0 : -errno;
        (void)pidfd_send_signal(pidfd, SIGCONT, NULL, 0);
        return has_ended(pidfd, ORDERLY_MS) ? 0 : kill_at_once(pidfd);
}

/* --- by the lock -------------------------------------------------------------------------- */

static pid_t read_holder(int lock_fd)
{
        char text[16] = {};

        return pread(lock_fd, text, sizeof(text) - 1, 0) > 0 ? (pid_t)atoi(text) : 0;
}

static bool is_held(int lock_fd)
{
        if (flock(lock_fd, LOCK_SH | LOCK_NB) < 0)
                return true;
        (void)flock(lock_fd, LOCK_UN);
        return false;
}

static void end_manager(struct reset *reset, const char *name, int lock_fd)
{
        pid_t pid = read_holder(lock_fd);
        _cleanup_fd_ int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;

        if (pidfd < 0 || !is_held(lock_fd) || read_holder(lock_fd) != pid)
                return;
        reset_tell(reset, DEED_END, reset->is_trial ? 0 : end_in_order(pidfd),
                   "netextd of instance %s (pid %d)", name, pid);
}

/* The lock is ours until we end, and goes with its folder. */
static void take_lock(struct reset *reset, const char *name, int folder_fd)
{
        int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC | (reset->is_trial ? 0 : O_CREAT);
        int lock_fd = openat(folder_fd, FOOTPRINT_LOCK, flags, 0600);

        if (lock_fd < 0)
                return;
        if (is_held(lock_fd))
                end_manager(reset, name, lock_fd);
        if (!reset->is_trial && flock(lock_fd, LOCK_EX | LOCK_NB) < 0)
                reset_tell(reset, DEED_END, -errno, "who holds the lock of instance %s", name);
}

/* --- by state.json ------------------------------------------------------------------------ */

static void end_known(struct reset *reset, const char *what, const char *instance,
                      const json_t *process)
{
        pid_t pid = (pid_t)state_number(process, "pid");
        _cleanup_fd_ int pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
        uint64_t started;

        if (pidfd < 0 || started_read(pid, &started) < 0 ||
            started != state_number(process, "started") || has_ended(pidfd, 0))
                return;
        reset_tell(reset, DEED_END, reset->is_trial ? 0 : kill_at_once(pidfd),
                   "%s of instance %s (pid %d)", what, instance, pid);
}

static void end_of_instance(struct reset *reset, const char *name, int folder_fd,
                            const json_t *state, void *userdata)
{
        json_t *extension, *run;
        size_t i, j;

        take_lock(reset, name, folder_fd);
        json_array_foreach(json_object_get(state, "extensions"), i, extension)
        {
                json_array_foreach(json_object_get(extension, "runs"), j, run)
                {
                        end_known(reset, "an extension", name, run);
                }
        }
        end_known(reset, "netext-flowd", name, json_object_get(state, "flowd"));
}

/* --- by sockets --------------------------------------------------------------------------- */

struct sockets {
        unsigned long long *inodes;
        size_t n;
};

/* "/run/netext/NAME/…" of an instance that is meant */
static bool is_ours(const struct reset *reset, const char *path)
{
        char name[FOOTPRINT_INSTANCE_MAX + 1] = "";
        size_t length = strlen(FOOTPRINT_RUNTIME "/");

        if (strncmp(path, FOOTPRINT_RUNTIME "/", length) != 0 ||
            sscanf(path + length, "%40[^/]/", name) != 1 || path[length + strlen(name)] != '/')
                return false;
        return footprint_is_instance(name) && reset_means(reset, name);
}

static void note_socket(struct sockets *sockets, unsigned long long inode)
{
        unsigned long long *inodes = reallocarray(sockets->inodes, sockets->n + 1, sizeof(*inodes));

        if (!inodes)
                return;
        sockets->inodes = inodes;
        inodes[sockets->n++] = inode;
}

/* "number references protocol flags type state inode path" */
static void list_sockets(struct reset *reset, const char *where, void *userdata)
{
        _cleanup_file_ FILE *list = fopen("/proc/thread-self/net/unix", "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        while (list && getline(&line, &size, list) >= 0) {
                unsigned long long inode;
                char path[128];

                if (sscanf(line, "%*s %*s %*s %*s %*s %*s %llu %127s", &inode, path) == 2 &&
                    is_ours(reset, path))
                        note_socket(userdata, inode);
        }
}

static bool is_noted(const struct sockets *sockets, int folder_fd, const char *name)
{
        unsigned long long inode;
        char text[64];
        ssize_t length = readlinkat(folder_fd, name, text, sizeof(text) - 1);

        if (length <= 0)
                return false;
        text[length] = '\0';
        if (sscanf(text, "socket:[%llu]", &inode) != 1)
                return false;
        for (size_t i = 0; i < sockets->n; i++)
                if (sockets->inodes[i] == inode)
                        return true;
        return false;
}

static bool has_noted(const struct sockets *sockets, pid_t pid)
{
        _cleanup_dir_ DIR *descriptors = NULL;
        struct dirent *entry;
        char path[32];

        snprintf(path, sizeof(path), "/proc/%d/fd", pid);
        descriptors = opendir(path);
        while (descriptors && (entry = readdir(descriptors)))
                if (entry->d_name[0] != '.' && is_noted(sockets, dirfd(descriptors), entry->d_name))
                        return true;
        return false;
}

static void end_holder(struct reset *reset, const struct sockets *sockets, pid_t pid)
{
        _cleanup_fd_ int pidfd = -1;

        if (pid <= 1 || pid == getpid() || !has_noted(sockets, pid))
                return;
        pidfd = pidfd_open(pid, 0);
        if (pidfd < 0 || !has_noted(sockets, pid) || has_ended(pidfd, 0))
                return;
        reset_tell(reset, DEED_END, kill_at_once(pidfd),
                   "process %d, which has a socket in " FOOTPRINT_RUNTIME, pid);
}

/* In a trial, those that are known are still there, and have been told. */
static void end_holders(struct reset *reset)
{
        _cleanup_dir_ DIR *processes = opendir("/proc");
        struct sockets sockets = {};
        struct dirent *entry;

        networks_visit(reset, list_sockets, &sockets);
        while (processes && sockets.n > 0 && (entry = readdir(processes)))
                if (isdigit((unsigned char)entry->d_name[0]))
                        end_holder(reset, &sockets, (pid_t)atoi(entry->d_name));
        free(sockets.inodes);
}

void processes_end(struct reset *reset)
{
        instances_visit(reset, end_of_instance, NULL);
        if (!reset->is_trial)
                end_holders(reset);
}
