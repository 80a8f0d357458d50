/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Datagrams that other hosts send to a multicast group, or to all of a network. Each of the sockets
 * that one reaches is a flow. It waits until all of them are decided, and goes on to those that are
 * allowed; the others do not get it (bpf/group.bpf.h). What comes to the same group from the same
 * sender then passes in the kernel, until there is somebody who was not asked about.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "base/htable.h"
#include "base/list.h"
#include "steer/queue.h"

struct flow;
struct hooks;
struct passed;
struct steer_member;

#define GATHERING_HELD_MAX  32 /* datagrams that wait; more are dropped */
#define GROUPS_STRANGERS    256

/* The datagrams of one sender to one group, while somebody is asked. */
struct gathering {
        struct htable_link by_ends;
        struct list link; /* groups.gatherings */
        struct endpoint group, sender;
        uint32_t interface;
        unsigned int n_undecided; /* flows */
        bool is_stale;            /* a socket came meanwhile: the sockets are looked for once more */
        unsigned int n_held;
        struct queue_held held[GATHERING_HELD_MAX];
};

struct groups {
        struct hooks *hooks; /* all borrowed */
        struct queue *queue;
        const struct passed *passed;
        /* Makes a flow of each socket that the gathering's datagrams reach, unless it is one. */
        void (*look_for_members)(struct gathering *gathering, void *userdata);
        void *userdata;

        struct list gatherings; /* owned … */
        struct htable by_ends;  /* … and found by group and sender */
        struct list flows;      /* flow.waiting: decided ones */
        uint64_t strangers[GROUPS_STRANGERS]; /* sockets of ours that no hook has seen, by cookie */
};

/* 0 or -ENOMEM; deinit either way. */
int groups_init(struct groups *groups);
void groups_deinit(struct groups *groups);

/* Such a datagram waits. False: too many do, or memory is short. */
bool groups_hold(struct groups *groups, const struct endpoint *group, const struct endpoint *sender,
                 uint32_t interface, struct queue_held held);
/* Of any flow, after its verdict. */
void groups_decided(struct groups *groups, struct flow *flow);
/* What the flow was told holds for its socket. */
void groups_admit(struct groups *groups, const struct flow *flow);
/* Of any flow that is over, whoever ended it. */
void groups_closed(struct groups *groups, const struct flow *flow);

/* A socket got the port. */
void groups_bound(struct groups *groups, uint16_t port);
/* A socket of ours missed a datagram, since nobody was asked about it. */
void groups_unasked(struct groups *groups, const struct steer_member *member);
/* Is it one of those, though no hook has seen it? */
bool groups_is_ours(const struct groups *groups, uint64_t cookie);
