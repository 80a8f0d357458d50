/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a process of an extension writes to stdout and stderr: a pipe, whose other end we read.
 * The process has both ends of it, in a sense: writing neither blocks nor ends it, whether we
 * read or are gone, and the next netextd opens the pipe again through /proc.
 */

#include <systemd/sd-event.h>

struct run;

struct words {
        int fd; /* where we read */
        sd_event_source *source;
        uint64_t lines_at_ms; /* start of the second in which n_lines were logged */
        unsigned int n_lines;
};

#define WORDS_NULL                                                                                 \
        {                                                                                          \
                .fd = -1                                                                           \
        }

/* The process's end, for spawn(); caller owns. 0 or negative errno. */
int words_open(struct run *run, int *ret_fd);
/* Of a process that runs already. Without them it has none. */
void words_adopt(struct run *run);
/* Reads what is there; then the process has no more to say. */
void words_end(struct run *run);
/* Fine on WORDS_NULL and twice. */
void words_close(struct words *words);
