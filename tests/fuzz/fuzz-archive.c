/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/bundle/archive.c src/bundle/stage.c src/bundle/tree.c src/bundle/report.c */
/* fuzz-sources: src/bundle/check.c src/bundle/text.c */
/* fuzz-flags: -larchive */

/*
 * An archive, unpacked into a folder in memory. Whatever it says, nothing but files and folders
 * comes out, within their bounds, and nothing beside the folder.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle/bundle.h"
#include "bundle/stage.h"
#include "bundle/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

/* How many entries the folder has that the target is in. */
static size_t count_entries(const char *path)
{
        struct bundle_report report = {};
        struct tree tree = {};
        int fd = open(path, O_RDONLY | O_DIRECTORY);
        size_t n;

        require(fd >= 0 && tree_read(fd, &tree, &report) == 0);
        require(report.n_failed == 0);
        n = tree.n_entries;
        tree_deinit(&tree);
        bundle_report_deinit(&report);
        close(fd);
        return n;
}

static int archive_of(const uint8_t *data, size_t size)
{
        int fd = memfd_create("archive", MFD_CLOEXEC);

        require(fd >= 0 && stage_write(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
        return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char around[] = "/dev/shm/netext-fuzz-XXXXXX", target[sizeof(around) + 8];
        struct bundle_report report = {};
        int archive_fd = archive_of(data, size), target_fd, r;

        require(mkdtemp(around) != NULL);
        snprintf(target, sizeof(target), "%s/target", around);
        require(mkdir(target, 0755) == 0);
        target_fd = open(target, O_RDONLY | O_DIRECTORY);
        r = archive_unpack(archive_fd, target_fd, &report);
        require(r == 0 || r == -ENOMEM);
        require(count_entries(around) == count_entries(target) + 1);
        close(target_fd);
        close(archive_fd);
        require(nftw(around, remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0);
        bundle_report_deinit(&report);
        return 0;
}
