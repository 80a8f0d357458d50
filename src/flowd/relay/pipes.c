/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two sizes: what the kernel gives by itself (64 KiB), and 1 MiB for streams that move much.
 * The kernel counts a user's pipe pages (pipe-user-pages-soft, 64 MiB); above that a process
 * without CAP_SYS_RESOURCE gets no large pipe, and new ones of two pages, which are worse than
 * none. The bounds keep four workers below. An empty pipe has no pages, so idle ones are cheap;
 * they are bounded because of their descriptors.
 */

#include <fcntl.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "relay/pipes.h"

#define SMALL_MAX  128
#define LARGE_MAX  8
#define IDLE_MAX   16
#define LARGE_SIZE (1024 * 1024)
#define SMALL_SIZE (64 * 1024)
/* A refusal costs a few system calls, so it is taken for an answer for a while. */
#define SKIPS_AFTER_REFUSAL 256

static const unsigned int pipes_max[2] = { SMALL_MAX, LARGE_MAX };

void pipes_init(struct pipes *pipes)
{
        *pipes = (struct pipes){};
        list_init(&pipes->idle[false]);
        list_init(&pipes->idle[true]);
}

static void pipe_close(struct pipe *pipe)
{
        close_fd(pipe->read_fd);
        close_fd(pipe->write_fd);
        free(pipe);
}

void pipes_deinit(struct pipes *pipes)
{
        struct pipe *pipe;

        for (int is_large = false; is_large <= true; is_large++)
                while ((pipe = list_first(&pipes->idle[is_large], struct pipe, link))) {
                        list_remove(&pipe->link);
                        pipe_close(pipe);
                }
}

static struct pipe *pipe_open(bool is_large)
{
        struct pipe *pipe = malloc(sizeof(*pipe));
        int fds[2];

        if (!pipe)
                return NULL;
        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
                free(pipe);
                return NULL;
        }
        *pipe = (struct pipe){ .read_fd = fds[0], .write_fd = fds[1], .is_large = is_large };
        list_init(&pipe->link);
        pipe->size = is_large ? LARGE_SIZE : SMALL_SIZE;
        if (is_large && fcntl(pipe->write_fd, F_SETPIPE_SZ, LARGE_SIZE) < 0) {
                pipe_close(pipe);
                return NULL;
        }
        return pipe;
}

static struct pipe *pipes_take_idle(struct pipes *pipes, bool is_large)
{
        struct pipe *pipe = list_first(&pipes->idle[is_large], struct pipe, link);

        if (pipe) {
                list_remove(&pipe->link);
                pipes->n_idle[is_large]--;
        }
        return pipe;
}

static struct pipe *pipes_add(struct pipes *pipes, bool is_large)
{
        struct pipe *pipe;

        if (pipes->n_pipes[is_large] == pipes_max[is_large])
                return NULL;
        if (pipes->n_skips[is_large] > 0) {
                pipes->n_skips[is_large]--;
                return NULL;
        }
        pipe = pipe_open(is_large);
        if (pipe)
                pipes->n_pipes[is_large]++;
        else
                pipes->n_skips[is_large] = SKIPS_AFTER_REFUSAL;
        return pipe;
}

struct pipe *pipes_borrow(struct pipes *pipes, bool wants_large)
{
        struct pipe *pipe = pipes_take_idle(pipes, wants_large);

        if (!pipe)
                pipe = pipes_add(pipes, wants_large);
        if (!pipe)
                pipe = pipes_take_idle(pipes, !wants_large);
        if (!pipe && wants_large)
                pipe = pipes_add(pipes, false);
        return pipe;
}

void pipes_return(struct pipes *pipes, struct pipe *pipe, bool is_empty)
{
        if (!is_empty || pipes->n_idle[pipe->is_large] == IDLE_MAX) {
                pipes->n_pipes[pipe->is_large]--;
                pipe_close(pipe);
                return;
        }
        /* The one that was used last is the one whose slots are in the cache. */
        list_append(pipes->idle[pipe->is_large].next, &pipe->link);
        pipes->n_idle[pipe->is_large]++;
}
