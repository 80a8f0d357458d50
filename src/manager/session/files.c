/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Editors replace files by rename, or delete and write anew, so it is the folder that
 * is watched, for events that bear the file's name. A file counts as changed when a
 * writer has closed it or when it was moved or linked into place, never while it is
 * being written. What was last opened is kept: an extension that restarts while the
 * file is gone gets what it had, not nothing.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "manager/loop/timer.h"
#include "manager/priv/file.h"
#include "manager/session/files.h"

#define RETRY_MS 1000

#define FILE_EVENTS   (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_MOVED_FROM)
#define FOLDER_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

static int file_load(struct watched_file *file)
{
        int fd = file_open(file->configured->path);

        if (fd < 0)
                return fd;
        close_fd(file->fd);
        file->fd = fd;
        return 0;
}

static void file_reload(struct watched_file *file)
{
        int r;

        timer_stop(&file->retry);
        r = file_load(file);
        file->changed_fn(file, r < 0 ? file_error_to_string(r) : NULL, file->userdata);
}

/* A file that was just created is still empty, and its writer's close will tell. A link is
 * complete as it appears. */
static bool is_being_written(const struct watched_file *file)
{
        struct stat st;

        return lstat(file->configured->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

static int watch_folder(struct watched_file *file);

static int file_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct watched_file *file = userdata;

        if (!file->folder && watch_folder(file) < 0)
                return timer_start(file->event, &file->retry, RETRY_MS, file_retry, file);
        file_reload(file);
        return 0;
}

static int folder_event(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        struct watched_file *file = userdata;
        const char *name = strrchr(file->configured->path, '/') + 1;

        if (event->mask & FOLDER_EVENTS) {
                file->folder = sd_event_source_disable_unref(file->folder);
                return timer_start(file->event, &file->retry, 0, file_retry, file);
        }
        if (!(event->mask & IN_Q_OVERFLOW) && (event->len == 0 || strcmp(event->name, name) != 0))
                return 0;
        /* An anonymous file that is linked into place looks the same, but no close follows. */
        if (event->mask & IN_CREATE && is_being_written(file))
                return timer_start(file->event, &file->retry, RETRY_MS, file_retry, file);
        file_reload(file);
        return 0;
}

static int watch_folder(struct watched_file *file)
{
        const char *path = file->configured->path;
        _cleanup_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path) + 1);

        if (!folder)
                return -ENOMEM;
        return sd_event_add_inotify(file->event, &file->folder, folder,
                                    FILE_EVENTS | FOLDER_EVENTS | IN_ONLYDIR, folder_event, file);
}

int watched_file_init(struct watched_file *file, sd_event *event,
                      const struct configured_file *configured, watched_file_changed_fn *changed_fn,
                      void *userdata)
{
        *file = (struct watched_file){
                .configured = configured,
                .event = event,
                .fd = -1,
                .changed_fn = changed_fn,
                .userdata = userdata,
        };
        /* Watched first, opened then: no change falls in between. */
        if (watch_folder(file) < 0)
                return timer_start(event, &file->retry, RETRY_MS, file_retry, file);
        (void)file_load(file);
        return 0;
}

void watched_file_deinit(struct watched_file *file)
{
        file->folder = sd_event_source_disable_unref(file->folder);
        timer_stop(&file->retry);
        file->fd = close_fd(file->fd);
}

int watched_file_get_fd(const struct watched_file *file)
{
        return file->fd < 0 ? -ENOENT : file_reopen(file->fd);
}
