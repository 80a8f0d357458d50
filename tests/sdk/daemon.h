/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Plays netextd and netext-flowd for a provider in the same thread: the other ends of
 * its channels, and an inbox of what came through them. The extension under test notes
 * what is called in a log of letters.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#include <netext/extension.h>

#include "wire/channel.h"

#define INBOX_MAX 1200

/* A message that came, with the values that the tests look at. */
struct mail {
        enum wire_message_type type;
        uint64_t id;
        wire_attributes present;
        uint64_t numbers[_WIRE_ATTR_MAX];
        struct in6_addr remote_address, local_address;
        char name[64], session[64], text[512], program[64], digest[80], signer[64], domain[64],
                label[64], rule[64];
};

struct daemon {
        struct nx_provider *provider;
        struct channel control; /* netextd's end */
        struct channel engine;  /* flowd's end */
        struct mail *inbox;     /* [INBOX_MAX] */
        size_t n_mails;
        int fd; /* the last that came with one, or -1 */
        /* What the extension does and was told. */
        char log[64];
        const char *session;        /* whose channel, start and files are sent next */
        enum nx_provider_kind kind; /* of the next start */
        int start_result;
        enum nx_verdict verdict;
        struct nx_filter *filter;
        struct nx_proxy *proxy;
        struct nx_flow *kept;
        bool keeps;
        uint8_t protocol; /* of the next flow, as are these */
        const char *remote_address;
        uint16_t remote_port;
        bool has_origin;                  /* the next flow: 42, of /usr/bin/wget, pid 99 */
        uint8_t shown[NX_DATA_SHOWN_MAX]; /* the last bytes that it was shown */
        size_t shown_size;
        uint64_t shown_flow, shown_offset;
        enum nx_direction shown_direction;
        struct nx_data_verdict data_verdict; /* about bytes and ends of streams */
        uint64_t opened_flow;                /* what handle_open and handle_closed were told */
        int opened_fd;
        uint64_t closed_flow;
        struct nx_flow_end end;
        enum nx_provider_stop_reason stop_reason;
        char file[64];
        bool applies_in_file;
        void (*at_start)(struct daemon *daemon); /* or NULL */
        void (*at_stop)(struct daemon *daemon);  /* or NULL */
        int applied_result;
        struct nx_report report; /* what handle_report was told last, and of which flow */
        uint64_t reported_flow;
        void (*look)(struct nx_flow *flow);
};

/*
 * cmocka's setups and teardown: *state is the daemon. The provider has said hello, as a
 * filter (of which a bare one only has handle_new_flow, and others but one function for
 * data besides), as a transparent proxy, as one that only has handle_new_flow, or as one
 * that is each kind, of which the app proxy only has a start.
 */
int daemon_setup(void **state);
int daemon_setup_bare_filter(void **state);
int daemon_setup_outbound_filter(void **state);
int daemon_setup_inbound_filter(void **state);
int daemon_setup_proxy(void **state);
int daemon_setup_bare_proxy(void **state);
int daemon_setup_each_kind(void **state);
/* The same with an extension of the test's own, whose userdata is the daemon. */
int daemon_setup_extension(void **state, const struct nx_extension *extension,
                           enum nx_provider_kind kind);
int daemon_teardown(void **state);
/* One without a provider, for a test that has a process instead. */
struct daemon *daemon_new(enum nx_provider_kind kind);

void daemon_log(struct daemon *daemon, char letter);
/* For an extension in a process of its own, which needs a moment: starts program with a control
 * channel, waits for its end, for its next datagram, for a message in one. */
pid_t daemon_spawn(const char *program, struct channel *ret_control);
int daemon_exit_status(pid_t pid);
size_t daemon_wait_and_receive(struct daemon *daemon, struct channel *channel);
struct mail *daemon_wait_for(struct daemon *daemon, enum wire_message_type type);
/* Where it can connect to: 127.0.0.1. */
int daemon_listen(uint16_t *ret_port);
/* The provider does all that there is to do. Its result. */
int daemon_let_work(struct daemon *daemon);
/* Receives one datagram into the inbox, which is emptied before. The number of messages. */
size_t daemon_receive(struct daemon *daemon, struct channel *channel);
/* The same for all datagrams that are there. */
size_t daemon_receive_all(struct daemon *daemon, struct channel *channel);
/* Sends what is batched and lets the provider work; what it said is in the inbox. Its result. */
int daemon_let_answer(struct daemon *daemon);
/* The same, with a question about a flow of curl's. */
int daemon_ask(struct daemon *daemon, uint64_t flow);
/* Gives the provider a new flow channel. */
void daemon_connect(struct daemon *daemon);
/* Asks for a start of daemon->kind. */
void daemon_send_start(struct daemon *daemon);
/* Connects, starts, and lets the provider work. */
void daemon_start(struct daemon *daemon);
/* The same, which has to succeed; the log is empty again. */
void daemon_start_afresh(struct daemon *daemon);
/* Gives the provider a file. */
void daemon_send_file(struct daemon *daemon, const char *name, const char *content);
void daemon_send_file_fd(struct daemon *daemon, const char *name, int fd);
/* Batches a flow with program (or without an owner). */
void daemon_put_flow(struct daemon *daemon, uint64_t flow, const char *program);
/* Sends the program's end of an open flow. */
void daemon_send_socket(struct daemon *daemon, uint64_t flow, int fd);
void daemon_send_closed(struct daemon *daemon, uint64_t flow, int result);
/* Sends the first bytes of a flow that is peeked at. */
void daemon_send_peeked(struct daemon *daemon, uint64_t flow, const void *bytes, size_t size);
/* Batches bytes of an inspected flow. */
void daemon_put_data(struct daemon *daemon, uint64_t flow, enum nx_direction direction,
                     uint64_t offset, const void *bytes, size_t size);
/* Sends memory of size bytes, as PROVIDER_MEMORY, and maps it for the caller to write. */
uint8_t *daemon_share_memory(struct daemon *daemon, size_t size);
/* Bytes that lie there. */
void daemon_put_shown(struct daemon *daemon, uint64_t flow, enum nx_direction direction,
                      uint64_t offset, uint32_t slot, uint64_t size);
void daemon_send_complete(struct daemon *daemon, uint64_t flow, enum nx_direction direction);
void daemon_send_stop(struct daemon *daemon);
void daemon_send_raw(struct channel *channel, const void *bytes, size_t size);
void daemon_send_done(struct daemon *daemon, uint64_t id, int result);

void expect_verdict(const struct mail *mail, uint64_t flow, enum nx_verdict verdict);
/* The sentence by which the provider says what its fault was. */
void expect_error(struct daemon *daemon, const char *sentence);
