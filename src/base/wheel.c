/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Time is counted in ticks. A timer lies in the slot of the first tick that is not before its
 * deadline, modulo the slots; one that is several turns away is met by each of them and left
 * lying. The loop's timer is set for the next slot that has something in it, so that a wheel with
 * one timer turns with a wake-up each 64 s, and an empty one not at all.
 */

#include "base/wheel.h"

static uint64_t tick_behind(uint64_t ns)
{
        return (ns + WHEEL_TICK_NS - 1) / WHEEL_TICK_NS;
}

static struct list *slot_of(struct wheel *wheel, uint64_t tick)
{
        return &wheel->slots[tick % WHEEL_SLOTS];
}

/* The next tick that finds something, or 0. */
static uint64_t next_tick(struct wheel *wheel)
{
        for (uint64_t tick = wheel->tick + 1; tick <= wheel->tick + WHEEL_SLOTS; tick++)
                if (!list_is_empty(slot_of(wheel, tick)))
                        return tick;
        return 0;
}

static void arm(struct wheel *wheel, uint64_t tick)
{
        wheel->armed_tick = tick;
        if (tick)
                loop_timer_start(wheel->loop, &wheel->timer, tick * WHEEL_TICK_NS);
        else
                loop_timer_stop(&wheel->timer);
}

/* Into the slot that comes by at its deadline: the next tick that finds it there. */
static uint64_t lie_down(struct wheel *wheel, struct wheel_timer *timer)
{
        uint64_t tick = tick_behind(timer->deadline_ns);

        if (tick <= wheel->tick)
                tick = wheel->tick + 1;
        list_append(slot_of(wheel, tick), &timer->link);
        return wheel->tick + 1 + (tick - wheel->tick - 1) % WHEEL_SLOTS;
}

static void look_at(struct wheel *wheel, struct list *slot, uint64_t now)
{
        struct wheel_timer *timer;

        while ((timer = list_first(slot, struct wheel_timer, link))) {
                list_remove(&timer->link);
                list_append(&wheel->due, &timer->link);
        }
        while ((timer = list_first(&wheel->due, struct wheel_timer, link))) {
                list_remove(&timer->link);
                if (timer->deadline_ns > now)
                        (void)lie_down(wheel, timer);
                else
                        wheel->fn(timer, wheel->userdata);
        }
}

/* One turn sees every slot, however long nobody looked. */
static int on_tick(void *userdata)
{
        struct wheel *wheel = userdata;
        uint64_t now = now_ns(), last = now / WHEEL_TICK_NS;

        if (last > wheel->tick + WHEEL_SLOTS)
                wheel->tick = last - WHEEL_SLOTS;
        while (wheel->tick < last) {
                wheel->tick++;
                look_at(wheel, slot_of(wheel, wheel->tick), now);
        }
        arm(wheel, next_tick(wheel));
        return 0;
}

void wheel_init(struct wheel *wheel, struct loop *loop, wheel_fn *fn, void *userdata)
{
        *wheel = (struct wheel){ .loop = loop, .fn = fn, .userdata = userdata };
        for (size_t i = 0; i < WHEEL_SLOTS; i++)
                list_init(&wheel->slots[i]);
        list_init(&wheel->due);
        loop_timer_init(&wheel->timer, on_tick, wheel);
}

void wheel_deinit(struct wheel *wheel)
{
        loop_timer_stop(&wheel->timer);
}

void wheel_timer_init(struct wheel_timer *timer)
{
        list_init(&timer->link);
}

void wheel_timer_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t deadline_ns)
{
        uint64_t now_tick = now_ns() / WHEEL_TICK_NS, met;

        list_remove(&timer->link);
        timer->deadline_ns = deadline_ns;
        if (!wheel->armed_tick || wheel->armed_tick > now_tick)
                wheel->tick = now_tick; /* there was nothing to look at meanwhile */
        met = lie_down(wheel, timer);
        if (!wheel->armed_tick || met < wheel->armed_tick)
                arm(wheel, met);
}

void wheel_timer_stop(struct wheel_timer *timer)
{
        list_remove(&timer->link);
}
