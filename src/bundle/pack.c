/* SPDX-License-Identifier: Apache-2.0 */

/* Writes archives, sorted as the tree is. */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "bundle/pack.h"

#define BLOCK_SIZE (64 * 1024)

static void cleanup_archive(struct archive **archive)
{
        archive_write_free(*archive);
}

static void cleanup_entry(struct archive_entry **entry)
{
        archive_entry_free(*entry);
}

static int error_of(struct archive *archive)
{
        int error = archive_errno(archive);

        return error > 0 ? -error : -EIO;
}

static int write_header(struct archive *archive, const struct tree_entry *file)
{
        _cleanup_(cleanup_entry) struct archive_entry *entry = archive_entry_new();

        if (!entry)
                return -ENOMEM;
        archive_entry_set_pathname(entry, file->path);
        archive_entry_set_filetype(entry, file->is_folder ? AE_IFDIR : AE_IFREG);
        archive_entry_set_perm(entry, file->is_folder || file->is_executable ? 0755 : 0644);
        archive_entry_set_size(entry, (int64_t)file->size);
        archive_entry_set_mtime(entry, 0, 0);
        return archive_write_header(archive, entry) == ARCHIVE_OK ? 0 : error_of(archive);
}

/* The file may not change meanwhile: -EBUSY. */
static int write_content(struct archive *archive, int fd, uint64_t size)
{
        _cleanup_free_ char *block = malloc(BLOCK_SIZE);

        if (!block)
                return -ENOMEM;
        for (;;) {
                ssize_t n = read(fd, block, BLOCK_SIZE);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return size == 0 ? 0 : -EBUSY;
                if ((uint64_t)n > size)
                        return -EBUSY;
                size -= (uint64_t)n;
                if (archive_write_data(archive, block, (size_t)n) != n)
                        return error_of(archive);
        }
}

static int write_file(struct archive *archive, int folder_fd, const struct tree_entry *entry,
                      const char **ret_path)
{
        _cleanup_fd_ int fd = entry->is_folder ? -1 : tree_open(folder_fd, entry->path);
        int r;

        *ret_path = entry->path;
        if (!entry->is_folder && fd < 0)
                return fd;
        r = write_header(archive, entry);
        return r < 0 || entry->is_folder ? r : write_content(archive, fd, entry->size);
}

int archive_pack(int folder_fd, const struct tree *tree, int archive_fd, const char **ret_path)
{
        _cleanup_(cleanup_archive) struct archive *archive = archive_write_new();
        int r = 0;

        *ret_path = NULL;
        if (!archive)
                return -ENOMEM;
        if (archive_write_set_format_pax_restricted(archive) != ARCHIVE_OK ||
            archive_write_add_filter_zstd(archive) != ARCHIVE_OK ||
            archive_write_open_fd(archive, archive_fd) != ARCHIVE_OK)
                return error_of(archive);
        for (size_t i = 0; i < tree->n_entries && r >= 0; i++)
                r = write_file(archive, folder_fd, &tree->entries[i], ret_path);
        if (r < 0)
                return r;
        *ret_path = NULL;
        return archive_write_close(archive) == ARCHIVE_OK ? 0 : error_of(archive);
}
