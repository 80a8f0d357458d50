/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Most flows are short: a request, an answer. For these a read and a write through a buffer
 * that is in the cache are the least there is. A read that fills the buffer is followed by
 * splice(2), which copies nothing, and a small splice by the buffer again. Without a pipe the
 * buffer carries everything.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"
#include "relay/stream.h"

/* A stream that has moved this much gets a large pipe. */
#define LARGE_AFTER (4 * 1024 * 1024)
/* Bytes in one turn: a fast stream must not keep the worker from the others. */
#define TURN_BYTES (1024 * 1024)

#define SPLICE_FLAGS (SPLICE_F_NONBLOCK | SPLICE_F_MOVE)

/* EINTR: the pool has interrupted what waited all the same. */
static int try_again_or(int error)
{
        return error == EAGAIN ? 0 : error == EINTR ? -EBADFD : -error;
}

/* Nothing here waits: splice(2) goes by O_NONBLOCK, which those who share the socket may take away
 * again. Time limits are the socket's own, and the least there is is a tick of the kernel's. */
static void side_make_hasty(struct side *side)
{
        const struct timeval least = { .tv_usec = 1 };

        if (!side->is_shared || side->is_hasty)
                return;
        side->is_hasty = true;
        (void)fcntl(side->fd, F_SETFL, O_NONBLOCK);
        (void)setsockopt(side->fd, SOL_SOCKET, SO_RCVTIMEO, &least, sizeof(least));
        (void)setsockopt(side->fd, SOL_SOCKET, SO_SNDTIMEO, &least, sizeof(least));
}

/* Of a splice that failed: EAGAIN also says that such a time is over. */
static int side_splice_error(const struct side *side)
{
        int error = errno;

        if (error == EAGAIN && side->is_shared && !(fcntl(side->fd, F_GETFL) & O_NONBLOCK))
                return EBADFD;
        return error;
}

static int side_read_failed(struct side *side, int error)
{
        if (error == EAGAIN)
                side->readable = false;
        else
                side->is_broken = true;
        return try_again_or(error);
}

static int side_write_failed(struct side *side, int error)
{
        if (error == EAGAIN)
                side->writable = false;
        return try_again_or(error);
}

static bool stream_is_empty(const struct stream *stream)
{
        return !stream->pipe && !stream->rest;
}

static void stream_give_back_pipe(struct stream *stream, struct means *means)
{
        if (stream->pipe)
                pipes_return(&means->pipes, take_ptr(stream->pipe), stream->n_piped == 0);
        stream->n_piped = 0;
}

static int stream_flush_pipe(struct stream *stream, struct means *means)
{
        ssize_t n = splice(stream->pipe->read_fd, NULL, stream->to->fd, NULL, stream->n_piped,
                           SPLICE_FLAGS);

        if (n < 0)
                return side_write_failed(stream->to, side_splice_error(stream->to));
        stream->n_piped -= (size_t)n;
        stream->n_bytes += (uint64_t)n;
        if (stream->n_piped == 0)
                stream_give_back_pipe(stream, means);
        return 0;
}

/* Sets *ret_n to what the receiver took, which may be nothing. */
static int stream_send(struct stream *stream, const char *bytes, size_t size, size_t *ret_n)
{
        ssize_t n = send(stream->to->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        *ret_n = n < 0 ? 0 : (size_t)n;
        if (n < 0)
                return side_write_failed(stream->to, errno);
        stream->n_bytes += (uint64_t)n;
        return 0;
}

static int stream_flush_rest(struct stream *stream)
{
        struct rest *rest = stream->rest;
        size_t n;
        int r;

        r = stream_send(stream, rest->bytes + rest->start, rest->size - rest->start, &n);
        if (r < 0)
                return r;
        rest->start += n;
        if (rest->start == rest->size)
                free(take_ptr(stream->rest));
        return 0;
}

static int stream_keep_rest(struct stream *stream, const char *bytes, size_t size)
{
        struct rest *rest = malloc(sizeof(*rest) + size);

        if (!rest)
                return -ENOMEM;
        *rest = (struct rest){ .size = size };
        memcpy(rest->bytes, bytes, size);
        stream->rest = rest;
        return 0;
}

/* A short read has emptied the socket, so the next one is saved. Not if the socket is at its
 * end, which only a read tells, or at urgent data, in front of which reads stop. */
static void stream_note_read(struct stream *stream, size_t n)
{
        stream->is_bulk = n == STREAM_BUFFER_SIZE;
        stream->is_at_end = n == 0;
        if (!stream->is_bulk && !stream->from->reads_to_end)
                stream->from->readable = false;
}

static int stream_copy(struct stream *stream, struct means *means)
{
        ssize_t n_read = recv(stream->from->fd, means->buffer, STREAM_BUFFER_SIZE, MSG_DONTWAIT);
        size_t n_sent;
        int r;

        if (n_read < 0)
                return side_read_failed(stream->from, errno);
        stream_note_read(stream, (size_t)n_read);
        if (n_read == 0)
                return 0;
        r = stream_send(stream, means->buffer, (size_t)n_read, &n_sent);
        if (r < 0 || n_sent == (size_t)n_read)
                return r;
        return stream_keep_rest(stream, means->buffer + n_sent, (size_t)n_read - n_sent);
}

/* In front of urgent data a splice returns 0 or EAGAIN, as at the end or in front of nothing. Then
 * it is the turn of the buffer, whose read tells. A pipe has a number of slots, so a short splice
 * says nothing about the socket. */
static int stream_fill_pipe(struct stream *stream, struct means *means)
{
        ssize_t n = splice(stream->from->fd, NULL, stream->pipe->write_fd, NULL, stream->pipe->size,
                           SPLICE_FLAGS);
        int error = n < 0 ? side_splice_error(stream->from) : 0;

        stream->n_piped = n < 0 ? 0 : (size_t)n;
        stream->is_bulk = n >= STREAM_BUFFER_SIZE;
        if (n <= 0)
                stream_give_back_pipe(stream, means);
        if (n >= 0 || (error == EAGAIN && stream->from->reads_to_end))
                return 0;
        return side_read_failed(stream->from, error);
}

static int stream_read(struct stream *stream, struct means *means)
{
        if (stream->is_bulk)
                stream->pipe = pipes_borrow(&means->pipes, stream->n_bytes >= LARGE_AFTER);
        if (!stream->pipe)
                return stream_copy(stream, means);
        side_make_hasty(stream->from);
        side_make_hasty(stream->to);
        return stream_fill_pipe(stream, means);
}

static int stream_flush(struct stream *stream, struct means *means)
{
        return stream->pipe ? stream_flush_pipe(stream, means) : stream_flush_rest(stream);
}

int stream_carry(struct stream *stream, struct means *means)
{
        uint64_t turn_end = stream->n_bytes + TURN_BYTES;
        int r = 0;

        while (r >= 0) {
                if (!stream_is_empty(stream)) {
                        if (!stream->to->writable)
                                return STREAM_WAITS;
                        r = stream_flush(stream, means);
                } else if (stream->is_at_end || !stream->from->readable) {
                        return STREAM_WAITS;
                } else if (stream->n_bytes >= turn_end) {
                        return STREAM_E_TURN;
                } else {
                        r = stream_read(stream, means);
                }
        }
        return r;
}

/* ENOTCONN: the receiver was reset meanwhile, which its own event tells. */
static void stream_finish(struct stream *stream)
{
        (void)shutdown(stream->to->fd, SHUT_WR);
        stream->is_over = true;
}

int stream_pump(struct stream *stream, struct means *means)
{
        int r = stream_carry(stream, means);

        if (r >= 0 && !stream->is_over && stream->is_at_end && stream_is_empty(stream))
                stream_finish(stream);
        return r;
}

void stream_deinit(struct stream *stream, struct means *means)
{
        stream_give_back_pipe(stream, means);
        free(take_ptr(stream->rest));
}
