/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Makes the cgroups of a run and takes them away again, whoever is still in them. A
 * cgroup cannot be removed while a process is in it, so what is left is killed (an
 * extension that outlived its manager) or moved back (a daemon that the command left
 * behind: it goes on, unfiltered, and the user is told).
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/run/cgroup.h"
#include "cli/run/hierarchy.h"
#include "footprint/footprint.h"

#define EMPTY_WAIT_MS   2000
#define EVICT_ROUNDS    10
#define NOTED_PROCESSES 8

static int write_file(const char *folder, const char *name, const char *text)
{
        _cleanup_free_ char *path = cli_format("%s/%s", folder, name);
        _cleanup_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, text, strlen(text)) < 0)
                return -errno;
        return 0;
}

static unsigned int count_runs(const char *path)
{
        unsigned int n = 0;

        while ((path = strstr(path, "/" FOOTPRINT_RUN_CGROUP))) {
                path += strlen("/" FOOTPRINT_RUN_CGROUP);
                n++;
        }
        return n;
}

static int find_parent(char **ret_parent)
{
        int r = hierarchy_find_own(ret_parent);

        if (r == -ENOENT) {
                r = hierarchy_mount();
                if (r) {
                        cli_complain("no cgroup v2 hierarchy is mounted, and mounting one failed: "
                                     "%s. Mount it: 'mount -t cgroup2 none /sys/fs/cgroup'",
                                     strerror(-r));
                        return r;
                }
                r = hierarchy_find_own(ret_parent);
        }
        if (r)
                cli_complain("cannot find the cgroup that netextctl is in: %s", strerror(-r));
        return r;
}

static int make_folder(const char *path)
{
        /* The umask is the command's; flowd, another user, has to look into the folder. */
        if (mkdir(path, 0755) || chmod(path, 0755)) {
                int r = -errno;

                cli_complain("cannot make the cgroup %s: %s", path, strerror(-r));
                return r;
        }
        return 0;
}

int run_cgroup_open(struct run_cgroup *cgroup)
{
        _cleanup_free_ char *path = NULL;
        int r = find_parent(&cgroup->parent);

        if (r)
                return r;
        cgroup->level = count_runs(cgroup->parent);
        path = cli_format("%s/" FOOTPRINT_RUN_CGROUP "%d", cgroup->parent, (int)getpid());
        rmdir(path); /* of a run that was killed and had our pid */
        r = make_folder(path);
        if (r)
                return r;
        cgroup->path = take_ptr(path);
        cgroup->apps = cli_format("%s/apps", cgroup->path);
        return make_folder(cgroup->apps);
}

int run_cgroup_enter(const struct run_cgroup *cgroup)
{
        return write_file(cgroup->apps, "cgroup.procs", "0");
}

static bool is_populated(int events_fd)
{
        char text[256];
        ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

        if (n < 0)
                return false;
        text[n] = '\0';
        return strstr(text, "populated 1") != NULL;
}

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The kernel announces changes of cgroup.events as an exceptional condition. */
static void wait_until_empty(const char *folder)
{
        _cleanup_free_ char *path = cli_format("%s/cgroup.events", folder);
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        int64_t deadline = now_ms() + EMPTY_WAIT_MS, now;

        while (fd >= 0 && is_populated(fd) && (now = now_ms()) < deadline) {
                struct pollfd change = { .fd = fd, .events = POLLPRI };

                poll(&change, 1, (int)(deadline - now));
        }
}

/* "sleep[4711]"; caller owns. */
static char *process_name(const char *pid)
{
        _cleanup_free_ char *path = cli_format("/proc/%s/comm", pid);
        _cleanup_file_ FILE *file = fopen(path, "re");
        char comm[64] = "?";

        if (file && fgets(comm, sizeof(comm), file))
                comm[strcspn(comm, "\n")] = '\0';
        return cli_format("%s[%s]", comm, pid);
}

/* Whom the note names. */
struct evicted {
        char *names;
        unsigned int n;
};

static void evicted_add(struct evicted *evicted, const char *pid)
{
        _cleanup_free_ char *name = process_name(pid);
        _cleanup_free_ char *before = evicted->names;

        if (evicted->n++ < NOTED_PROCESSES)
                evicted->names = cli_format("%s%s%s", before ?: "", before ? ", " : "", name);
        else
                evicted->names = take_ptr(before);
}

/* One look at who is there. Returns how many were moved. */
static unsigned int evict_once(const char *folder, const char *parent, struct evicted *evicted)
{
        _cleanup_free_ char *path = cli_format("%s/cgroup.procs", folder);
        _cleanup_file_ FILE *procs = fopen(path, "re");
        _cleanup_free_ char *pid = NULL;
        unsigned int n_moved = 0;
        size_t size = 0;

        while (procs && getline(&pid, &size, procs) > 0) {
                pid[strcspn(pid, "\n")] = '\0';
                if (write_file(parent, "cgroup.procs", pid) == 0) {
                        evicted_add(evicted, pid);
                        n_moved++;
                }
        }
        return n_moved;
}

typedef void empty_fn(const char *folder, void *userdata);

/* Empties and removes folder and what is below it. */
static void remove_tree(const char *folder, empty_fn *empty, void *userdata)
{
        _cleanup_dir_ DIR *dir = opendir(folder);
        struct dirent *entry;

        while (dir && (entry = readdir(dir))) {
                _cleanup_free_ char *path = NULL;

                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                path = cli_format("%s/%s", folder, entry->d_name);
                remove_tree(path, empty, userdata);
        }
        empty(folder, userdata);
        if (rmdir(folder) && errno != ENOENT)
                cli_complain("cannot remove the cgroup %s: %s; 'rmdir' it when it is empty", folder,
                             strerror(errno));
}

struct eviction {
        const char *parent;
        struct evicted evicted;
};

/* A process may fork while we look, so look until nobody is there. */
static void evict(const char *folder, void *userdata)
{
        struct eviction *eviction = userdata;

        for (int round = 0; round < EVICT_ROUNDS; round++)
                if (evict_once(folder, eviction->parent, &eviction->evicted) == 0)
                        break;
        wait_until_empty(folder);
}

static void end_all(const char *folder, void *userdata)
{
        if (write_file(folder, "cgroup.kill", "1") == 0)
                wait_until_empty(folder);
}

static void note_evicted(const struct evicted *evicted)
{
        if (evicted->n == 0)
                return;
        cli_complain("still running, and from now on without netext: %s%s", evicted->names,
                     evicted->n > NOTED_PROCESSES ? " and others" : "");
}

void run_cgroup_close(struct run_cgroup *cgroup)
{
        struct eviction eviction = { .parent = cgroup->parent };

        if (cgroup->apps)
                remove_tree(cgroup->apps, evict, &eviction);
        note_evicted(&eviction.evicted);
        /* Whoever could not be moved is the user's process and not ours to end. */
        if (cgroup->path && (!cgroup->apps || access(cgroup->apps, F_OK)))
                remove_tree(cgroup->path, end_all, NULL);
        free(eviction.evicted.names);
        free(cgroup->apps);
        free(cgroup->path);
        free(cgroup->parent);
        *cgroup = (struct run_cgroup){};
}
