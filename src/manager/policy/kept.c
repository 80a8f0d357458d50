/* SPDX-License-Identifier: Apache-2.0 */

/* In STATE/policy, each under its name. The state directory is not made for it. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "manager/policy/kept.h"
#include "manager/priv/staged.h"

#define FOLDER   "policy"
#define TEXT_MAX (1024 * 1024)

static int open_state(const char *state_directory)
{
        int fd = open(state_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int open_folder(const char *state_directory)
{
        _cleanup_fd_ int state_fd = open_state(state_directory);

        return state_fd < 0 ? state_fd : staged_open(state_fd, FOLDER);
}

static int make_folder(const char *state_directory)
{
        _cleanup_fd_ int state_fd = open_state(state_directory);

        return state_fd < 0 ? state_fd : staged_make(state_fd, FOLDER, 0, 0700);
}

static int read_all(int fd, char **ret_text, size_t *ret_size, uint64_t *ret_since_ns)
{
        _cleanup_free_ char *text = malloc(TEXT_MAX + 1);
        struct stat st;
        ssize_t n;

        if (!text)
                return -ENOMEM;
        if (fstat(fd, &st) < 0 || (n = read(fd, text, TEXT_MAX)) < 0)
                return -errno;
        text[n] = '\0';
        *ret_text = take_ptr(text);
        *ret_size = (size_t)n;
        *ret_since_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000ULL + (uint64_t)st.st_mtim.tv_nsec;
        return 0;
}

int kept_read(const char *state_directory, const char *name, char **ret_text, size_t *ret_size,
              uint64_t *ret_since_ns)
{
        _cleanup_fd_ int folder_fd = open_folder(state_directory);
        _cleanup_fd_ int fd = folder_fd < 0 ? folder_fd : staged_read_file(folder_fd, name);

        return fd < 0 ? fd : read_all(fd, ret_text, ret_size, ret_since_ns);
}

static bool is_kept(const char *state_directory, const char *name, const char *text)
{
        _cleanup_free_ char *kept = NULL;
        uint64_t since_ns;
        size_t size;

        return kept_read(state_directory, name, &kept, &size, &since_ns) >= 0 &&
               strcmp(kept, text) == 0;
}

int kept_write(const char *state_directory, const char *name, const char *text)
{
        _cleanup_fd_ int folder_fd = -1;

        if (is_kept(state_directory, name, text))
                return 0;
        folder_fd = make_folder(state_directory);
        return folder_fd < 0 ? folder_fd : staged_replace_file(folder_fd, name, text, strlen(text));
}

void kept_for_each(const char *state_directory, int (*fn)(const char *name, void *userdata),
                   void *userdata)
{
        _cleanup_fd_ int folder_fd = open_folder(state_directory);

        if (folder_fd >= 0)
                (void)staged_for_each(folder_fd, ".", fn, userdata);
}

void kept_forget(const char *state_directory, const char *name)
{
        _cleanup_fd_ int folder_fd = open_folder(state_directory);

        if (folder_fd >= 0)
                (void)staged_remove(folder_fd, name);
}
