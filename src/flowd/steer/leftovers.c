/* SPDX-License-Identifier: Apache-2.0 */

/*
 * By their port, since a socket that many destinations are asked through is bound to no address.
 * Where several sockets share a port, the others' flows may be forgotten with one's: that costs
 * them a question more.
 */

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "steer/leftovers.h"
#include "steer/passed.h"

#define BUCKETS 64

/* Proxies that are there say soon how long they wait; one that waits for ever may change its mind.
 */
#define FIRST_LOOK_NS (1000 * 1000000ULL)
#define LATER_LOOK_NS (60 * FIRST_LOOK_NS)

struct leftover {
        struct list link;           /* leftovers.all */
        struct htable_link by_port; /* leftovers.by_port */
        struct endpoint local, remote;
        struct wheel_timer idle_timer;
        bool is_claimed;
};

static uint64_t hash_of(uint16_t port)
{
        return htable_hash(&port, sizeof(port));
}

/* One that there is no memory for goes when its time is over. */
static void on_flow(const struct endpoint *local, const struct endpoint *remote, bool is_claimed,
                    void *userdata)
{
        struct leftover *leftover = calloc(1, sizeof(*leftover));
        struct leftovers *leftovers = userdata;

        if (!leftover)
                return;
        leftover->local = *local;
        leftover->remote = *remote;
        leftover->is_claimed = is_claimed;
        wheel_timer_init(&leftover->idle_timer);
        list_append(&leftovers->all, &leftover->link);
        htable_add(&leftovers->by_port, &leftover->by_port, hash_of(local->port));
}

void leftovers_add(struct leftovers *leftovers, const struct endpoint *local,
                   const struct endpoint *remote)
{
        on_flow(local, remote, false, leftovers);
}

int leftovers_open(struct leftovers *leftovers, const struct passed *passed)
{
        int r;

        leftovers->passed = passed;
        list_init(&leftovers->all);
        r = htable_init(&leftovers->by_port, BUCKETS);
        return r < 0 ? r : passed_list(passed, on_flow, leftovers);
}

static void leftover_free(struct leftovers *leftovers, struct leftover *leftover)
{
        htable_remove(&leftovers->by_port, &leftover->by_port);
        list_remove(&leftover->link);
        wheel_timer_stop(&leftover->idle_timer);
        free(leftover);
}

void leftovers_close(struct leftovers *leftovers)
{
        struct leftover *leftover, *following;

        if (!leftovers->passed)
                return;
        list_for_each_safe (leftover, following, &leftovers->all, link)
                leftover_free(leftovers, leftover);
        if (leftovers->get_patience_ns)
                wheel_deinit(&leftovers->idle);
        htable_deinit(&leftovers->by_port);
        leftovers->passed = NULL;
}

static void leftover_forget(struct leftovers *leftovers, struct leftover *leftover)
{
        passed_forget(leftovers->passed, &leftover->local, &leftover->remote);
        leftover_free(leftovers, leftover);
}

/* The address of a socket that is bound to a port only may be either family's. */
static bool is_meant(const struct leftover *leftover, const struct endpoint *local)
{
        static const struct in6_addr any4 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

        if (leftover->local.port != local->port)
                return false;
        if (IN6_IS_ADDR_UNSPECIFIED(&local->address))
                return true;
        if (IN6_ARE_ADDR_EQUAL(&local->address, &any4))
                return address_is_ipv4(&leftover->local.address);
        return endpoint_equal(&leftover->local, local);
}

void leftovers_forget(struct leftovers *leftovers, const struct endpoint *local)
{
        uint64_t hash = hash_of(local->port);
        struct htable_link *link, *following;

        for (link = htable_next(&leftovers->by_port, hash, NULL); link; link = following) {
                struct leftover *leftover = container_of(link, struct leftover, by_port);

                following = htable_next(&leftovers->by_port, hash, link);
                if (is_meant(leftover, local))
                        leftover_forget(leftovers, leftover);
        }
}

void leftovers_forget_all(struct leftovers *leftovers)
{
        struct leftover *leftover, *following;

        list_for_each_safe (leftover, following, &leftovers->all, link)
                leftover_forget(leftovers, leftover);
}

static void look_in(struct leftovers *leftovers, struct leftover *leftover, uint64_t time_ns)
{
        wheel_timer_start(&leftovers->idle, &leftover->idle_timer, now_ns() + time_ns);
}

static void on_due(struct wheel_timer *timer, void *userdata)
{
        struct leftover *leftover = container_of(timer, struct leftover, idle_timer);
        struct leftovers *leftovers = userdata;
        uint64_t patience_ns = leftovers->get_patience_ns(leftovers->userdata), idle_ns = 0;
        int r;

        if (patience_ns == 0) {
                look_in(leftovers, leftover, LATER_LOOK_NS);
                return;
        }
        r = passed_get_idle(leftovers->passed, PASSED_CLAIMED, &leftover->local, &leftover->remote,
                            &idle_ns);
        if (r == -ENOENT || idle_ns >= patience_ns)
                leftover_forget(leftovers, leftover);
        else
                look_in(leftovers, leftover, patience_ns - idle_ns);
}

void leftovers_watch(struct leftovers *leftovers, struct loop *loop,
                     leftovers_patience_fn *get_patience_ns, void *userdata)
{
        struct leftover *leftover;

        leftovers->get_patience_ns = get_patience_ns;
        leftovers->userdata = userdata;
        wheel_init(&leftovers->idle, loop, on_due, leftovers);
        list_for_each (leftover, &leftovers->all, link)
                if (leftover->is_claimed)
                        look_in(leftovers, leftover, FIRST_LOOK_NS);
}
