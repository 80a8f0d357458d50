/* SPDX-License-Identifier: Apache-2.0 */

/* The two programs of each flow, and what its inspectors were asked. */

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <netext/filter.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "base/socket.h"
#include "inspect/test-scene.h"

/* --- what is told --------------------------------------------------------------------- */

static struct question *note(struct scene *scene, struct inspection *inspection,
                             unsigned int inspector, enum nx_direction direction)
{
        struct question *question = &scene->questions[scene->n_asked++ % QUESTIONS_MAX];

        assert_true(scene->n_asked - scene->n_answered <= QUESTIONS_MAX);
        *question = (struct question){ .inspection = inspection,
                                       .inspector = inspector,
                                       .direction = direction };
        return question;
}

/* At most what a question of the scene has room for. */
static size_t handle_show(struct inspection *inspection, unsigned int inspector,
                          enum nx_direction direction, uint64_t offset, const void *bytes,
                          size_t size, void *userdata)
{
        struct scene *scene = userdata;
        struct question *question;

        if (scene->is_busy)
                return 0;
        question = note(scene, inspection, inspector, direction);
        assert_in_range(size, 1, WIRE_SLOT_SIZE);
        question->offset = offset;
        question->size = size < sizeof(question->bytes) ? size : sizeof(question->bytes);
        memcpy(question->bytes, bytes, question->size);
        if (scene->cuts_in_show)
                inspection_cut(inspection, -EIO);
        return question->size;
}

static bool handle_complete(struct inspection *inspection, unsigned int inspector,
                            enum nx_direction direction, void *userdata)
{
        struct scene *scene = userdata;

        if (scene->is_busy)
                return false;
        note(scene, inspection, inspector, direction)->is_complete = true;
        return true;
}

static void handle_done(struct inspection *inspection, int app_fd, int upstream_fd,
                        uint64_t bytes_outbound, uint64_t bytes_inbound, void *userdata)
{
        struct scene *scene = userdata;

        scene->n_done++;
        scene->app_fd = app_fd;
        scene->upstream_fd = upstream_fd;
        scene->bytes_outbound = bytes_outbound;
}

static void handle_ended(struct inspection *inspection, int error, uint64_t bytes_outbound,
                         uint64_t bytes_inbound, void *userdata)
{
        struct scene *scene = userdata;

        scene->n_ended++;
        scene->error = error;
        scene->bytes_outbound = bytes_outbound;
        scene->bytes_inbound = bytes_inbound;
}

void handle_relayed(const struct relay_end *end, void *userdata)
{
        struct scene *scene = userdata;

        scene->n_relayed++;
        scene->error = end->error;
}

static const struct inspection_listener listener = {
        .show = handle_show,
        .complete = handle_complete,
        .done = handle_done,
        .ended = handle_ended,
};

/* --- scene ---------------------------------------------------------------------------- */

void open_pool(struct scene *scene, size_t bytes_max)
{
        scene->pool = inspection_pool_free(scene->pool);
        scene->bytes_max = bytes_max;
        assert_int_equal(inspection_pool_new(&scene->pool, &scene->loop, &listener, bytes_max), 0);
}

int set_up(void **state)
{
        struct scene *scene = calloc(1, sizeof(*scene));

        alarm(TIMEOUT_MS / 1000);
        scene->app_fd = scene->upstream_fd = -1;
        scene->questions = calloc(QUESTIONS_MAX, sizeof(*scene->questions));
        assert_int_equal(loop_init(&scene->loop), 0);
        open_pool(scene, INSPECTION_BYTES_MAX);
        *state = scene;
        return 0;
}

int tear_down(void **state)
{
        struct scene *scene = *state;

        scene->pool = inspection_pool_free(scene->pool);
        scene->relays = relay_pool_free(scene->relays);
        close_fd(scene->app_fd);
        close_fd(scene->upstream_fd);
        loop_deinit(&scene->loop);
        free(scene->questions);
        free(scene);
        return 0;
}

static void connect_pair(int *ret_near, int *ret_far)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        _cleanup_fd_ int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int buffer_size = 64 * KIB;
        socklen_t size = sizeof(address);

        *ret_near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        for (int option = SO_SNDBUF; option <= SO_RCVBUF; option++) {
                setsockopt(listening, SOL_SOCKET, option, &buffer_size, sizeof(buffer_size));
                setsockopt(*ret_near, SOL_SOCKET, option, &buffer_size, sizeof(buffer_size));
        }
        assert_return_code(bind(listening, (struct sockaddr *)&address, size), errno);
        assert_return_code(listen(listening, 1), errno);
        assert_return_code(getsockname(listening, (struct sockaddr *)&address, &size), errno);
        assert_return_code(connect(*ret_near, (struct sockaddr *)&address, size), errno);
        *ret_far = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        assert_return_code(*ret_far, errno);
}

int try_open(struct scene *scene, const struct inspection_peek *peeks, unsigned int n_inspectors,
             struct flow *ret_flow)
{
        struct inspection_setup setup = { .peeks = peeks,
                                          .n_inspectors = n_inspectors,
                                          .userdata = scene };

        connect_pair(&ret_flow->client, &setup.app_fd);
        connect_pair(&setup.upstream_fd, &ret_flow->server);
        return inspection_new(&ret_flow->inspection, scene->pool, &setup);
}

struct flow open_flow(struct scene *scene, unsigned int n_inspectors)
{
        static const struct inspection_peek any[INSPECTION_INSPECTORS_MAX] = {};
        struct flow flow;

        assert_int_equal(try_open(scene, any, n_inspectors, &flow), 0);
        return flow;
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

/* --- inspectors ----------------------------------------------------------------------- */

/* The oldest question that is not answered, once it is asked. */
struct question *next_question(struct scene *scene)
{
        while (scene->n_asked == scene->n_answered)
                assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
        return &scene->questions[scene->n_answered++ % QUESTIONS_MAX];
}

void say(const struct question *question, struct inspection_verdict verdict)
{
        assert_int_equal(inspection_verdict(question->inspection, question->inspector,
                                            question->direction, &verdict),
                         0);
}

void pass(const struct question *question, uint64_t pass_bytes)
{
        say(question, (struct inspection_verdict){ .verdict = NX_VERDICT_FILTER_DATA,
                                                   .pass_bytes = pass_bytes });
}

void decide(const struct question *question, enum nx_verdict verdict)
{
        say(question, (struct inspection_verdict){ .verdict = verdict });
}

struct question *assert_asked(struct scene *scene, unsigned int inspector,
                              enum nx_direction direction, bool is_complete)
{
        struct question *question = next_question(scene);

        assert_int_equal(question->inspector, inspector);
        assert_int_equal(question->direction, direction);
        assert_int_equal(question->is_complete, is_complete);
        return question;
}

struct question *assert_shown(struct scene *scene, unsigned int inspector,
                              enum nx_direction direction, const char *text)
{
        struct question *question = assert_asked(scene, inspector, direction, false);

        assert_int_equal(question->size, strlen(text));
        assert_memory_equal(question->bytes, text, question->size);
        return question;
}

/* --- client and server ---------------------------------------------------------------- */

void put(int fd, const char *text)
{
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What is to be done now is done, but nothing is waited for. */
void settle(struct scene *scene)
{
        for (int i = 0; i < 20; i++)
                assert_int_equal(loop_dispatch(&scene->loop, i < 10 ? 0 : 1), 0);
}

ssize_t get(struct scene *scene, int fd, char *bytes, size_t size)
{
        ssize_t n;

        while ((n = recv(fd, bytes, size, MSG_DONTWAIT)) < 0 && errno == EAGAIN)
                assert_int_equal(loop_dispatch(&scene->loop, 1), 0);
        return n;
}

void assert_gets(struct scene *scene, int fd, const char *text)
{
        char bytes[64];
        size_t n = 0;

        while (n < strlen(text)) {
                ssize_t more = get(scene, fd, bytes + n, strlen(text) - n);

                assert_return_code(more, errno);
                assert_int_not_equal(more, 0);
                n += (size_t)more;
        }
        assert_memory_equal(bytes, text, n);
}

void assert_gets_end(struct scene *scene, int fd)
{
        char byte;

        assert_int_equal(get(scene, fd, &byte, 1), 0);
}

void assert_gets_reset(struct scene *scene, int fd)
{
        char byte;

        assert_int_equal(get(scene, fd, &byte, 1), -1);
        assert_int_equal(errno, ECONNRESET);
}

void assert_gets_nothing(struct scene *scene, int fd)
{
        char byte;

        settle(scene);
        assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
}

void wait_for(struct scene *scene, const unsigned int *counter)
{
        while (*counter == 0)
                assert_int_equal(loop_dispatch(&scene->loop, -1), 0);
}

size_t n_bytes_held(const struct scene *scene)
{
        struct inspection_counts counts;

        inspection_pool_count(scene->pool, &counts);
        return counts.n_bytes;
}

void assert_ended(struct scene *scene, int error)
{
        wait_for(scene, &scene->n_ended);
        assert_int_equal(scene->error, error);
        assert_int_equal(n_bytes_held(scene), 0);
        settle(scene);
        assert_int_equal(scene->n_ended + scene->n_done, 1);
}
