/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of flowd. The kernel objects that it makes outlive it and express the
 * sessions' fail policies, so its death is an event, not an emergency: it is started
 * again at once, with the queue's socket of its predecessor. Only its end on purpose
 * takes the kernel objects away, and that takes a living flowd:
 *
 *      DOWN → STARTING → READY, told all, in force → (died) → DOWN …
 *      ADOPTING → READY, or → (does not answer, killed) → DOWN …
 *      engine_quit(): READY → FLOWD_QUIT → GONE; from DOWN, or where the first did not
 *      end by itself, one more is started just to sweep.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/engine/launch.h"
#include "manager/engine/messages.h"
#include "manager/engine/request.h"
#include "manager/loop/timer.h"
#include "manager/priv/folder.h"

#define READY_TIMEOUT_MS 30000
#define QUIT_TIMEOUT_MS  5000
#define FREE_RESTARTS    3
#define RECONNECT_MS     50
#define LINK_BACKLOG_MAX (64 * 1024 * 1024)
#define RECONNECTS_MAX   5 /* in RESTARTS_WINDOW_MS */

void engine_init(struct engine *engine, sd_event *event, const struct options *options,
                 const struct paths *paths, const char *pin_folder,
                 const struct engine_listener *listener, void *userdata)
{
        *engine = (struct engine){
                .event = event,
                .options = options,
                .paths = paths,
                .pin_folder = pin_folder,
                .listener = listener,
                .userdata = userdata,
                .process = PROCESS_NULL,
                .peer = PEER_NULL,
                .listen_fd = -1,
                .queue_fd = -1,
        };
        list_init(&engine->requests);
}

void engine_deinit(struct engine *engine)
{
        engine->state = ENGINE_GONE;
        peer_close(&engine->peer);
        engine_requests_end(engine, -ECONNRESET, true);
        timer_stop(&engine->deadline);
        process_close(&engine->process);
        engine->listen_fd = close_fd(engine->listen_fd);
        watchdog_stop(engine);
        engine->queue_fd = close_fd(engine->queue_fd);
}

/* Without its deadline flowd would be waited for for ever, so it ends now. */
static void engine_arm(struct engine *engine, uint64_t delay_ms, sd_event_time_handler_t fn)
{
        int r;

        r = timer_start(engine->event, &engine->deadline, delay_ms, fn, engine);
        if (r < 0) {
                log_error("cannot set a timer: %s; netext-flowd is ended", strerror(-r));
                process_signal(&engine->process, SIGKILL);
        }
}

static int engine_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct engine *engine = userdata;

        log_error("netext-flowd (pid %d) %s in time and is killed", engine->process.pid,
                  engine->state == ENGINE_STARTING ? "was not ready" : "did not end");
        engine->killed = true;
        process_signal(&engine->process, SIGKILL);
        return 0;
}

static void engine_lost(const char *why, void *userdata);
static void engine_ended(const char *how, bool clean, void *userdata);

/* A flowd that starts gets all sets at once. */
static int open_link(struct engine *engine, int fd)
{
        int r;

        r = peer_open(&engine->peer, engine->event, fd, engine_message, engine_lost, engine);
        if (r >= 0)
                engine->peer.channel.backlog_max = LINK_BACKLOG_MAX;
        return r;
}

int engine_start(struct engine *engine)
{
        _cleanup_fd_ int our_fd = -1, their_fd = -1;
        const char *step = "get its link";
        int pair[2], r;

        engine->killed = engine->quit_sent = false;
        r = channel_pair(pair);
        if (r >= 0) {
                our_fd = pair[0];
                their_fd = pair[1];
                r = engine_launch(engine, their_fd, engine_ended, &step);
        }
        if (r >= 0)
                r = open_link(engine, take_fd(&our_fd));
        if (r < 0) {
                log_error("%s does not start: it could not %s: %s", engine->paths->flowd_program,
                          step, strerror(-r));
                process_signal(&engine->process, SIGKILL);
                return r;
        }
        engine->state = ENGINE_STARTING;
        engine_arm(engine, READY_TIMEOUT_MS, engine_late);
        return 0;
}

static void engine_restart(struct engine *engine);

static int engine_restart_now(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct engine *engine = userdata;

        if (engine_start(engine) < 0 && !process_is_alive(&engine->process))
                engine_restart(engine);
        return 0;
}

static void engine_restart(struct engine *engine)
{
        unsigned int recent = restarts_recent(&engine->restarts, clock_now_ms());
        uint64_t delay_ms = restarts_delay_ms(recent, FREE_RESTARTS);

        restarts_add(&engine->restarts, clock_now_ms());
        if (delay_ms)
                log_warning(
                        "netext-flowd was started %u times in 10 s: the next start waits %llu ms",
                        recent, (unsigned long long)delay_ms);
        engine_arm(engine, delay_ms, engine_restart_now);
}

static int connect_to_flowd(struct engine *engine);

static void engine_try_quit(struct engine *engine)
{
        engine_arm(engine, QUIT_TIMEOUT_MS, engine_late);
        if (engine->state == ENGINE_DOWN)
                (void)connect_to_flowd(engine);
        if (engine->state == ENGINE_READY || engine->state == ENGINE_ADOPTING)
                engine->quit_sent = engine_send_quit(engine) >= 0;
}

static void engine_gone(struct engine *engine, bool failed)
{
        timer_stop(&engine->deadline);
        engine->state = ENGINE_GONE;
        engine->listener->gone(failed, engine->userdata);
}

/* None runs. Without an orderly end its kernel objects may stand: one more takes them away. */
static void engine_sweep(struct engine *engine)
{
        if (engine->n_sweeps++ > 0 || engine_start(engine) < 0)
                engine_gone(engine, true);
}

void engine_quit(struct engine *engine)
{
        if (engine->quitting || engine->state == ENGINE_GONE)
                return;
        engine->quitting = true;
        if (engine->state == ENGINE_STARTING)
                return; /* told as soon as it listens: only a flowd takes away what stands */
        timer_stop(&engine->deadline);
        if (process_is_alive(&engine->process))
                engine_try_quit(engine);
        else
                engine_sweep(engine);
}

static void engine_synced(int result, void *userdata)
{
        struct engine *engine = userdata;

        if (result == -ECONNRESET || engine->quitting)
                return;
        if (result < 0) {
                log_error("netext-flowd (pid %d) puts nothing in force and is killed: %s",
                          engine->process.pid, strerror(-result));
                engine->killed = true;
                process_signal(&engine->process, SIGKILL);
                return;
        }
        timer_stop(&engine->deadline);
        engine->was_in_force = true;
        engine->listener->in_force(engine->userdata);
}

/* An earlier netextd may have died before it said so: it does no harm twice. */
static void engine_sync(struct engine *engine)
{
        int r;

        r = engine_ask(engine, &(struct engine_question){ .type = NX_MSG_FLOWD_SYNC }, NULL,
                       engine_synced, engine);
        if (r < 0)
                engine_synced(r, engine);
}

void engine_is_ready(struct engine *engine, bool adopted)
{
        engine->state = ENGINE_READY;
        log_info("netext-flowd (pid %d, uid %u) %s", engine->process.pid, engine->uid,
                 adopted ? "was found again" : "is ready");
        if (engine->quitting) {
                engine_try_quit(engine);
                return;
        }
        (void)engine_send_watch(engine);
        engine->listener->ready(adopted, engine->userdata);
        engine_sync(engine);
        engine_requests_send(engine); /* behind what they may ask about */
}

/* It lives, but its link is lost: it can be reached like the flowd of an earlier netextd. */
static int engine_reconnect(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct engine *engine = userdata;
        uint64_t now_ms = clock_now_ms();

        restarts_add(&engine->reconnects, now_ms);
        if (restarts_recent(&engine->reconnects, now_ms) > RECONNECTS_MAX ||
            connect_to_flowd(engine) < 0)
                process_signal(&engine->process, SIGKILL);
        return 0;
}

static void engine_lost(const char *why, void *userdata)
{
        struct engine *engine = userdata;

        engine->state = ENGINE_DOWN;
        engine_requests_end(engine, -ECONNRESET, false);
        if (engine->quitting)
                return;
        log_debug("link to netext-flowd (pid %d) lost: %s", engine->process.pid, why);
        /* If it is dying, we shall know by then. */
        if (engine->was_in_force)
                engine_arm(engine, RECONNECT_MS, engine_reconnect);
        else
                process_signal(&engine->process, SIGKILL);
}

static void engine_ended(const char *how, bool clean, void *userdata)
{
        struct engine *engine = userdata;
        bool orderly = engine->quit_sent && clean && !engine->killed;

        peer_close(&engine->peer);
        timer_stop(&engine->deadline);
        watchdog_stop(engine);
        engine->state = ENGINE_DOWN;
        engine_requests_end(engine, -ECONNRESET, false);
        if (orderly) {
                engine_gone(engine, false);
                return;
        }
        log_error("netext-flowd is gone%s: %s",
                  engine->was_in_force ? "" : " before it was in force (see its messages above)",
                  how);
        if (engine->quitting) {
                engine_sweep(engine);
        } else if (!engine->was_in_force) {
                engine_gone(engine, true);
        } else {
                engine->listener->died(engine->userdata);
                engine_restart(engine);
        }
}

static void engine_adopted(int result, void *userdata)
{
        struct engine *engine = userdata;

        if (result == -ETIMEDOUT)
                engine_late(NULL, 0, engine);
        else if (result == 0 && engine->state == ENGINE_ADOPTING)
                engine_is_ready(engine, true);
}

static int connect_to_flowd(struct engine *engine)
{
        _cleanup_fd_ int fd = folder_connect(engine->paths->flowd_socket, SOCK_SEQPACKET);
        int r;

        if (fd < 0)
                return fd;
        r = open_link(engine, take_fd(&fd));
        if (r < 0)
                return r;
        engine->state = ENGINE_ADOPTING;
        return engine_ask(engine, &(struct engine_question){ .type = NX_MSG_FLOWD_STATUS_GET },
                          NULL, engine_adopted, engine);
}

int engine_adopt(struct engine *engine, pid_t pid, uint64_t started, uid_t uid)
{
        int r;

        r = process_open(&engine->process, engine->event, pid, started, engine_ended, engine);
        if (r < 0) {
                log_warning("the netext-flowd of an earlier netextd (pid %d) is gone", pid);
                engine->listener->died(engine->userdata);
                return engine_start(engine);
        }
        engine->uid = uid;
        engine->was_in_force = true;
        r = connect_to_flowd(engine);
        if (r < 0) {
                log_warning("netext-flowd (pid %d) cannot be reached: %s; another one is started",
                            pid, strerror(-r));
                process_signal(&engine->process, SIGKILL);
        }
        return 0;
}
