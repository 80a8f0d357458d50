/* SPDX-License-Identifier: Apache-2.0 */

/* What the tests of the relay have in common. */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/cleanup.h"
#include "base/loop.h"
#include "base/socket.h"
#include "relay/relay.h"
#include "relay/test-scene.h"

static size_t count_entries(const char *path)
{
        _cleanup_dir_ DIR *dir = opendir(path);
        size_t n = 0;

        while (readdir(dir))
                n++;
        return n;
}

size_t count_fds(void)
{
        return count_entries("/proc/self/fd");
}

size_t count_threads(void)
{
        return count_entries("/proc/self/task") - 2; /* . and .. */
}

static void handle_ended(const struct relay_end *end, void *userdata)
{
        struct scene *scene = userdata;

        assert_true(scene->n_ends < ENDS_MAX);
        scene->ends[scene->n_ends++] = *end;
}

int set_up(void **state)
{
        struct scene *scene = calloc(1, sizeof(*scene));

        alarm(TIMEOUT_MS / 1000);
        scene->n_fds_before = count_fds();
        scene->n_threads_before = count_threads();
        assert_int_equal(loop_init(&scene->loop), 0);
        assert_int_equal(relay_pool_new(&scene->pool, &scene->loop, handle_ended, scene), 0);
        *state = scene;
        return 0;
}

int tear_down(void **state)
{
        struct scene *scene = *state;

        scene->pool = relay_pool_free(scene->pool);
        loop_deinit(&scene->loop);
        assert_int_equal(count_fds(), scene->n_fds_before);
        while (count_threads() > scene->n_threads_before)
                usleep(100); /* who was joined may be seen for a moment yet */
        free(scene);
        return 0;
}

/* --- sockets -------------------------------------------------------------------------- */

static void set_buffers(int fd, int size)
{
        if (!size)
                return;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
}

static void connect_pair(int *ret_near, int *ret_far, int buffer_size)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_fd_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(address);

        set_buffers(listener, buffer_size);
        set_buffers(near, buffer_size);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
        assert_int_equal(connect(near, (struct sockaddr *)&address, size), 0);
        *ret_far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(*ret_far >= 0);
        *ret_near = near;
}

void connect_app(int *ret_client, int *ret_app, int buffer_size)
{
        connect_pair(ret_client, ret_app, buffer_size);
        assert_int_equal(fcntl(*ret_app, F_SETFL, O_NONBLOCK), 0);
        assert_int_equal(socket_set_reset_on_close(*ret_app, true), 0);
}

struct flow open_flow_with(struct scene *scene, uint64_t id, int buffer_size)
{
        struct flow flow = {};
        int app, upstream;

        connect_app(&flow.client, &app, buffer_size);
        connect_pair(&upstream, &flow.server, buffer_size);
        assert_int_equal(relay_pool_add(scene->pool, id, app, upstream), 0);
        return flow;
}

struct flow open_flow(struct scene *scene, uint64_t id)
{
        return open_flow_with(scene, id, 0);
}

void close_flow(struct flow *flow)
{
        flow->client = close_fd(flow->client);
        flow->server = close_fd(flow->server);
}

void reset(int *fd)
{
        assert_int_equal(socket_set_reset_on_close(*fd, true), 0);
        *fd = close_fd(*fd);
}

struct relay_counts counts(const struct scene *scene)
{
        struct relay_counts counts;

        relay_pool_count(scene->pool, &counts);
        return counts;
}

struct relay_end end_of(struct scene *scene, uint64_t id)
{
        for (size_t seen = 0;; seen++) {
                while (seen == scene->n_ends)
                        assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
                if (scene->ends[seen].id == id)
                        return scene->ends[seen];
        }
}

/* --- bytes ---------------------------------------------------------------------------- */

/* A stream that is known at each place, to write it and to compare. The period is a prime, so
 * that no piece of a buffer's size can be lost or doubled unseen. */
#define PERIOD 65521

static unsigned char pattern[PERIOD + CHUNK_MAX];

void make_pattern(void)
{
        for (size_t i = 0; i < sizeof(pattern); i++)
                pattern[i] = (unsigned char)((i % PERIOD) * 0x9e3779b97f4a7c15u >> 56);
}

static const unsigned char *stream_at(size_t place, unsigned int seed)
{
        return pattern + (place + seed) % PERIOD;
}

/* Chunks of all sizes, from one byte to more than any buffer. */
static size_t next_chunk(const struct transfer *transfer)
{
        size_t left = transfer->size - transfer->n_written;
        size_t wanted = 1 + ((transfer->n_written + transfer->seed) * 2654435761u) % CHUNK_MAX;

        return wanted < left ? wanted : left;
}

bool transfer_try_write(struct transfer *transfer)
{
        const unsigned char *bytes = stream_at(transfer->n_written, transfer->seed);
        ssize_t n = send(transfer->from, bytes, next_chunk(transfer), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0)
                transfer->n_written += (size_t)n;
        return n > 0 || (n < 0 && errno == EAGAIN);
}

void transfer_write(struct transfer *transfer)
{
        assert_true(transfer_try_write(transfer));
}

void transfer_read(struct transfer *transfer)
{
        static unsigned char chunk[CHUNK_MAX];
        size_t left = transfer->size - transfer->n_read;
        ssize_t n = recv(transfer->to, chunk, left < CHUNK_MAX ? left : CHUNK_MAX, MSG_DONTWAIT);

        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        if (n < 0)
                return;
        assert_memory_equal(chunk, stream_at(transfer->n_read, transfer->seed), (size_t)n);
        transfer->n_read += (size_t)n;
}

bool transfer_is_done(const struct transfer *transfer)
{
        return transfer->n_read == transfer->size;
}

void transfer_both(struct transfer *first, struct transfer *second)
{
        while (!transfer_is_done(first) || !transfer_is_done(second)) {
                struct transfer *transfers[] = { first, second };
                struct pollfd polls[4];

                for (int i = 0; i < 2; i++) {
                        bool writes = transfers[i]->n_written < transfers[i]->size;
                        bool reads = !transfer_is_done(transfers[i]);

                        polls[2 * i] =
                                (struct pollfd){ writes ? transfers[i]->from : -1, POLLOUT, 0 };
                        polls[2 * i + 1] =
                                (struct pollfd){ reads ? transfers[i]->to : -1, POLLIN, 0 };
                }
                assert_true(poll(polls, 4, -1) > 0);
                for (int i = 0; i < 2; i++) {
                        if (polls[2 * i].revents)
                                transfer_write(transfers[i]);
                        if (polls[2 * i + 1].revents)
                                transfer_read(transfers[i]);
                }
        }
}

void carry(const struct flow *flow, size_t n_outbound, size_t n_inbound)
{
        struct transfer outbound = {
                .from = flow->client, .to = flow->server, .size = n_outbound, .seed = 1
        };
        struct transfer inbound = {
                .from = flow->server, .to = flow->client, .size = n_inbound, .seed = 2
        };

        transfer_both(&outbound, &inbound);
}

void hear(int fd, const char *word)
{
        char heard[64] = "";

        assert_int_equal(recv(fd, heard, strlen(word), MSG_WAITALL), strlen(word));
        assert_string_equal(heard, word);
}

void say(int from, int to, const char *word)
{
        assert_int_equal(send(from, word, strlen(word), MSG_NOSIGNAL), strlen(word));
        hear(to, word);
}

void ask_and_answer(const struct flow *flow)
{
        say(flow->client, flow->server, "question");
        say(flow->server, flow->client, "answer");
}

void assert_end_of_stream(int fd)
{
        char byte;

        assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

void assert_reset(int fd)
{
        char byte;

        assert_int_equal(recv(fd, &byte, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
}

/* --- what it does --------------------------------------------------------------------- */
void prepare_flow(struct flow *flow, int *ret_app, int *ret_upstream)
{
        connect_app(&flow->client, ret_app, 0);
        connect_pair(ret_upstream, &flow->server, 0);
}
