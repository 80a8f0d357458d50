/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The relay between real TCP sockets on 127.0.0.1: a flow is client <-> app, upstream <-> server,
 * and the test is both the client and the server.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/loop.h"
#include "relay/relay.h"

#define KIB           1024
#define MIB           (1024 * KIB)
#define N_MANY        300
#define ENDS_MAX      (N_MANY + 1)
#define TIMEOUT_MS    60000
#define CHUNK_MAX     (100 * KIB)
#define SOCKET_BUFFER (64 * KIB)
/* What the kernel makes of a socket buffer's size: twice, and its own overhead. */
#define SOCKET_BUFFERS_MAX (4 * 4 * SOCKET_BUFFER)

struct scene {
        struct loop loop;
        struct relay_pool *pool;
        struct relay_end ends[ENDS_MAX];
        size_t n_ends;
        size_t n_fds_before, n_threads_before;
};

struct flow {
        int client;
        int server;
};

struct transfer {
        int from;
        int to;
        size_t size;
        unsigned int seed;
        size_t n_written;
        size_t n_read;
};

size_t count_fds(void);
size_t count_threads(void);
int set_up(void **state);
int tear_down(void **state);
/* A program's connection, as the listener hands it on. */
void connect_app(int *ret_client, int *ret_app, int buffer_size);
struct flow open_flow_with(struct scene *scene, uint64_t id, int buffer_size);
struct flow open_flow(struct scene *scene, uint64_t id);
void close_flow(struct flow *flow);
void reset(int *fd);
struct relay_counts counts(const struct scene *scene);
/* The end of this flow, once it is told. */
struct relay_end end_of(struct scene *scene, uint64_t id);
/* False if the flow is gone. */
bool transfer_try_write(struct transfer *transfer);
void transfer_write(struct transfer *transfer);
void transfer_read(struct transfer *transfer);
bool transfer_is_done(const struct transfer *transfer);
/* Both directions at once. */
void transfer_both(struct transfer *first, struct transfer *second);
void carry(const struct flow *flow, size_t n_outbound, size_t n_inbound);
void hear(int fd, const char *word);
void say(int from, int to, const char *word);
void ask_and_answer(const struct flow *flow);
void assert_end_of_stream(int fd);
void assert_reset(int fd);
/* A flow whose sockets can have something before the relay sees them. */
void prepare_flow(struct flow *flow, int *ret_app, int *ret_upstream);
void make_pattern(void);

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
