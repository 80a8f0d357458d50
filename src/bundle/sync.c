/* SPDX-License-Identifier: Apache-2.0 */

/*
 * File by file, and not syncfs(2), which would wait for whatever else is being written on that
 * disk. A journal commits all of them with the first, so the others cost next to nothing.
 */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "bundle/bundle.h"
#include "bundle/sync.h"
#include "bundle/tree.h"

static int sync_entry(int folder_fd, const struct tree_entry *entry)
{
        _cleanup_fd_ int fd = entry->is_folder
                                      ? openat(folder_fd, entry->path,
                                               O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                                      : tree_open(folder_fd, entry->path);

        if (fd < 0)
                return entry->is_folder ? -errno : fd;
        return fsync(fd) < 0 ? -errno : 0;
}

int bundle_sync(int folder_fd)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(tree_deinit) struct tree tree = {};
        int r = tree_read(folder_fd, &tree, &report);

        for (size_t i = 0; i < tree.n_entries && r >= 0; i++)
                r = sync_entry(folder_fd, &tree.entries[i]);
        if (r >= 0 && fsync(folder_fd) < 0)
                r = -errno;
        return r;
}
