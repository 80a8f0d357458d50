/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams of the size of a DNS question: a server that sends each back, and a client with a
 * fixed number of them in flight, which counts the answers. It waits 100 ms for one, then takes
 * all that are missing for lost and sends as many anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define DATAGRAM_SIZE 64
#define BATCH         64
#define ANSWER_MS     100
#define UDP_BUFFER    (4 * 1024 * 1024)

struct batch {
        char bytes[BATCH][DATAGRAM_SIZE];
        struct iovec parts[BATCH];
        struct sockaddr_storage peers[BATCH];
        struct mmsghdr messages[BATCH];
};

static void batch_init(struct batch *batch, bool with_peers)
{
        for (unsigned int i = 0; i < BATCH; i++) {
                batch->parts[i] = (struct iovec){ batch->bytes[i], DATAGRAM_SIZE };
                batch->messages[i].msg_hdr = (struct msghdr){
                        .msg_name = with_peers ? &batch->peers[i] : NULL,
                        .msg_namelen = with_peers ? sizeof(batch->peers[i]) : 0,
                        .msg_iov = &batch->parts[i],
                        .msg_iovlen = 1,
                };
        }
}

/* Waits for one, takes what else is there. */
static int batch_receive(struct batch *batch, int fd)
{
        int n = recvmmsg(fd, batch->messages, BATCH, MSG_WAITFORONE, NULL);

        return n < 0 ? -errno : n;
}

/* Fewer, if the socket is full: a datagram more that is lost. */
static int batch_send(struct batch *batch, int fd, unsigned int n)
{
        int n_sent = sendmmsg(fd, batch->messages, n, MSG_NOSIGNAL);

        return n_sent < 0 ? -errno : n_sent;
}

static int socket_with_room(const struct target *target)
{
        const int size = UDP_BUFFER;
        int fd = socket(target->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        return fd;
}

/* --- the server ----------------------------------------------------------------------- */

int run_udp_server(const struct options *options)
{
        static struct batch batch;
        _cleanup_close_ int fd = socket_with_room(&options->target);
        int n;

        if (fd < 0)
                return fd;
        if (bind(fd, (const struct sockaddr *)&options->target.address, options->target.n_address) <
            0)
                return -errno;

        alarm((unsigned int)options->seconds + 1);
        puts("ready");
        fflush(stdout);

        for (;;) {
                batch_init(&batch, true);
                n = batch_receive(&batch, fd);
                if (n > 0)
                        (void)batch_send(&batch, fd, (unsigned int)n);
        }
}

/* --- the client ----------------------------------------------------------------------- */

struct questions {
        struct batch batch;
        int fd;
        uint64_t n_answers;
        uint64_t n_lost;
        uint64_t n_in_flight;
};

static void questions_send(struct questions *questions, uint64_t window)
{
        while (questions->n_in_flight < window) {
                uint64_t n = window - questions->n_in_flight;
                int n_sent = batch_send(&questions->batch, questions->fd,
                                        n < BATCH ? (unsigned int)n : BATCH);

                if (n_sent <= 0)
                        return;
                questions->n_in_flight += (uint64_t)n_sent;
        }
}

/* An answer that comes after it was given up for lost is nobody's. */
static void questions_receive(struct questions *questions)
{
        int n = batch_receive(&questions->batch, questions->fd);
        uint64_t n_answers = n < 0 ? 0 : (uint64_t)n;

        if (n == -EAGAIN) {
                questions->n_lost += questions->n_in_flight;
                questions->n_in_flight = 0;
        }
        if (n_answers > questions->n_in_flight)
                n_answers = questions->n_in_flight;
        questions->n_answers += n_answers;
        questions->n_in_flight -= n_answers;
}

static int questions_open(struct questions *questions, const struct target *target)
{
        const struct timeval patience = { .tv_usec = ANSWER_MS * 1000 };

        batch_init(&questions->batch, false);
        questions->fd = socket_with_room(target);
        if (questions->fd < 0)
                return questions->fd;
        if (setsockopt(questions->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
            connect(questions->fd, (const struct sockaddr *)&target->address, target->n_address) <
                    0)
                return -errno;
        return 0;
}

int run_udp(const struct options *options)
{
        static struct questions questions;
        uint64_t started;
        double seconds;
        int r;

        r = questions_open(&questions, &options->target);
        if (r == 0)
                r = alarm_at(options->seconds);
        if (r < 0)
                return r;

        started = now_ns();
        while (!stopped && questions.n_answers < options->count) {
                questions_send(&questions, options->n_clients);
                questions_receive(&questions);
        }
        seconds = (double)(now_ns() - started) / (double)NSEC_PER_SEC;
        close(questions.fd);

        printf("{\"answers\": %" PRIu64 ", \"errors\": %" PRIu64
               ", \"seconds\": %.3f, \"rate\": %.1f}\n",
               questions.n_answers, questions.n_lost, seconds,
               (double)questions.n_answers / seconds);
        return questions.n_answers > 0 ? 0 : -ENOTCONN;
}
