/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Pairs of sockets whose bytes go to each other by splice(2), through pipes of 1 MiB, in one
 * process. Nothing else: no half-close, no limits, no accounting. A program that has something
 * to do before bytes flow gives its sockets functions of its own, and half_carry() afterwards.
 *
 * Functions return 0 or a negative errno.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct half;

/* Edge-triggered: what is left now is not told again. A negative errno ends the pair. */
typedef int half_ready_fn(struct half *half, uint32_t events);

/* One direction: from its own socket to the other one's. */
struct half {
        struct half *other;
        struct pair *pair;
        half_ready_fn *ready;
        int fd; /* owned; -1: none yet */
        int pipe[2];
        size_t n_piped;
};

/* A pair that is over waits with its pipes for the next client. */
struct pair {
        struct half app, upstream;
        struct pair *next; /* idle, or ended in this round */
        bool is_over;
};

/* The app's socket is there; it is to be watched, and the upstream's to be made. */
typedef int pair_begin_fn(struct pair *pair);

/* Prints "ready" and serves the listener's clients until something fails. */
int splicer_serve(int listener_fd, pair_begin_fn *begin);

/* The socket is the half's, also on failure. */
int half_watch(struct half *half, int fd, half_ready_fn *ready);
/* Carries what there is, both ways; the way to watch a half of which no more is wanted. */
int half_carry(struct half *half, uint32_t events);
