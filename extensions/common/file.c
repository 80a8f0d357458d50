/* SPDX-License-Identifier: Apache-2.0 */

/* The bytes of a file that the daemon handed over: its size may change while it is read. */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"

int file_read(int fd, size_t max, char **ret_text, size_t *ret_size)
{
        size_t size = 0, capacity = max + 1;
        char *text = malloc(capacity), *smaller;
        ssize_t n = 1;
        int r;

        if (!text)
                return -ENOMEM;
        while (n > 0 && size < capacity) {
                n = read(fd, text + size, capacity - size);
                if (n < 0) {
                        r = -errno;
                        free(text);
                        return r;
                }
                size += (size_t)n;
        }
        smaller = realloc(text, size ? size : 1); /* for it may be kept */
        *ret_text = smaller ? smaller : text;
        *ret_size = size;
        return 0;
}
