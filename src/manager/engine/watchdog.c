/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextd holds the queue's socket, too, and never reads it:
 *
 *      asleep ──a packet──▶ patience ──none waits, or flowd answers──▶ asleep
 *         └──it is stopped──▶ └──it is stopped, or one waits and flowd says nothing──▶ it is killed
 *
 * A busy flowd has packets waiting whenever one looks, so it is asked; a busy machine may let it
 * wait, so it gets the time that every question has. One that is stopped will not answer: nobody
 * waits for that, nor for a packet, since what it relays stands still, too. The kernel tells that
 * (SIGCHLD) of the flowd that we started; of an earlier netextd's the next packet does.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "manager/engine/request.h"
#include "manager/engine/watchdog.h"
#include "manager/loop/timer.h"

#define PATIENCE_MS 400

static void sleep_again(struct engine *engine)
{
        if (engine->watchdog.packet)
                (void)sd_event_source_set_enabled(engine->watchdog.packet, SD_EVENT_ONESHOT);
}

static void give_up(struct engine *engine, const char *why)
{
        log_error("netext-flowd (pid %d) %s: it is killed, and another one takes over",
                  engine->process.pid, why);
        process_signal(&engine->process, SIGKILL);
}

static bool is_at_work(const struct engine *engine)
{
        return engine->state == ENGINE_READY && !engine->quitting;
}

/* Not as long as it has its time to put everything in force. */
static bool is_waited_for(const struct engine *engine)
{
        struct pollfd queue = { .fd = engine->queue_fd, .events = POLLIN };

        return is_at_work(engine) && !engine->deadline && poll(&queue, 1, 0) > 0 &&
               queue.revents & POLLIN;
}

static void on_answer(int result, void *userdata)
{
        struct engine *engine = userdata;

        if (result == -ETIMEDOUT)
                give_up(engine, "does not answer while packets wait");
        else
                sleep_again(engine);
}

static int on_patience_over(sd_event_source *source, uint64_t usec, void *userdata)
{
        const struct engine_question question = { .type = NX_MSG_FLOWD_STATUS_GET };
        struct engine *engine = userdata;

        if (is_at_work(engine) && process_is_stopped(&engine->process))
                give_up(engine, "is stopped");
        else if (!is_waited_for(engine))
                sleep_again(engine);
        else if (engine_ask(engine, &question, NULL, on_answer, engine) < 0)
                sleep_again(engine);
        return 0;
}

static void look_soon(struct engine *engine)
{
        if (timer_start(engine->event, &engine->watchdog.timer, PATIENCE_MS, on_patience_over,
                        engine) < 0)
                sleep_again(engine);
}

static int on_packet(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        look_soon(userdata);
        return 0;
}

/* Of any child, by whatever. */
static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        struct engine *engine = userdata;

        if (process_is_stopped(&engine->process))
                look_soon(engine);
        return 0;
}

void watchdog_start(struct engine *engine)
{
        struct watchdog *watchdog = &engine->watchdog;
        int r;

        watchdog_stop(engine);
        r = sd_event_add_io(engine->event, &watchdog->packet, engine->queue_fd, EPOLLIN, on_packet,
                            engine);
        if (r >= 0)
                r = sd_event_add_signal(engine->event, &watchdog->child, SIGCHLD, on_child, engine);
        if (r < 0)
                log_error("netext-flowd cannot be watched: %s", strerror(-r));
        sleep_again(engine);
}

void watchdog_stop(struct engine *engine)
{
        engine->watchdog.packet = sd_event_source_disable_unref(engine->watchdog.packet);
        engine->watchdog.child = sd_event_source_disable_unref(engine->watchdog.child);
        timer_stop(&engine->watchdog.timer);
}
