/* SPDX-License-Identifier: Apache-2.0 */

/* By read(2): stdio would keep a copy that nobody wipes. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/key/input.h"

static int read_all(struct input *input, int fd, const char *shown)
{
        ssize_t n = 1;

        while (n != 0 && input->size < sizeof(input->bytes)) {
                n = read(fd, input->bytes + input->size, sizeof(input->bytes) - input->size);
                if (n < 0 && errno != EINTR)
                        return cli_complain("cannot read %s: %s", shown, strerror(errno));
                input->size += n > 0 ? (size_t)n : 0;
        }
        if (input->size > NX_SECRET_SIZE_MAX)
                return cli_complain("%s is too large: expected at most 64 KiB", shown);
        return input->size > 0 ? 0 : cli_complain("%s is empty", shown);
}

int input_read(struct input *input, const char *path)
{
        _cleanup_fd_ int fd = -1;

        input->size = 0;
        if (strcmp(path, "-") == 0)
                return read_all(input, STDIN_FILENO, "standard input");
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? cli_complain("cannot read %s: %s", path, strerror(errno))
                      : read_all(input, fd, path);
}

void input_forget(struct input *input)
{
        explicit_bzero(input->bytes, sizeof(input->bytes));
}
