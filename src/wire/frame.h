/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an app and an extension say to each other over a named endpoint: netext-endpoint(7) is
 * this file for everybody else. One packet of a SOCK_SEQPACKET socket is one frame: a header
 * of 16 bytes, little endian (u16 type, u16 number of descriptors beside it, i32 value,
 * u64 id), and the payload, which is the two programs' own. Never reuse a number.
 */

#include <stddef.h>
#include <stdint.h>

#define FRAME_VERSION     1
#define FRAME_HEADER_SIZE 16
#define FRAME_PAYLOAD_MAX (64 * 1024)
#define FRAME_SIZE_MAX    (FRAME_HEADER_SIZE + FRAME_PAYLOAD_MAX)
#define FRAME_FDS_MAX     8

enum frame_type {
        FRAME_WELCOME = 1, /* the extension has the connection; value: FRAME_VERSION */
        FRAME_REFUSED,     /* then the end; value: negative errno; payload: why, for people */
        FRAME_MESSAGE,     /* nothing comes back */
        FRAME_QUESTION,    /* answered once, under its id */
        FRAME_ANSWER,      /* value: 0, or negative errno with a payload that says why */
        FRAME_EVENT,       /* id: its number; value: how many before it were dropped */
        FRAME_CREDIT,      /* value: so many more events may be sent */
        FRAME_GOODBYE,     /* connect again for what is new; what has begun goes on here. The app
                              says it too, after its last question here */
        _FRAME_TYPE_MAX,
};

struct frame {
        enum frame_type type;
        int32_t value;
        uint64_t id;
        const void *payload; /* borrowed */
        size_t size;
        int fds[FRAME_FDS_MAX]; /* received: owned; sent: borrowed */
        size_t n_fds;
};

/*
 * Parses one packet; payload points into it, and n_fds is what the header says.
 * 0, or -EBADMSG with the sentence for people in *ret_problem (static storage).
 */
int frame_parse(const uint8_t *packet, size_t size, struct frame *ret, const char **ret_problem);

/* Sends without waiting. 0; -EAGAIN: the socket is full; -EMSGSIZE; or the socket's error. */
int frame_send(int socket_fd, const struct frame *frame);
/*
 * Receives one packet into buffer, without waiting. 0; -EAGAIN: nothing there; -EPIPE: the other
 * end is closed; -EBADMSG and -EMFILE with the sentence in *ret_problem. Descriptors are the
 * caller's on success, see frame_close_fds(), and closed otherwise.
 */
int frame_receive(int socket_fd, uint8_t buffer[static FRAME_SIZE_MAX], struct frame *ret,
                  const char **ret_problem);
/* The same, but waits until something comes, where the socket waits. -EAGAIN: a signal came. */
int frame_wait(int socket_fd, uint8_t buffer[static FRAME_SIZE_MAX], struct frame *ret,
               const char **ret_problem);
/* Closes those that are not -1. */
void frame_close_fds(struct frame *frame);
