/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the parts of netext-bench-load share: the options of a run, and the few
 * helpers that more than one part needs. Functions return 0 or negative errno
 * unless they say otherwise.
 */
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define NSEC_PER_SEC  UINT64_C(1000000000)
#define BULK_SIZE     (256 * 1024)
#define N_THREADS_MAX 64
#define N_CLIENTS_MAX 4096
#define PAUSE_US_MAX  1000000

enum server_mode {
        SERVER_ECHO, /* each byte goes back */
        SERVER_SINK, /* everything is read and thrown away */
        SERVER_UDP,  /* each datagram goes back */
};

struct target {
        struct sockaddr_storage address;
        socklen_t n_address;
};

/* Bytes that are said, and how many come back. */
struct exchange {
        unsigned char say[16];
        size_t n_say;
        size_t n_answer;
};

#define N_GREETINGS_MAX 2

struct options {
        struct target target;
        struct exchange greetings[N_GREETINGS_MAX]; /* of each connection, before its load */
        unsigned int n_greetings;
        uint16_t socks5_port; /* of the server that leads to the target; 0: none */
        enum server_mode mode;
        unsigned int n_clients; /* udp: datagrams in flight */
        unsigned int n_threads;
        double seconds;
        uint64_t count;        /* connections, over all clients */
        unsigned int pause_us; /* of one client, between two connections */
};

void close_fdp(int *fd);
void freep(void *p);

#define _cleanup_close_ __attribute__((cleanup(close_fdp)))
#define _cleanup_free_  __attribute__((cleanup(freep)))

uint64_t now_ns(void);

/* Set by the alarm of alarm_at(). */
extern volatile sig_atomic_t stopped;

/* After `seconds` sets `stopped` and interrupts blocking calls with EINTR. */
int alarm_at(double seconds);

/* Connects and greets; the socket will close with a reset. Caller owns *ret_fd. */
int connect_blocking(const struct options *options, int *ret_fd);
int exchange_blocking(const struct exchange *exchange, int fd);
int socket_set_reset_on_close(int fd);

int epoll_watch(int epoll_fd, int fd, uint32_t events, epoll_data_t data);

/* Leads connections to the target, which is IPv4, through the SOCKS5 server of 127.0.0.1. */
int options_go_through_socks5(struct options *options);

/* The verbs. The server returns only when it fails; its alarm ends the process. */
int run_server(const struct options *options);
int run_udp_server(const struct options *options);
int run_connect(const struct options *options);
int run_bulk(const struct options *options);
int run_udp(const struct options *options);
