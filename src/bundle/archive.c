/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Unpacks an archive that a stranger made. libarchive knows tar and three compressions here,
 * and nothing else that it could; it says what is in the archive, and we make the files. What
 * an archive costs is bounded in entries, in bytes, and in bytes for each byte of its own.
 */

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "bundle/bundle.h"
#include "bundle/stage.h"
#include "bundle/text.h"

#define BLOCK_SIZE   (64 * 1024)
#define MODE_SPECIAL (S_ISUID | S_ISGID | S_ISVTX)

struct unpacking {
        struct archive *archive;
        int target_fd;
        struct bundle_report *report;
        const char *path; /* of the entry that is looked at, without "./"; borrowed */
        uint64_t n_entries;
        uint64_t size;
        char block[BLOCK_SIZE];
};

#define fail(unpacking, check, ...)                                                                \
        bundle_report_fail((unpacking)->report, BUNDLE_CHECK_##check, (unpacking)->path, NULL,     \
                           __VA_ARGS__)

/* What was said is in the report: there is nothing to go on with. */
#define STOP (-EBADMSG)

static void cleanup_archive(struct archive **archive)
{
        archive_read_free(*archive);
}

static int fail_form(struct unpacking *unpacking)
{
        const char *problem = archive_error_string(unpacking->archive);

        if (archive_errno(unpacking->archive) == ENOMEM)
                return -ENOMEM;
        fail(unpacking, ARCHIVE_FORM, "is no whole tar archive, plain or in gzip or zstd: %s",
             problem && text_is_printable(problem) ? problem : "it cannot be read");
        return STOP;
}

static const char *type_name(struct archive_entry *entry)
{
        if (archive_entry_hardlink(entry))
                return "a hard link";
        switch (archive_entry_filetype(entry)) {
        case AE_IFLNK:
                return "a symbolic link";
        case AE_IFCHR:
                return "a character device";
        case AE_IFBLK:
                return "a block device";
        case AE_IFIFO:
                return "a FIFO";
        case AE_IFSOCK:
                return "a socket";
        default:
                return "something else";
        }
}

/* 1: go on with it, 0: it was complained of, or is the bundle's folder itself. */
static int check_entry(struct unpacking *unpacking, struct archive_entry *entry, char *path)
{
        bool is_folder = archive_entry_filetype(entry) == AE_IFDIR;
        mode_t special = is_folder ? S_ISUID | S_ISVTX : MODE_SPECIAL;
        size_t length = strlen(path);
        const char *problem;

        if (is_folder && length > 0 && path[length - 1] == '/')
                path[length - 1] = '\0';
        if (is_folder && (!*path || strcmp(path, ".") == 0))
                return 0;
        problem = path_problem(path);
        if (problem) {
                fail(unpacking, ARCHIVE_PATH, "%s", problem);
                return 0;
        }
        if (archive_entry_hardlink(entry) ||
            (!is_folder && archive_entry_filetype(entry) != AE_IFREG)) {
                fail(unpacking, ARCHIVE_TYPE, "is %s: a bundle has files and folders only",
                     type_name(entry));
                return 0;
        }
        if (archive_entry_perm(entry) & special) {
                fail(unpacking, ARCHIVE_MODE,
                     "has mode %04o: set-uid, set-gid and sticky bits have no place in a bundle",
                     archive_entry_perm(entry) & 07777);
                return 0;
        }
        return 1;
}

/* What is about to be unpacked, by what the entry says. */
static int check_size(struct unpacking *unpacking, int64_t size)
{
        if (size >= 0 && (uint64_t)size <= BUNDLE_SIZE_MAX - unpacking->size)
                return 0;
        fail(unpacking, ARCHIVE_SIZE, "is too much: with it the files have more than %d MiB",
             BUNDLE_SIZE_MAX >> 20);
        return STOP;
}

static int check_ratio(struct unpacking *unpacking)
{
        int64_t n_read = archive_filter_bytes(unpacking->archive, -1);

        if (unpacking->size <= STAGE_RATIO_FROM ||
            unpacking->size / STAGE_RATIO_MAX <= (uint64_t)(n_read > 0 ? n_read : 0))
                return 0;
        fail(unpacking, ARCHIVE_RATIO, "unpacks to more than %d times the bytes of the archive",
             STAGE_RATIO_MAX);
        return STOP;
}

/* size: what the entry says that it has. */
static int unpack_bytes(struct unpacking *unpacking, int fd, int64_t size)
{
        for (;;) {
                ssize_t n = archive_read_data(unpacking->archive, unpacking->block, BLOCK_SIZE);
                int r;

                if (n == ARCHIVE_RETRY)
                        continue;
                if (n < 0)
                        return fail_form(unpacking);
                if (n == 0 && size != 0)
                        fail(unpacking, ARCHIVE_FORM,
                             "is sparse, or not all there: %ld bytes of it are missing",
                             (long)size);
                if (n == 0)
                        return 0;
                size -= n;
                unpacking->size += (uint64_t)n;
                r = check_ratio(unpacking);
                if (r < 0)
                        return r;
                r = stage_write(fd, unpacking->block, (size_t)n);
                if (r < 0) {
                        fail(unpacking, SOURCE_ROOM, "cannot be copied here: %s", strerror(-r));
                        return STOP;
                }
        }
}

static int fail_create(struct unpacking *unpacking, int error)
{
        if (error == -EEXIST)
                fail(unpacking, ARCHIVE_DUPLICATE, "is in the archive twice");
        else if (error == -ENOTDIR)
                fail(unpacking, ARCHIVE_DUPLICATE, "is in the archive as a file and as a folder");
        else
                fail(unpacking, SOURCE_ROOM, "cannot be copied here: %s", strerror(-error));
        return STOP;
}

static int unpack_entry(struct unpacking *unpacking, struct archive_entry *entry, char *path)
{
        _cleanup_fd_ int fd = -1;
        int r = check_entry(unpacking, entry, path);

        if (r <= 0)
                return r;
        if (archive_entry_filetype(entry) == AE_IFDIR) {
                r = stage_create_folder(unpacking->target_fd, path);
                return r < 0 ? fail_create(unpacking, r) : 0;
        }
        r = check_size(unpacking, archive_entry_size(entry));
        if (r < 0)
                return r;
        fd = stage_create(unpacking->target_fd, path, archive_entry_perm(entry) & 0111);
        if (fd < 0)
                return fail_create(unpacking, fd);
        return unpack_bytes(unpacking, fd, archive_entry_size(entry));
}

/* One entry. 1: there may be more, 0: that was all. */
static int unpack_next(struct unpacking *unpacking)
{
        _cleanup_free_ char *path = NULL;
        struct archive_entry *entry;
        const char *name;
        int r = archive_read_next_header(unpacking->archive, &entry);

        unpacking->path = NULL;
        if (r == ARCHIVE_EOF)
                return 0;
        if (r == ARCHIVE_RETRY)
                return 1;
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
                return fail_form(unpacking);
        if (++unpacking->n_entries > BUNDLE_FILES_MAX) {
                fail(unpacking, ARCHIVE_COUNT, "has more than %d entries", BUNDLE_FILES_MAX);
                return STOP;
        }
        name = archive_entry_pathname(entry);
        if (!name) {
                fail(unpacking, ARCHIVE_PATH, "has an entry without a name that can be read");
                return 1;
        }
        path = strdup(strncmp(name, "./", 2) == 0 ? name + 2 : name);
        if (!path)
                return -ENOMEM;
        unpacking->path = path;
        r = unpack_entry(unpacking, entry, path);
        unpacking->path = NULL;
        return r < 0 ? r : 1;
}

/* A filter that would start a program is refused as well: that is what ARCHIVE_WARN means. */
static int open_archive(struct unpacking *unpacking, int archive_fd)
{
        struct archive *archive = unpacking->archive;

        if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
            archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
            archive_read_support_filter_zstd(archive) != ARCHIVE_OK)
                return -ENOTSUP;
        if (archive_read_open_fd(archive, archive_fd, BLOCK_SIZE) != ARCHIVE_OK)
                return fail_form(unpacking);
        return 0;
}

int archive_unpack(int archive_fd, int target_fd, struct bundle_report *report)
{
        _cleanup_(cleanup_archive) struct archive *archive = archive_read_new();
        _cleanup_free_ struct unpacking *unpacking = calloc(1, sizeof(*unpacking));
        int r;

        if (!archive || !unpacking)
                return -ENOMEM;
        unpacking->archive = archive;
        unpacking->target_fd = target_fd;
        unpacking->report = report;
        bundle_report_asked(report, BUNDLE_CHECK_SOURCE_READABLE, BUNDLE_CHECK_ARCHIVE_RATIO);
        r = open_archive(unpacking, archive_fd);
        if (r < 0)
                return r == STOP ? 0 : r;
        do
                r = unpack_next(unpacking);
        while (r > 0);
        return r == STOP ? 0 : r;
}
