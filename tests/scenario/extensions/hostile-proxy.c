/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A transparent proxy that speaks the protocol itself and means ill. Its session's name says
 * how; it does so to flows to port 80, and declines others.
 *
 *         twice      claims twice, then splices properly
 *         thief      opens and splices every flow that is not its own
 *         pipe, null, unix, datagram, listener, unconnected
 *                    splices that kind of descriptor
 *         same       splices two flows with one upstream
 *         loop       splices each second flow with the socket of the one before
 *         blocker    splices, and makes the upstream block and its end wait, again and again
 *         trickler   splices, and gives the upstream a receive timeout
 *         reader     splices, and reads from the upstream itself
 *         linger     gives away a socket whose close() would wait for ever
 *         patient    wants its flows to be idle for a hundred years
 *         deaf       claims and opens whatever comes, and reads nothing any more
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netext/filter.h>

#include "base/cleanup.h"
#include "wire/channel.h"

static struct channel control = CHANNEL_NULL, flows = CHANNEL_NULL;
static char mode[64];
static int kept_fd = -1;

static bool is_mode(const char *word)
{
        return strcmp(mode, word) == 0;
}

static void send_verdict(uint64_t flow, enum nx_verdict verdict)
{
        struct wire_writer *writer = channel_begin(&flows, NX_MSG_ENGINE_VERDICT, 0);

        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_VERDICT, verdict);
        channel_end(&flows);
}

static void send_open(uint64_t flow)
{
        struct wire_writer *writer = channel_begin(&flows, NX_MSG_ENGINE_FLOW_OPEN, 0);

        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_RESULT, 0);
        channel_end(&flows);
}

static void send_splice(uint64_t flow, int fd)
{
        struct wire_writer *writer;

        writer = channel_begin(&flows, NX_MSG_ENGINE_FLOW_SPLICE, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        channel_end_with_copy(&flows, fd);
}

static int connect_upstream(void)
{
        struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(80) };
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        inet_pton(AF_INET, "198.18.0.2", &server.sin_addr);
        if (connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
                perror("hostile-proxy: connect");
        return fd;
}

static int strange_descriptor(void)
{
        struct sockaddr_in any = { .sin_family = AF_INET };
        int fds[2] = { -1, -1 };

        if (is_mode("pipe"))
                return pipe(fds) < 0 ? -1 : fds[1];
        if (is_mode("null"))
                return open("/dev/null", O_RDWR);
        if (is_mode("unix"))
                return socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ? -1 : fds[0];
        if (is_mode("datagram"))
                return socket(AF_INET, SOCK_DGRAM, 0);
        if (is_mode("unconnected"))
                return socket(AF_INET, SOCK_STREAM, 0);
        if (!is_mode("listener"))
                return -1;
        fds[0] = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(fds[0], (struct sockaddr *)&any, sizeof(any)) < 0 || listen(fds[0], 8) < 0)
                return -1;
        return fds[0];
}

/* What the holder of a duplicate can do to its other owners. */
static void *torment(void *userdata)
{
        int fd = (int)(intptr_t)userdata;
        struct linger linger = { .l_onoff = 1, .l_linger = 3600 };
        struct timeval timeout = { .tv_usec = 300000 };
        char bytes[4096];

        for (int i = 0; i < 10000; i++) {
                if (is_mode("blocker")) {
                        fcntl(fd, F_SETFL, 0);
                        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
                }
                if (is_mode("trickler")) {
                        fcntl(fd, F_SETFL, 0);
                        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
                }
                if (is_mode("reader") && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) == 0)
                        break;
                usleep(1000);
        }
        close(fd);
        return NULL;
}

static void splice_and_torment(uint64_t flow)
{
        int fd = connect_upstream();
        pthread_t thread;

        send_splice(flow, fd);
        channel_flush(&flows);
        if (pthread_create(&thread, NULL, torment, (void *)(intptr_t)fd) == 0)
                pthread_detach(thread);
}

/* The peer never reads, so what is sent is never acknowledged as taken. */
static void give_away_lingering(uint64_t flow)
{
        struct linger linger = { .l_onoff = 1, .l_linger = 3600 };
        static const char bytes[65536];
        int fd = connect_upstream();

        fcntl(fd, F_SETFL, O_NONBLOCK);
        while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
                ;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        send_splice(flow + 1000000, fd);
        channel_flush(&flows);
        close(fd);
        send_verdict(flow, NX_VERDICT_DECLINE);
}

/* Numbers are guessed: flows have consecutive ones. */
static void open_blindly(uint64_t first)
{
        for (int round = 0; round < 300; round++) {
                for (uint64_t flow = first; flow < first + 700; flow++) {
                        send_verdict(flow, NX_VERDICT_CLAIM);
                        send_open(flow);
                }
                channel_flush(&flows);
                usleep(10000);
        }
        pause();
}

static void on_flow(uint64_t flow)
{
        int strange = strange_descriptor();

        if (is_mode("thief")) {
                for (uint64_t other = 1; other < flow; other++) {
                        send_splice(other, kept_fd >= 0 ? kept_fd : (kept_fd = connect_upstream()));
                        send_open(other);
                }
                send_verdict(flow, NX_VERDICT_DECLINE);
                return;
        }
        if (is_mode("linger")) {
                give_away_lingering(flow);
                return;
        }
        send_verdict(flow, NX_VERDICT_CLAIM);
        if (is_mode("twice"))
                send_verdict(flow, NX_VERDICT_CLAIM);
        if (strange >= 0) {
                send_splice(flow, strange);
        } else if (is_mode("same")) {
                if (kept_fd < 0)
                        kept_fd = connect_upstream();
                send_splice(flow, kept_fd);
        } else if (is_mode("loop") && kept_fd >= 0) {
                send_splice(flow, kept_fd);
        } else if (is_mode("loop")) {
                send_open(flow);
        } else if (is_mode("deaf")) {
                open_blindly(flow);
        } else {
                splice_and_torment(flow);
        }
}

static void start(const struct wire_message *message)
{
        struct wire_writer *writer;

        snprintf(mode, sizeof(mode), "%s", wire_get_string(message, WIRE_ATTR_NAME));
        writer = channel_begin(&flows, NX_MSG_ENGINE_SETTINGS_BEGIN, 1);
        wire_put(writer, WIRE_ATTR_ACTION, NX_FILTER_ACTION_FILTER_DATA);
        wire_put(writer, WIRE_ATTR_LOOPBACK, 0);
        if (is_mode("patient"))
                wire_put(writer, WIRE_ATTR_UDP_IDLE_S, 3155760000);
        channel_end(&flows);
        channel_begin(&flows, NX_MSG_ENGINE_SETTINGS_COMMIT, 1);
        channel_end(&flows);
        writer = channel_begin(&flows, NX_MSG_ENGINE_STARTED, 0);
        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put(writer, WIRE_ATTR_RESULT, 0);
        channel_end(&flows);
}

static int receive(const struct wire_message *message, int *fd, void *userdata)
{
        uint64_t flow = wire_get(message, WIRE_ATTR_FLOW);

        if (message->type == NX_MSG_EXTENSION_CHANNEL)
                return channel_init(&flows, take_fd(fd));
        if (message->type == NX_MSG_PROVIDER_START)
                start(message);
        if (message->type == NX_MSG_PROVIDER_FLOW_SOCKET)
                kept_fd = take_fd(fd);
        if (message->type != NX_MSG_PROVIDER_FLOW_NEW)
                return 0;
        if (wire_get(message, WIRE_ATTR_REMOTE_PORT) == 80)
                on_flow(flow);
        else
                send_verdict(flow, NX_VERDICT_DECLINE);
        return 0;
}

static bool serve(struct channel *channel)
{
        int r = channel->fd < 0 ? -EAGAIN : channel_receive(channel, receive, NULL);

        if (channel->fd >= 0)
                channel_flush(channel);
        return r == 0 || r == -EAGAIN;
}

int main(void)
{
        struct wire_writer *writer;
        int r;

        r = channel_init(&control, atoi(getenv("NETEXT_CONTROL_FD") ?: "-1"));
        if (r < 0)
                return 1;
        writer = channel_begin(&control, NX_MSG_MANAGER_EXTENSION_HELLO, 0);
        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put_string(writer, WIRE_ATTR_NAME, "hostile-proxy");
        wire_put(writer, WIRE_ATTR_KINDS, 1U << NX_PROVIDER_KIND_TRANSPARENT_PROXY);
        channel_end(&control);
        channel_flush(&control);
        while (serve(&control) && serve(&flows)) {
                struct pollfd fds[] = {
                        { .fd = control.fd, .events = POLLIN },
                        { .fd = flows.fd, .events = POLLIN },
                };

                poll(fds, 2, -1);
        }
        return 0;
}
