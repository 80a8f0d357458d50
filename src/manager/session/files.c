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
#include <sys/stat.h>

#include "manager/loop/timer.h"
#include "manager/priv/file.h"
#include "manager/session/files.h"

#define RETRY_MS 1000

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

static int file_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        file_reload(userdata);
        return 0;
}

static int folder_event(const struct inotify_event *event, void *userdata)
{
        struct watched_file *file = userdata;
        const char *name = strrchr(file->configured->path, '/') + 1;

        if (!event) {
                if (file->folder.is_there)
                        file_reload(file);
                return 0;
        }
        if (!(event->mask & IN_Q_OVERFLOW) && (event->len == 0 || strcmp(event->name, name) != 0))
                return 0;
        if (event->mask & IN_ATTRIB)
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
        return folder_watch_start(&file->folder, file->event, folder, folder_event, file);
}

int watched_file_init(struct watched_file *file, sd_event *event,
                      const struct configured_file *configured, watched_file_changed_fn *changed_fn,
                      void *userdata)
{
        int r;

        *file = (struct watched_file){
                .configured = configured,
                .event = event,
                .fd = -1,
                .changed_fn = changed_fn,
                .userdata = userdata,
        };
        /* Watched first, opened then: no change falls in between. */
        r = watch_folder(file);
        if (r < 0)
                return r;
        (void)file_load(file);
        return 0;
}

void watched_file_deinit(struct watched_file *file)
{
        folder_watch_stop(&file->folder);
        timer_stop(&file->retry);
        file->fd = close_fd(file->fd);
}

int watched_file_get_fd(const struct watched_file *file)
{
        return file->fd < 0 ? -ENOENT : file_reopen(file->fd);
}
