/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The extension watches for itself: all of it is in the base system, which its sandbox lets it
 * read, so no netextd has to be there. Files are replaced and links turned, so the folders are
 * watched that they lie in; of one that is not there the nearest above it, until it comes. Each
 * event has everything read again a moment later, since changes come in bursts, and what differs
 * is told. Where the kernel has no watch to give, that is done all the time.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "sdk/system-watch.h"

#define HOSTNAME_FILE "/proc/sys/kernel/hostname" /* poll(2) tells of changes */
#define EVENTS        (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)

#define SETTLE_NS 100000000ULL
#define RETRY_NS  500000000ULL

/* Not later than that; what goes on all the time does not put it off. */
static void look_within(struct system_watch *watch, uint64_t delay_ns)
{
        uint64_t deadline_ns = now_ns() + delay_ns;

        if (list_is_empty(&watch->look.link) || watch->look.deadline_ns > deadline_ns)
                loop_timer_start(watch->loop, &watch->look, deadline_ns);
}

static int on_files(uint32_t events, void *userdata)
{
        struct system_watch *watch = userdata;
        char told[4096];

        while (read(watch->files_fd, told, sizeof(told)) > 0)
                ;
        look_within(watch, SETTLE_NS);
        return 0;
}

static int on_hostname(uint32_t events, void *userdata)
{
        look_within(userdata, SETTLE_NS);
        return 0;
}

/* Cuts the path to what there is. -1: the kernel has no watch for it. */
static int watch_nearest(int fd, char *path)
{
        for (;;) {
                int folder = inotify_add_watch(fd, *path ? path : "/", EVENTS);
                char *slash = strrchr(path, '/');

                if (folder >= 0 || !slash)
                        return folder;
                *slash = '\0';
        }
}

static bool is_among(const int folders[static SYSTEM_FOLDERS], int folder)
{
        for (size_t i = 0; i < SYSTEM_FOLDERS; i++)
                if (folders[i] == folder)
                        return true;
        return false;
}

/* Where resolv.conf leads may have changed. */
static bool watch_folders(struct system_watch *watch)
{
        char paths[SYSTEM_FOLDERS][PATH_MAX];
        int folders[SYSTEM_FOLDERS];
        bool is_complete = true;

        snprintf(paths[0], PATH_MAX, "%s/etc", watch->root);
        snprintf(paths[1], PATH_MAX, "%s/etc/default", watch->root);
        system_resolver_path(watch->root, paths[2]);
        *strrchr(paths[2], '/') = '\0';
        for (size_t i = 0; i < SYSTEM_FOLDERS; i++) {
                folders[i] = watch_nearest(watch->files_fd, paths[i]);
                is_complete &= folders[i] >= 0;
        }
        for (size_t i = 0; i < SYSTEM_FOLDERS; i++)
                if (watch->folders[i] >= 0 && !is_among(folders, watch->folders[i]))
                        (void)inotify_rm_watch(watch->files_fd, watch->folders[i]);
        memcpy(watch->folders, folders, sizeof(folders));
        return is_complete;
}

static bool watch_files(struct system_watch *watch)
{
        if (watch->files_fd < 0) {
                watch->files_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
                if (watch->files_fd < 0 || loop_add(watch->loop, &watch->files, watch->files_fd,
                                                    EPOLLIN, on_files, watch) < 0) {
                        watch->files_fd = close_fd(watch->files_fd);
                        return false;
                }
        }
        return watch_folders(watch);
}

static bool watch_hostname(struct system_watch *watch)
{
        if (watch->hostname_fd >= 0)
                return true;
        watch->hostname_fd = open(HOSTNAME_FILE, O_RDONLY | O_CLOEXEC);
        if (watch->hostname_fd >= 0 && loop_add(watch->loop, &watch->hostname, watch->hostname_fd,
                                                EPOLLPRI, on_hostname, watch) >= 0)
                return true;
        watch->hostname_fd = close_fd(watch->hostname_fd);
        return false;
}

/* Watched first and read then, so that what changes between the two is told. */
static int look(void *userdata)
{
        struct system_watch *watch = userdata;
        bool is_watched = watch_files(watch) & watch_hostname(watch);
        uint32_t changed;

        if (system_read(&watch->system, watch->root, &changed) < 0 || !is_watched)
                look_within(watch, RETRY_NS);
        if (!watch->is_known)
                changed = SYSTEM_ALL_SETTINGS;
        watch->is_known = true;
        if (changed)
                watch->fn(&watch->system, changed, watch->userdata);
        return 0;
}

void system_watch_start(struct system_watch *watch, struct loop *loop, const char *root,
                        system_changed_fn *fn, void *userdata)
{
        *watch = (struct system_watch){
                .loop = loop,
                .root = root,
                .fn = fn,
                .userdata = userdata,
                .files_fd = -1,
                .hostname_fd = -1,
                .files = LOOP_IO_NULL,
                .hostname = LOOP_IO_NULL,
        };
        for (size_t i = 0; i < SYSTEM_FOLDERS; i++)
                watch->folders[i] = -1;
        loop_timer_init(&watch->look, look, watch);
        look_within(watch, 0);
        loop_arm(loop);
}

void system_watch_stop(struct system_watch *watch)
{
        if (!watch->loop)
                return;
        loop_timer_stop(&watch->look);
        loop_remove(watch->loop, &watch->files);
        loop_remove(watch->loop, &watch->hostname);
        close_fd(watch->files_fd);
        close_fd(watch->hostname_fd);
        system_deinit(&watch->system);
        watch->loop = NULL;
}
