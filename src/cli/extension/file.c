/* SPDX-License-Identifier: Apache-2.0 */

/* Whole files, and complaints with their names. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/file.h"

#define SIZE_MAX_READ (1024 * 1024)

char *file_read(const char *path, size_t *ret_size)
{
        _cleanup_file_ FILE *file = fopen(path, "re");
        _cleanup_free_ char *text = NULL;
        size_t size;

        if (!file) {
                cli_complain("cannot read '%s': %s", path, strerror(errno));
                return NULL;
        }
        text = malloc(SIZE_MAX_READ + 1);
        if (!text)
                cli_no_memory();
        size = fread(text, 1, SIZE_MAX_READ, file);
        if (ferror(file)) {
                cli_complain("cannot read '%s': %s", path, strerror(errno));
                return NULL;
        }
        text[size] = '\0';
        *ret_size = size;
        return take_ptr(text);
}

/* 0 or negative errno. */
static int write_all(int fd, const char *bytes, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                bytes += n;
                size -= (size_t)n;
        }
        return 0;
}

int file_create(const char *path, mode_t mode, const void *bytes, size_t size)
{
        _cleanup_fd_ int fd =
                open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        int r;

        if (fd < 0)
                return cli_complain("cannot make '%s': %s", path,
                                    errno == EEXIST ? "it is there already" : strerror(errno));
        r = write_all(fd, bytes, size);
        if (r < 0) {
                (void)unlink(path);
                return cli_complain("cannot write '%s': %s", path, strerror(-r));
        }
        return 0;
}

int file_replace(int folder_fd, const char *name, const void *bytes, size_t size)
{
        _cleanup_free_ char *fresh = cli_format(".%s.new", name);
        _cleanup_fd_ int fd = -1;
        int r;

        (void)unlinkat(folder_fd, fresh, 0);
        fd = openat(folder_fd, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        r = write_all(fd, bytes, size);
        if (r >= 0 && renameat(folder_fd, fresh, folder_fd, name))
                r = -errno;
        if (r < 0)
                (void)unlinkat(folder_fd, fresh, 0);
        return r;
}
