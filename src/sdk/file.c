/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files of the configuration. They come before the start; where the extension could be
 * several kinds of provider, only the start tells whose handle_file is meant, so until
 * then they are kept, of each name the latest.
 */

#include <errno.h>
#include <string.h>

#include "sdk/provider.h"

struct kept_file {
        struct list link; /* session.files */
        char *name;
        char *path; /* or NULL */
        int fd;
};

static struct kept_file *kept_file_free(struct kept_file *file)
{
        if (!file)
                return NULL;
        list_remove(&file->link);
        free(file->name);
        free(file->path);
        close_fd(file->fd);
        free(file);
        return NULL;
}

DEFINE_CLEANUP(struct kept_file *, kept_file, kept_file_free)

static void forget_file(struct session *session, const char *name)
{
        struct kept_file *file, *following;

        list_for_each_safe (file, following, &session->files, link)
                if (strcmp(file->name, name) == 0)
                        kept_file_free(file);
}

static int keep_file(struct session *session, const char *name, const char *path, int *fd)
{
        _cleanup_(cleanup_kept_file) struct kept_file *file = calloc(1, sizeof(*file));

        if (!file)
                return -ENOMEM;
        list_init(&file->link);
        file->fd = take_fd(fd);
        file->name = strdup(name);
        file->path = path ? strdup(path) : NULL;
        if (!file->name || (path && !file->path))
                return -ENOMEM;
        forget_file(session, name);
        list_append(&session->files, &file->link);
        take_ptr(file);
        return 0;
}

int session_handle_file(struct session *session, const char *name, const char *path, int *fd)
{
        int r;

        if (session->role) {
                session->role->handle_file(session, name, path ? path : name, *fd);
                return 0;
        }
        r = keep_file(session, name, path, fd);
        if (r < 0)
                return provider_fail(session->provider, r, "No memory for the file %s", name);
        return 0;
}

void session_hand_files(struct session *session)
{
        struct kept_file *file;

        while ((file = list_first(&session->files, struct kept_file, link))) {
                session->role->handle_file(session, file->name,
                                           file->path ? file->path : file->name, file->fd);
                kept_file_free(file);
        }
}

void session_drop_files(struct session *session)
{
        struct kept_file *file;

        while ((file = list_first(&session->files, struct kept_file, link)))
                kept_file_free(file);
}
