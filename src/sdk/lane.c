/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The thread waits for a datagram of packets, has the extension judge each, and answers with a
 * datagram of verdicts. It blocks where netext-flowd does not take them: there is nothing else to
 * do. It ends with its channel, which lanes_stop() shuts down.
 *
 * A fault of the extension is found here and told by the session, in the thread that everything
 * else happens in: fault is written before is_faulty is, and then never again.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sdk/lane.h"
#include "sdk/provider.h"

#define MEMORY_SIZE ((size_t)WIRE_PACKET_SLOTS * WIRE_PACKET_SLOT_SIZE)

static int fail(struct lane *lane, const char *format, ...) _printf_(2, 3);
static int fail(struct lane *lane, const char *format, ...)
{
        const uint64_t one = 1;
        va_list args;

        va_start(args, format);
        vsnprintf(lane->fault, sizeof(lane->fault), format, args);
        va_end(args);
        atomic_store(&lane->is_faulty, true);
        (void)!write(lane->fault_fd, &one, sizeof(one));
        return -EPROTO;
}

static int wait_for(struct lane *lane, short events)
{
        struct pollfd poll_fd = { .fd = lane->channel.fd, .events = events };

        return poll(&poll_fd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int put_verdict(struct lane *lane, uint64_t packet, enum nx_packet_verdict verdict)
{
        struct wire_writer *writer;

        writer = channel_begin(&lane->channel, NX_MSG_ENGINE_PACKET_VERDICT, 0);
        wire_put(writer, WIRE_ATTR_PACKET, packet);
        wire_put(writer, WIRE_ATTR_PACKET_VERDICT, (uint64_t)verdict);
        return channel_end(&lane->channel);
}

static int flush(struct lane *lane)
{
        int r = channel_flush(&lane->channel);

        while (r >= 0 && channel_wants_write(&lane->channel)) {
                r = wait_for(lane, POLLOUT);
                if (r >= 0)
                        r = channel_flush(&lane->channel);
        }
        return r;
}

int lane_release(struct lane *lane, uint64_t packet, enum nx_packet_verdict verdict)
{
        int r = -ESTALE;

        pthread_mutex_lock(&lane->lock);
        if (lane->channel.fd >= 0) {
                r = put_verdict(lane, packet, verdict);
                if (r >= 0)
                        r = flush(lane);
        }
        pthread_mutex_unlock(&lane->lock);
        return r < 0 ? -ESTALE : 0;
}

/* --- what comes ---------------------------------------------------------------------------- */

static int map_memory(struct lane *lane, int fd)
{
        struct stat status;
        void *memory;

        if (lane->memory || fstat(fd, &status) < 0 || (size_t)status.st_size != MEMORY_SIZE)
                return fail(lane, "netext-flowd sent memory for packets of another size than "
                                  "expected, or twice");
        memory = mmap(NULL, MEMORY_SIZE, PROT_READ, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return fail(lane, "Cannot map the memory that packets are shown in: %s",
                            strerror(errno));
        lane->memory = memory;
        return 0;
}

static enum nx_packet_verdict ask(struct lane *lane, struct nx_packet_context *context)
{
        struct session *session = lane->session;
        const struct nx_packet_filter_provider *functions =
                &session->provider->extension.packet_filter;

        if (!functions->packet_handler)
                return NX_PACKET_VERDICT_ALLOW;
        return functions->packet_handler(&session->packet_filter, context, context->interface,
                                         context->direction, context->bytes, context->size,
                                         session->provider->userdata);
}

static int check(struct lane *lane, const struct nx_packet_context *context,
                 enum nx_packet_verdict verdict)
{
        if (verdict == NX_PACKET_VERDICT_DELAY && !context->is_delayed)
                return fail(lane, "packet_handler returned DELAY for a packet that it did not "
                                  "delay; see nx_packet_filter_delay_current_packet()");
        if (verdict != NX_PACKET_VERDICT_DELAY && context->is_delayed)
                return fail(lane, "packet_handler delayed a packet and returned %d; DELAY is 2",
                            (int)verdict);
        if (verdict < NX_PACKET_VERDICT_ALLOW || verdict > NX_PACKET_VERDICT_DELAY)
                return fail(lane,
                            "packet_handler returned %d; a packet's verdict is ALLOW, DROP or "
                            "DELAY",
                            (int)verdict);
        return 0;
}

static int handle_packet(struct lane *lane, const struct wire_message *message)
{
        uint64_t id = wire_get(message, WIRE_ATTR_PACKET);
        struct nx_packet_context context = {
                .lane = lane,
                .id = id,
                .interface = wire_get_string(message, WIRE_ATTR_INTERFACE),
                .direction = (enum nx_direction)wire_get(message, WIRE_ATTR_DIRECTION),
                .size = wire_get(message, WIRE_ATTR_COUNT),
        };
        enum nx_packet_verdict verdict;
        int r;

        if (!lane->memory || context.size == 0 || context.size > WIRE_PACKET_SLOT_SIZE)
                return fail(lane, "netext-flowd sent a packet that is not in the memory it gave");
        context.bytes = lane->memory + id % WIRE_PACKET_SLOTS * WIRE_PACKET_SLOT_SIZE;
        verdict = ask(lane, &context);
        r = check(lane, &context, verdict);
        if (r < 0)
                return r;
        pthread_mutex_lock(&lane->lock);
        r = put_verdict(lane, id, verdict);
        pthread_mutex_unlock(&lane->lock);
        return r;
}

static int on_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct lane *lane = userdata;

        switch (message->type) {
        case NX_MSG_PROVIDER_PACKET_MEMORY:
                return map_memory(lane, *fd);
        case NX_MSG_PROVIDER_PACKET:
                return handle_packet(lane, message);
        default:
                return fail(lane,
                            "netext-flowd sent %s, which a thread for packets does not expect; "
                            "netext's programs are perhaps of different versions",
                            wire_message_info(message->type)->name);
        }
}

static void *lane_run(void *userdata)
{
        struct lane *lane = userdata;
        int r = 0;

        while (r >= 0) {
                r = wait_for(lane, POLLIN);
                if (r >= 0)
                        r = channel_receive(&lane->channel, on_message, lane);
                pthread_mutex_lock(&lane->lock);
                if (r >= 0)
                        r = flush(lane);
                pthread_mutex_unlock(&lane->lock);
                if (r == -EAGAIN)
                        r = 0;
        }
        if (r == -EBADMSG)
                (void)fail(lane, "netext-flowd broke the protocol: %s", lane->channel.problem);
        return NULL;
}

/* --- life ---------------------------------------------------------------------------------- */

/* Signals are the extension's own threads' business. */
static int start_thread(struct lane *lane)
{
        sigset_t all, before;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&lane->thread, NULL, lane_run, lane);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -r;
}

static int lane_new(struct lane **ret_lane, struct session *session, int fault_fd, int fd)
{
        struct lane *lane = malloc(sizeof(*lane));
        int r;

        if (!lane) {
                close_fd(fd);
                return -ENOMEM;
        }
        *lane = (struct lane){ .n_refs = 1, .session = session, .fault_fd = fault_fd };
        pthread_mutex_init(&lane->lock, NULL);
        r = channel_init(&lane->channel, fd);
        if (r >= 0)
                r = start_thread(lane);
        if (r < 0)
                lane_unref(lane);
        else
                *ret_lane = lane;
        return r;
}

struct lane *lane_unref(struct lane *lane)
{
        if (!lane || atomic_fetch_sub(&lane->n_refs, 1) > 1)
                return NULL;
        channel_deinit(&lane->channel);
        if (lane->memory)
                munmap((void *)lane->memory, MEMORY_SIZE);
        pthread_mutex_destroy(&lane->lock);
        free(lane);
        return NULL;
}

static int on_fault(uint32_t events, void *userdata)
{
        struct session *session = userdata;
        struct lanes *lanes = &session->lanes;
        uint64_t n;

        (void)!read(lanes->fault_fd, &n, sizeof(n));
        for (size_t i = 0; i < lanes->n; i++)
                if (atomic_load(&lanes->lanes[i]->is_faulty))
                        return provider_fail(session->provider, -EPROTO, "%s",
                                             lanes->lanes[i]->fault);
        return 0;
}

static int lanes_open(struct lanes *lanes, struct session *session)
{
        int r;

        if (lanes->fault_fd >= 0)
                return 0;
        lanes->fault_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (lanes->fault_fd < 0)
                return -errno;
        r = loop_add(&session->provider->loop, &lanes->fault_io, lanes->fault_fd, EPOLLIN, on_fault,
                     session);
        if (r < 0)
                lanes->fault_fd = close_fd(lanes->fault_fd);
        return r;
}

int lanes_add(struct lanes *lanes, struct session *session, int fd)
{
        int r = lanes->n < LANES_MAX ? lanes_open(lanes, session) : -E2BIG;

        if (r < 0) {
                close_fd(fd);
                return r;
        }
        r = lane_new(&lanes->lanes[lanes->n], session, lanes->fault_fd, fd);
        if (r >= 0)
                lanes->n++;
        return r;
}

/* The descriptor stays until the thread has ended, so that it means the same all the time. */
static void lane_stop(struct lane *lane)
{
        (void)shutdown(lane->channel.fd, SHUT_RDWR);
        pthread_join(lane->thread, NULL);
        pthread_mutex_lock(&lane->lock);
        channel_deinit(&lane->channel);
        pthread_mutex_unlock(&lane->lock);
        lane_unref(lane);
}

void lanes_stop(struct lanes *lanes, struct session *session)
{
        while (lanes->n > 0)
                lane_stop(lanes->lanes[--lanes->n]);
        if (lanes->fault_fd < 0)
                return;
        loop_remove(&session->provider->loop, &lanes->fault_io);
        lanes->fault_fd = close_fd(lanes->fault_fd);
}
