/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One socket of a connection to or of an endpoint: frames that come, and frames that wait until
 * the socket takes them, or until there is one. A connection has one link, and more for a while
 * when processes of the extension take over from each other.
 */

#include "base/list.h"
#include "base/loop.h"
#include "wire/frame.h"

/* What may wait, of what nobody asked for. */
#define LINK_WAITING_MAX     (1024 * 1024)
#define LINK_WAITING_FDS_MAX 64
/* The other side's questions that are not answered yet: beyond, nothing is read. */
#define LINK_OWED_MAX 64

struct link;

/* Each may close the link. */
struct link_ops {
        /* Descriptors that it leaves in the frame are closed. 0, or an error for ended(). */
        int (*frame)(struct link *link, struct frame *frame, const char **ret_problem,
                     void *userdata);
        /* Nothing will come or go any more: the link is closed. -EPIPE: so did the other side. */
        void (*ended)(struct link *link, int error, const char *problem, void *userdata);
        /* Everything that waited has been sent, and there is room again. */
        void (*drained)(struct link *link, void *userdata);
};

struct link {
        struct list list;  /* client.leaving */
        struct loop *loop; /* borrowed */
        struct loop_io io; /* its fd is owned; -1: not connected */
        uint32_t events;
        const struct link_ops *ops;
        void *userdata;
        bool is_held;    /* nobody said welcome yet: what is sent waits */
        bool wants_room; /* link_try_send() found none */
        struct list waiting;
        size_t n_waiting_bytes, n_waiting_fds;
        struct list asked; /* asked.list: ours, without an answer */
        struct list owed;  /* nx_question.list: theirs */
        unsigned int n_owed;
        unsigned int n_events; /* that came since we last gave credit */
};

/* NULL: no memory. */
struct link *link_new(struct loop *loop, const struct link_ops *ops, void *userdata);
/* Closes, drops what waits. asked and owed have to be empty. NULL in, NULL out. */
struct link *link_free(struct link *link);

static inline bool link_is_open(const struct link *link)
{
        return link->io.fd >= 0;
}

/* Takes fd over, also on failure. 0 or negative errno. */
int link_open(struct link *link, int fd);
/* What waits stays for another socket. Safe to repeat. */
void link_close(struct link *link);

/* Waits for one frame and handles it: quicker than a round of the loop, where there is nothing
 * else to wait for. */
void link_wait(struct link *link);
static inline bool link_may_wait(const struct link *link)
{
        return link_is_open(link) && !link->is_held && list_is_empty(&link->waiting);
}

/* Sends, or keeps a copy that waits. 0; -EAGAIN: too much waits; or what copying fails with. */
int link_send(struct link *link, const struct frame *frame);
/* The same for what the other side's doing bounds. */
int link_send_anyway(struct link *link, const struct frame *frame);
/* Sends or does not: -EAGAIN, and drained() follows. */
int link_try_send(struct link *link, const struct frame *frame);
/* Somebody said welcome: sends what waits. */
void link_release(struct link *link);
/* There is room for more questions, or not any more. */
void link_set_owed(struct link *link, int change);

static inline bool link_has_waiting(const struct link *link)
{
        return !list_is_empty(&link->waiting);
}
