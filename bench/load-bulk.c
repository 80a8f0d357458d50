/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bulk stream: writes of 256 KiB for the length of the run, counted as the
 * kernel takes them. What is left in the send buffer at the end is a few MB.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "load.h"

int run_bulk(const struct options *options)
{
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *buffer = calloc(1, BULK_SIZE);
        uint64_t started, n_bytes = 0;
        double seconds;
        int r;

        if (!buffer)
                return -ENOMEM;
        r = alarm_at(options->seconds);
        if (r < 0)
                return r;
        r = connect_blocking(options, &fd);
        if (r < 0)
                return r;

        started = now_ns();
        while (!stopped) {
                ssize_t n = send(fd, buffer, BULK_SIZE, MSG_NOSIGNAL);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0)
                        n_bytes += (uint64_t)n;
        }
        seconds = (double)(now_ns() - started) / (double)NSEC_PER_SEC;

        printf("{\"bytes\": %" PRIu64 ", \"seconds\": %.3f, \"gbit_per_s\": %.3f}\n", n_bytes,
               seconds, (double)n_bytes * 8 / seconds / 1e9);
        return 0;
}
