/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Order is kept: once a frame waits, all behind it wait too. Memory is bounded by not reading:
 * who does not read our answers, or asks more than we answer, is not read from, and meets a full
 * socket. Nothing here blocks.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "sdk/endpoint-link.h"

/* So many frames in one round of the loop: others wait too. */
#define ROUND_FRAMES 32

struct waiting {
        struct list list;   /* link.waiting */
        struct frame frame; /* its descriptors are owned */
        uint8_t payload[];
};

static struct waiting *waiting_free(struct waiting *waiting)
{
        if (!waiting)
                return NULL;
        list_remove(&waiting->list);
        frame_close_fds(&waiting->frame);
        free(waiting);
        return NULL;
}

static int waiting_new(struct waiting **ret, const struct frame *frame)
{
        struct waiting *waiting = malloc(sizeof(*waiting) + frame->size);

        if (!waiting)
                return -ENOMEM;
        list_init(&waiting->list);
        waiting->frame = *frame;
        waiting->frame.payload = waiting->payload;
        waiting->frame.n_fds = 0;
        if (frame->size > 0)
                memcpy(waiting->payload, frame->payload, frame->size);
        for (size_t i = 0; i < frame->n_fds; i++) {
                int copy = fcntl(frame->fds[i], F_DUPFD_CLOEXEC, 3), error = errno;

                if (copy < 0) {
                        waiting_free(waiting);
                        return -error;
                }
                waiting->frame.fds[waiting->frame.n_fds++] = copy;
        }
        *ret = waiting;
        return 0;
}

struct link *link_new(struct loop *loop, const struct link_ops *ops, void *userdata)
{
        struct link *link = calloc(1, sizeof(*link));

        if (!link)
                return NULL;
        link->loop = loop;
        link->io = (struct loop_io)LOOP_IO_NULL;
        link->ops = ops;
        link->userdata = userdata;
        list_init(&link->list);
        list_init(&link->waiting);
        list_init(&link->asked);
        list_init(&link->owed);
        return link;
}

static void link_drop_first(struct link *link)
{
        struct waiting *first = list_first(&link->waiting, struct waiting, list);

        link->n_waiting_bytes -= first->frame.size;
        link->n_waiting_fds -= first->frame.n_fds;
        waiting_free(first);
}

struct link *link_free(struct link *link)
{
        if (!link)
                return NULL;
        link_close(link);
        while (link_has_waiting(link))
                link_drop_first(link);
        list_remove(&link->list);
        free(link);
        return NULL;
}

void link_close(struct link *link)
{
        int fd = link->io.fd;

        if (fd < 0)
                return;
        loop_remove(link->loop, &link->io);
        close_fd(fd);
}

static void link_end(struct link *link, int error, const char *problem)
{
        if (!link_is_open(link))
                return;
        link_close(link);
        link->ops->ended(link, error, problem, link->userdata);
}

/* Read while we owe little and are listened to. */
static void link_watch(struct link *link)
{
        bool is_blocked = link_has_waiting(link) && !link->is_held;
        uint32_t events = 0;

        if (!link_is_open(link))
                return;
        if (is_blocked || link->wants_room)
                events |= EPOLLOUT;
        if (!is_blocked && link->n_owed < LINK_OWED_MAX)
                events |= EPOLLIN;
        if (events == link->events)
                return;
        link->events = events;
        (void)loop_modify(link->loop, &link->io, events);
}

void link_set_owed(struct link *link, int change)
{
        link->n_owed += (unsigned int)change;
        link_watch(link);
}

/* False: the socket is full, or the link has ended. */
static bool link_flush(struct link *link)
{
        while (link_has_waiting(link)) {
                struct waiting *first = list_first(&link->waiting, struct waiting, list);
                int r = frame_send(link->io.fd, &first->frame);

                if (r == -EAGAIN)
                        return false;
                /* That the other side is gone is told by reading, behind what it still said. */
                if (r < 0 && r != -EPIPE) {
                        link_end(link, r, strerror(-r));
                        return false;
                }
                link_drop_first(link);
        }
        return true;
}

/* What a frame receiver returned. True: there may be more. */
static bool link_handle(struct link *link, int r, struct frame *frame, const char *problem)
{
        /* Who asked waits, and sends nothing; one-way frames come in numbers. */
        bool is_alone = r >= 0 && (frame->type == FRAME_QUESTION || frame->type == FRAME_ANSWER);

        if (r == -EAGAIN)
                return false;
        if (r >= 0) {
                r = link->ops->frame(link, frame, &problem, link->userdata);
                frame_close_fds(frame);
        }
        if (r < 0)
                link_end(link, r, problem ?: strerror(-r));
        return !is_alone && link_is_open(link) && link->events & EPOLLIN;
}

static void link_read(struct link *link)
{
        uint8_t buffer[FRAME_SIZE_MAX];
        bool goes_on = true;

        for (int i = 0; i < ROUND_FRAMES && goes_on; i++) {
                const char *problem = NULL;
                struct frame frame;
                int r = frame_receive(link->io.fd, buffer, &frame, &problem);

                goes_on = link_handle(link, r, &frame, problem);
        }
}

void link_wait(struct link *link)
{
        uint8_t buffer[FRAME_SIZE_MAX];
        const char *problem = NULL;
        struct frame frame;
        int r = frame_wait(link->io.fd, buffer, &frame, &problem);

        (void)link_handle(link, r, &frame, problem);
}

static int link_on_io(uint32_t events, void *userdata)
{
        struct link *link = userdata;

        if (events & EPOLLOUT && link_flush(link)) {
                link->wants_room = false;
                link_watch(link);
                link->ops->drained(link, link->userdata);
        }
        /* Nobody reads any more, so that waiting for them makes no sense. */
        if (link_is_open(link) && events & EPOLLHUP)
                link->events |= EPOLLIN;
        if (link_is_open(link) && link->events & EPOLLIN && events & (EPOLLIN | EPOLLHUP))
                link_read(link);
        return 0;
}

int link_open(struct link *link, int fd)
{
        int r;

        link->events = EPOLLIN;
        r = loop_add(link->loop, &link->io, fd, link->events, link_on_io, link);
        if (r < 0)
                close_fd(fd);
        return r;
}

void link_release(struct link *link)
{
        link->is_held = false;
        (void)link_flush(link);
        link_watch(link);
}

int link_send_anyway(struct link *link, const struct frame *frame)
{
        struct waiting *waiting = NULL;
        int r;

        if (frame->size > FRAME_PAYLOAD_MAX)
                return -EMSGSIZE;
        if (link_is_open(link) && !link->is_held && !link_has_waiting(link)) {
                r = frame_send(link->io.fd, frame);
                if (r != -EAGAIN)
                        return r == -EPIPE ? 0 : r; /* reading tells */
        }
        r = waiting_new(&waiting, frame);
        if (r < 0)
                return r;
        list_append(&link->waiting, &waiting->list);
        link->n_waiting_bytes += frame->size;
        link->n_waiting_fds += frame->n_fds;
        link_watch(link);
        return 0;
}

int link_try_send(struct link *link, const struct frame *frame)
{
        int r = -EAGAIN;

        if (!link_is_open(link) || link->is_held)
                return r;
        if (!link_has_waiting(link))
                r = frame_send(link->io.fd, frame);
        if (r == -EAGAIN) {
                link->wants_room = true;
                link_watch(link);
        }
        return r;
}

int link_send(struct link *link, const struct frame *frame)
{
        if (link_has_waiting(link) && (link->n_waiting_bytes + frame->size > LINK_WAITING_MAX ||
                                       link->n_waiting_fds + frame->n_fds > LINK_WAITING_FDS_MAX))
                return -EAGAIN;
        return link_send_anyway(link, frame);
}
