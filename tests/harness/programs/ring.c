/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A client that never calls connect(), send() or recv(): the kernel does so for it, as it reads
 * in a ring of orders (io_uring). -a has it done by a worker thread of the kernel's, -p by one that
 * looks at the ring by itself (SQPOLL). Tells like talk.c how that went.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
        int fd;
        struct io_uring_params params;
        uint8_t flags; /* of each order */
        char *memory;  /* both indices, and what is done */
        struct io_uring_sqe *orders;
};

static const char word[] = { 'h', 'e', 'l', 'l', 'o' };

static void *map(const struct ring *ring, size_t size, off_t what)
{
        return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, what);
}

static int open_ring(struct ring *ring)
{
        const struct io_uring_params *params = &ring->params;
        size_t size;

        ring->params.sq_thread_idle = 1000;
        ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->params);
        if (ring->fd < 0)
                return -errno;
        size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
        ring->memory = map(ring, size, IORING_OFF_SQ_RING); /* IORING_FEAT_SINGLE_MMAP: Linux 5.4 */
        ring->orders = map(ring, params->sq_entries * sizeof(*ring->orders), IORING_OFF_SQES);
        return ring->memory == MAP_FAILED || ring->orders == MAP_FAILED ? -ENOMEM : 0;
}

static uint32_t *word_at(const struct ring *ring, uint32_t offset)
{
        return (uint32_t *)(ring->memory + offset);
}

/* One order at a time; the result, as of the system call of that name. */
static int carry_out(struct ring *ring, struct io_uring_sqe order)
{
        const struct io_uring_params *params = &ring->params;
        uint32_t *tail = word_at(ring, params->sq_off.tail);
        uint32_t *done = word_at(ring, params->cq_off.head);
        uint32_t index = *tail & *word_at(ring, params->sq_off.ring_mask), at;
        uint32_t flags = IORING_ENTER_GETEVENTS;
        const struct io_uring_cqe *results;

        order.flags |= ring->flags;
        ring->orders[index] = order;
        word_at(ring, params->sq_off.array)[index] = index;
        __atomic_store_n(tail, *tail + 1, __ATOMIC_SEQ_CST);
        if (*word_at(ring, params->sq_off.flags) & IORING_SQ_NEED_WAKEUP)
                flags |= IORING_ENTER_SQ_WAKEUP;
        if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, flags, NULL, 0) < 0)
                return -errno;
        results = (const struct io_uring_cqe *)(ring->memory + params->cq_off.cqes);
        at = *done & *word_at(ring, params->cq_off.ring_mask);
        __atomic_store_n(done, *done + 1, __ATOMIC_SEQ_CST);
        return results[at].res;
}

static struct io_uring_sqe order(int fd, uint8_t what, const void *bytes, size_t size)
{
        return (struct io_uring_sqe){
                .opcode = what, .fd = fd, .addr = (uintptr_t)bytes, .len = (uint32_t)size
        };
}

static int connect_to(struct ring *ring, int fd, const struct sockaddr_in *server)
{
        struct io_uring_sqe connection = order(fd, IORING_OP_CONNECT, server, 0);

        connection.off = sizeof(*server);
        return carry_out(ring, connection);
}

static int say_to(struct ring *ring, int fd, const struct sockaddr_in *server)
{
        struct iovec said = { (void *)word, sizeof(word) };
        const struct msghdr message = {
                .msg_name = (void *)server,
                .msg_namelen = server ? sizeof(*server) : 0,
                .msg_iov = &said,
                .msg_iovlen = 1,
        };

        return carry_out(ring, order(fd, IORING_OP_SENDMSG, &message, 1));
}

/* The call that failed, or "done". */
static const char *converse(struct ring *ring, int fd, bool is_stream,
                            const struct sockaddr_in *server, int *ret_result)
{
        char heard[sizeof(word)];

        *ret_result = is_stream ? connect_to(ring, fd, server) : 0;
        if (*ret_result < 0)
                return "connect";
        *ret_result = say_to(ring, fd, is_stream ? NULL : server);
        if (*ret_result < 0)
                return "send";
        *ret_result = carry_out(ring, order(fd, IORING_OP_RECV, heard, sizeof(heard)));
        return *ret_result < 0 ? "receive" : "done";
}

static void parse_options(int argc, char **argv, struct ring *ret_ring)
{
        int option;

        while ((option = getopt(argc, argv, "ap")) >= 0) {
                if (option == 'a')
                        ret_ring->flags = IOSQE_ASYNC;
                else if (option == 'p')
                        ret_ring->params.flags = IORING_SETUP_SQPOLL;
        }
}

int main(int argc, char **argv)
{
        struct ring ring = {};
        struct sockaddr_in server = { .sin_family = AF_INET };
        const char *at;
        bool is_stream;
        int fd, r;

        parse_options(argc, argv, &ring);
        if (argc - optind != 3 || inet_pton(AF_INET, argv[optind + 1], &server.sin_addr) != 1) {
                fprintf(stderr, "Usage: ring [-ap] tcp|udp ADDRESS PORT\n");
                return 2;
        }
        is_stream = strcmp(argv[optind], "tcp") == 0;
        server.sin_port = htons((uint16_t)atoi(argv[optind + 2]));
        r = open_ring(&ring);
        fd = socket(AF_INET, is_stream ? SOCK_STREAM : SOCK_DGRAM, 0);
        if (r < 0 || fd < 0) {
                fprintf(stderr, "ring: no ring, or no socket: %s\n", strerror(r < 0 ? -r : errno));
                return 2;
        }
        at = converse(&ring, fd, is_stream, &server, &r);
        printf("{\"pid\": %d, \"at\": \"%s\", \"error\": ", getpid(), at);
        printf(r < 0 ? "\"%s\"}\n" : "null}\n", r < 0 ? strerrorname_np(-r) : "");
        return r < 0;
}
