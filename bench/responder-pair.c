/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare two-process responder: a reader holds the queue, an unprivileged
 * decider answers what it is asked over a SOCK_SEQPACKET socket pair. This is
 * the least that a platform with its extensions in processes of their own can
 * cost, and what netext-flowd is measured against.
 *
 * Reader and decider go in step: all packets that have gathered make one
 * question, its answer makes one batch of verdicts, and only then is the queue
 * read again. That is four system calls and two wake-ups a round, however many
 * flows it carries; the busier the queue, the larger the batches.
 *
 * It prints "ready" once the queue is bound. The decider ends when the reader
 * does, because its socket closes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/netfilter.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nfqueue.h"

#define NOBODY 65534

struct ask {
        uint32_t id;
        uint8_t source[16]; /* IPv4 in the first four bytes */
        uint8_t destination[16];
        uint16_t source_port; /* network order, as in the packet */
        uint16_t destination_port;
        uint8_t family; /* AF_INET, AF_INET6; 0: not understood */
        uint8_t protocol;
};

struct answer {
        uint32_t id;
        uint32_t allow;
};

/* decider */

static int become_nobody(void)
{
        if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) < 0)
                return -errno;
        return 0;
}

static int decide(int fd)
{
        struct ask asks[NFQUEUE_BATCH];
        struct answer answers[NFQUEUE_BATCH];
        ssize_t n;

        while ((n = recv(fd, asks, sizeof(asks), 0)) > 0) {
                size_t n_asks = (size_t)n / sizeof(asks[0]);

                for (size_t i = 0; i < n_asks; i++)
                        answers[i] = (struct answer){.id = asks[i].id, .allow = true};
                if (send(fd, answers, n_asks * sizeof(answers[0]), MSG_NOSIGNAL) < 0)
                        return -errno;
        }
        return n < 0 ? -errno : 0;
}

static int decider_main(int fd)
{
        int r;

        r = become_nobody();
        if (r == 0)
                r = decide(fd);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* reader */

static void ask_add_ports(struct ask *ask, const uint8_t *transport, size_t n_transport)
{
        if (n_transport < 4 || (ask->protocol != IPPROTO_TCP && ask->protocol != IPPROTO_UDP))
                return;
        memcpy(&ask->source_port, transport, 2);
        memcpy(&ask->destination_port, transport + 2, 2);
}

static void ask_from_ipv4(struct ask *ask, const uint8_t *payload, size_t n_payload)
{
        const struct iphdr *ip = (const void *)payload;
        size_t n_header = (size_t)ip->ihl * 4;

        if (n_payload < sizeof(*ip) || n_payload < n_header)
                return;
        ask->family = AF_INET;
        ask->protocol = ip->protocol;
        memcpy(ask->source, &ip->saddr, 4);
        memcpy(ask->destination, &ip->daddr, 4);
        ask_add_ports(ask, payload + n_header, n_payload - n_header);
}

static void ask_from_ipv6(struct ask *ask, const uint8_t *payload, size_t n_payload)
{
        const struct ip6_hdr *ip = (const void *)payload;

        if (n_payload < sizeof(*ip))
                return;
        ask->family = AF_INET6;
        ask->protocol = ip->ip6_nxt;
        memcpy(ask->source, &ip->ip6_src, 16);
        memcpy(ask->destination, &ip->ip6_dst, 16);
        ask_add_ports(ask, payload + sizeof(*ip), n_payload - sizeof(*ip));
}

static struct ask ask_from_packet(const struct nfqueue_packet *packet)
{
        struct ask ask = {.id = packet->id};

        if (packet->n_payload > 0 && packet->payload[0] >> 4 == 4)
                ask_from_ipv4(&ask, packet->payload, packet->n_payload);
        else if (packet->n_payload > 0 && packet->payload[0] >> 4 == 6)
                ask_from_ipv6(&ask, packet->payload, packet->n_payload);
        return ask;
}

static int ask_decider(int fd, const struct nfqueue_packet *packets, size_t n_packets)
{
        struct ask asks[NFQUEUE_BATCH];

        for (size_t i = 0; i < n_packets; i++)
                asks[i] = ask_from_packet(&packets[i]);
        return send(fd, asks, n_packets * sizeof(asks[0]), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Only what is allowed goes on; the rest is dropped in a second write. */
static int forward_answers(struct nfqueue *queue, int fd, uint32_t mark)
{
        struct answer answers[NFQUEUE_BATCH];
        uint32_t allowed[NFQUEUE_BATCH], denied[NFQUEUE_BATCH];
        size_t n_allowed = 0, n_denied = 0;
        ssize_t n;
        int r;

        n = recv(fd, answers, sizeof(answers), 0);
        if (n <= 0)
                return n < 0 ? -errno : -ECONNRESET;
        for (size_t i = 0; i < (size_t)n / sizeof(answers[0]); i++) {
                if (answers[i].allow)
                        allowed[n_allowed++] = answers[i].id;
                else
                        denied[n_denied++] = answers[i].id;
        }

        r = nfqueue_answer(queue, allowed, n_allowed, NF_REPEAT, mark);
        return r < 0 ? r : nfqueue_answer(queue, denied, n_denied, NF_DROP, 0);
}

static int respond(struct nfqueue *queue, int fd, uint32_t mark)
{
        struct nfqueue_packet packets[NFQUEUE_BATCH];
        int n, r = 0;

        while (r == 0) {
                n = nfqueue_read(queue, packets);
                if (n < 0)
                        return n;
                if (n == 0)
                        continue;
                r = ask_decider(fd, packets, (size_t)n);
                if (r == 0)
                        r = forward_answers(queue, fd, mark);
        }
        return r;
}

static int reader_main(int fd, uint16_t number, uint32_t mark)
{
        static struct nfqueue queue;
        int r;

        r = nfqueue_open(&queue, number);
        if (r < 0)
                return r;
        puts("ready");
        fflush(stdout);
        r = respond(&queue, fd, mark);
        nfqueue_close(&queue);
        return r;
}

int main(int argc, char **argv)
{
        uint16_t number;
        uint32_t mark;
        int fds[2], r;
        pid_t pid;

        r = nfqueue_parse_arguments(argc, argv, &number, &mark);
        if (r < 0) {
                fprintf(stderr, "usage: %s QUEUE MARK [SECONDS]\n", argv[0]);
                return EXIT_FAILURE;
        }
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0 || (pid = fork()) < 0) {
                perror(argv[0]);
                return EXIT_FAILURE;
        }
        if (pid == 0) {
                close(fds[0]);
                return decider_main(fds[1]);
        }
        close(fds[1]);
        r = reader_main(fds[0], number, mark);
        fprintf(stderr, "%s: queue %u: %s\n", argv[0], number, strerror(-r));
        return EXIT_FAILURE;
}
