/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Copies a folder, and has what copying and unpacking both need. Nothing is created but files
 * and folders, below the target and without following a link, so the order in which a source
 * tells of its entries cannot lead anywhere else.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "bundle/bundle.h"
#include "bundle/stage.h"
#include "bundle/tree.h"

#define BLOCK_SIZE (64 * 1024)

static int open_beneath(int folder_fd, const char *path, uint64_t flags, uint64_t mode)
{
        struct open_how how = {
                .flags = flags | O_CLOEXEC | O_NOFOLLOW,
                .mode = mode,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        int fd = (int)syscall(SYS_openat2, folder_fd, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* The first length bytes of path, which is a folder. */
static int create_one(int target_fd, const char *path, size_t length)
{
        _cleanup_free_ char *folder = strndup(path, length);
        _cleanup_free_ char *parent = NULL;
        _cleanup_fd_ int parent_fd = -1;
        char *slash;

        if (!folder)
                return -ENOMEM;
        slash = strrchr(folder, '/');
        parent = slash ? strndup(folder, (size_t)(slash - folder)) : strdup(".");
        if (!parent)
                return -ENOMEM;
        parent_fd = open_beneath(target_fd, parent, O_RDONLY | O_DIRECTORY, 0);
        if (parent_fd < 0)
                return parent_fd;
        if (mkdirat(parent_fd, slash ? slash + 1 : folder, 0755) && errno != EEXIST)
                return -errno;
        return 0;
}

int stage_create_folder(int target_fd, const char *path)
{
        _cleanup_fd_ int fd = -1;
        int r = 0;

        for (size_t length = strcspn(path, "/"); r >= 0;
             length += 1 + strcspn(path + length + 1, "/")) {
                r = create_one(target_fd, path, length);
                if (!path[length])
                        break;
        }
        if (r < 0)
                return r;
        fd = open_beneath(target_fd, path, O_RDONLY | O_DIRECTORY, 0);
        return fd < 0 ? fd : 0;
}

int stage_create(int target_fd, const char *path, bool is_executable)
{
        const char *slash = strrchr(path, '/');

        if (slash) {
                _cleanup_free_ char *parent = strndup(path, (size_t)(slash - path));
                int r = parent ? stage_create_folder(target_fd, parent) : -ENOMEM;

                if (r < 0)
                        return r;
        }
        return open_beneath(target_fd, path, O_WRONLY | O_CREAT | O_EXCL,
                            is_executable ? 0755 : 0644);
}

int stage_write(int fd, const void *bytes, size_t size)
{
        const char *at = bytes;

        while (size > 0) {
                ssize_t n = write(fd, at, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                at += n;
                size -= (size_t)n;
        }
        return 0;
}

/* What a failure of the target means: the machine's fault, and the source's never. */
static void fail_room(struct bundle_report *report, const char *path, int error)
{
        bundle_report_fail(report, BUNDLE_CHECK_SOURCE_ROOM, path, NULL,
                           "cannot be copied here: %s", strerror(-error));
}

static int copy_bytes(int from, int to, const char *path, uint64_t *left,
                      struct bundle_report *report)
{
        _cleanup_free_ char *block = malloc(BLOCK_SIZE);
        int r;

        if (!block)
                return -ENOMEM;
        for (;;) {
                ssize_t n = read(from, block, BLOCK_SIZE);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        bundle_report_fail(report, BUNDLE_CHECK_SOURCE_READABLE, path, NULL,
                                           "cannot be read: %s", strerror(errno));
                if (n <= 0)
                        return 0;
                if ((uint64_t)n > *left) {
                        bundle_report_fail(report, BUNDLE_CHECK_FOLDER_SIZE, path, NULL,
                                           "grew while it was copied: all files have more than "
                                           "%d MiB now",
                                           BUNDLE_SIZE_MAX >> 20);
                        return -E2BIG;
                }
                *left -= (uint64_t)n;
                r = stage_write(to, block, (size_t)n);
                if (r < 0) {
                        fail_room(report, path, r);
                        return r;
                }
        }
}

static int copy_file(int source_fd, int target_fd, const struct tree_entry *entry, uint64_t *left,
                     struct bundle_report *report)
{
        _cleanup_fd_ int from = tree_open(source_fd, entry->path);
        _cleanup_fd_ int to = -1;

        if (from < 0) {
                bundle_report_fail(report, BUNDLE_CHECK_SOURCE_READABLE, entry->path, NULL,
                                   "cannot be read: %s. Who copies it has no privileges: everybody "
                                   "has to be able to read a bundle",
                                   strerror(-from));
                return 0;
        }
        to = stage_create(target_fd, entry->path, entry->is_executable);
        if (to < 0) {
                fail_room(report, entry->path, to);
                return to;
        }
        return copy_bytes(from, to, entry->path, left, report);
}

static int copy_folder(int source_fd, int target_fd, struct bundle_report *report)
{
        _cleanup_(tree_deinit) struct tree tree = {};
        uint64_t left = BUNDLE_SIZE_MAX;
        int r = tree_read(source_fd, &tree, report);

        bundle_report_asked(report, BUNDLE_CHECK_SOURCE_READABLE, BUNDLE_CHECK_SOURCE_ROOM);
        if (r < 0 || report->n_failed > 0)
                return r;
        for (size_t i = 0; i < tree.n_entries && r >= 0; i++) {
                if (!tree.entries[i].is_folder) {
                        r = copy_file(source_fd, target_fd, &tree.entries[i], &left, report);
                        continue;
                }
                r = stage_create_folder(target_fd, tree.entries[i].path);
                if (r < 0)
                        fail_room(report, tree.entries[i].path, r);
        }
        return r;
}

int bundle_stage(int source_fd, int target_fd, struct bundle_report *report)
{
        struct stat st;
        int r;

        if (fstat(source_fd, &st))
                return -errno;
        umask(022);
        if (S_ISDIR(st.st_mode)) {
                r = copy_folder(source_fd, target_fd, report);
        } else if (S_ISREG(st.st_mode)) {
                r = archive_unpack(source_fd, target_fd, report);
        } else {
                bundle_report_fail(report, BUNDLE_CHECK_SOURCE_READABLE, NULL, NULL,
                                   "is neither a folder nor an archive");
                r = 0;
        }
        if (r < 0 && report->n_failed == 0)
                return r; /* nothing else says so */
        return bundle_report_finish(report, BUNDLE_CHECK_SOURCE_READABLE, BUNDLE_CHECK_FILE_CASE);
}
