/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inspected flows between real TCP sockets on 127.0.0.1: a flow is client <-> app, upstream <->
 * server, and the test is the client, the server and all inspectors. Questions are written down
 * when they come and answered when the test says so.
 */

#include <netext/filter.h>

#include "base/loop.h"
#include "inspect/inspection.h"
#include "relay/relay.h"
#include "wire/table.h"

#define KIB            1024
#define MIB            (1024 * KIB)
#define TIMEOUT_MS     60000
#define QUESTIONS_MAX  256
#define WINDOW_MAX     MIB
#define SOCKET_BUFFERS (4 * MIB) /* more than what they hold of one direction */

struct question {
        struct inspection *inspection;
        unsigned int inspector;
        enum nx_direction direction;
        bool is_complete;
        uint64_t offset;
        size_t size;
        char bytes[WIRE_DATA_MAX];
};

struct scene {
        struct loop loop;
        struct inspection_pool *pool;
        size_t bytes_max;
        struct relay_pool *relays;
        struct question *questions;
        unsigned int n_asked, n_answered;
        unsigned int n_done, n_ended, n_relayed;
        int app_fd, upstream_fd; /* given back */
        int error;
        uint64_t bytes_outbound, bytes_inbound;
        bool cuts_in_show;
        bool is_busy;
};

struct flow {
        struct inspection *inspection;
        int client;
        int server;
};

void handle_relayed(const struct relay_end *end, void *userdata);
void open_pool(struct scene *scene, size_t bytes_max);
int set_up(void **state);
int tear_down(void **state);
int try_open(struct scene *scene, const struct inspection_peek *peeks, unsigned int n_inspectors,
             struct flow *ret_flow);
struct flow open_flow(struct scene *scene, unsigned int n_inspectors);
void close_flow(struct flow *flow);
void reset(int *fd);
struct question *next_question(struct scene *scene);
void say(const struct question *question, struct inspection_verdict verdict);
void pass(const struct question *question, uint64_t pass_bytes);
void decide(const struct question *question, enum nx_verdict verdict);
struct question *assert_asked(struct scene *scene, unsigned int inspector,
                              enum nx_direction direction, bool is_complete);
struct question *assert_shown(struct scene *scene, unsigned int inspector,
                              enum nx_direction direction, const char *text);
void put(int fd, const char *text);
void settle(struct scene *scene);
ssize_t get(struct scene *scene, int fd, char *bytes, size_t size);
void assert_gets(struct scene *scene, int fd, const char *text);
void assert_gets_end(struct scene *scene, int fd);
void assert_gets_reset(struct scene *scene, int fd);
void assert_gets_nothing(struct scene *scene, int fd);
void wait_for(struct scene *scene, const unsigned int *counter);
size_t n_bytes_held(const struct scene *scene);
void assert_ended(struct scene *scene, int error);
