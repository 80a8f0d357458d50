/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One end of a SOCK_SEQPACKET connection that carries messages in batches, with
 * descriptors beside them. The receiver never blocks; what the peer does not read is
 * kept up to backlog_max bytes and then refused.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/codec.h"

#define CHANNEL_FDS_MAX     8
#define CHANNEL_BACKLOG_MAX (8 * 1024 * 1024)
/* Descriptors that wait beside it: they are fewer than bytes, for everybody in the process. */
#define CHANNEL_BACKLOG_FDS_MAX 64

struct channel_fds {
        int fds[CHANNEL_FDS_MAX]; /* owned */
        size_t n;
};

struct channel_packet; /* a datagram that waits for the socket to take it */

struct channel {
        int fd; /* owned */
        uint8_t *batch;
        struct wire_writer writer; /* over batch */
        struct channel_fds fds;    /* of its messages */
        struct channel_packet *first, **last;
        size_t backlog;
        size_t backlog_max; /* CHANNEL_BACKLOG_MAX, unless its owner trusts the peer with more */
        size_t n_backlog_fds;
        bool may_lack_fds; /* a descriptor that we have no room for is our fault: see below */
        int begin_error;   /* a full batch was lost by channel_begin(): for channel_end() to say */
        const char *problem; /* why the last receive failed, for people */
};

#define CHANNEL_NULL                                                                               \
        {                                                                                          \
                .fd = -1                                                                           \
        }

/* Makes a connected pair, both ends close-on-exec and non-blocking. 0 or negative errno. */
int channel_pair(int ret_fds[2]);

/* Takes fd over, also on failure. */
int channel_init(struct channel *channel, int fd);
/* Closes; unsent messages are lost. Fine on CHANNEL_NULL and twice. */
void channel_deinit(struct channel *channel);

/*
 * Starts a message in the current batch; end it with channel_end(). The batch is sent
 * by channel_flush(), or earlier where it is full.
 */
struct wire_writer *channel_begin(struct channel *channel, enum wire_message_type type,
                                  uint64_t id);
/* 0, -EMSGSIZE (this message is lost), -ENOBUFS (backlog full; messages before it are lost),
 * or the socket's error. */
int channel_end(struct channel *channel);
/* Like channel_end(), with fd, which is handed over on success and closed once it is sent. On any
 * error this message is lost, and -ENOBUFS is also that too many descriptors wait. */
int channel_end_with_fd(struct channel *channel, int fd);
/* The same where fd stays the caller's. */
int channel_end_with_copy(struct channel *channel, int fd);
/* 0 also while bytes wait: see channel_wants_write(). */
int channel_flush(struct channel *channel);
/* The same for who has nothing else to do: waits until the peer took all. */
int channel_flush_all(struct channel *channel);
bool channel_wants_write(const struct channel *channel);
/* Would channel_end_with_fd() have to refuse? */
bool channel_is_full(const struct channel *channel);

/* fd: the message's descriptor, or -1; take it with take_fd(), else it is closed after the call.
 * With may_lack_fds it is -1 also where this process has as many as it may (RLIMIT_NOFILE);
 * without, that counts as broken protocol. */
typedef int channel_message_fn(const struct wire_message *message, int *fd, void *userdata);

/*
 * Receives one datagram and calls fn for each message in it.
 * 0; -EAGAIN nothing there; -EPIPE the peer is gone; -EBADMSG the peer broke the protocol
 * (channel->problem); or fn's error, with the rest of the datagram unread.
 */
int channel_receive(struct channel *channel, channel_message_fn *fn, void *userdata);
