/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The same things very often: connecting and closing, many connections to many extensions, and
 * processes that die or are replaced at any moment. The suite does some of each; a soak says how
 * much with SOAK_CYCLES, SOAK_KILLS and SOAK_TALK_S, and repeats with SOAK_SEED.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "base/cleanup.h"
#include "host.h"
#include "talker.h"

#define N_EXTENSIONS  8
#define N_CONNECTIONS 8 /* to each */
#define N_ALL         (N_EXTENSIONS * N_CONNECTIONS)
#define N_APPS        4 /* that are there when a process is killed */

static struct manifest_peer everyone = { .kind = MANIFEST_PEER_EVERYONE };
static const struct manifest_endpoint declarations[] = {
        { .name = "talk", .peers = &everyone, .n_peers = 1 },
};

static struct host_extension extensions[N_EXTENSIONS];

static void declare_extensions(void)
{
        static char identifiers[N_EXTENSIONS][32];

        for (size_t i = 0; i < N_EXTENSIONS; i++) {
                snprintf(identifiers[i], sizeof(identifiers[i]), "org.example.talker%zu", i);
                extensions[i] = (struct host_extension){
                        .identifier = identifiers[i],
                        .table = &talker,
                        .declarations = declarations,
                        .n_declarations = 1,
                };
        }
}

static void open_talk(struct app *app, size_t index, bool wants_events)
{
        char name[64];

        snprintf(name, sizeof(name), "EXAMPLE.org.example.talker%zu.talk", index);
        app_open(app, name, wants_events);
}

static unsigned long how_many(const char *variable, unsigned long usually)
{
        const char *text = getenv(variable);

        return text ? strtoul(text, NULL, 10) : usually;
}

static unsigned int count_descriptors_of(int pid)
{
        _cleanup_dir_ DIR *folder = NULL;
        char path[32];
        unsigned int n = 0;

        snprintf(path, sizeof(path), "/proc/%d/fd", pid);
        folder = opendir(path);
        while (folder && readdir(folder))
                n++;
        return n;
}

/* I09. */
static void no_descriptor_stays_of_many_connections(void **state)
{
        unsigned long n_cycles = how_many("SOAK_CYCLES", 20000);
        unsigned int ours = count_descriptors();
        struct host host;
        struct app app;
        int pid = 0, before = 0, theirs = 0;

        host_start(&host, extensions, 1);
        for (unsigned long i = 0; i < n_cycles; i++) {
                open_talk(&app, 0, i % 3 == 0);
                if (i % 4 == 0)
                        assert_string_equal(app_call(&app, "echo"), "echo");
                else if (i % 4 != 3) /* else it is closed before it is welcomed */
                        app_wait(&app, &app.n_opened, 1);
                app_close(&app);
                if (i == 100) {
                        pid = host_ask(&host, HOST_PID, 0);
                        before = host_ask(&host, HOST_DESCRIPTORS, 0);
                        theirs = (int)count_descriptors_of(pid);
                }
        }
        open_talk(&app, 0, false); /* behind all that are on their way */
        assert_string_equal(app_call(&app, "echo"), "echo");
        app_close(&app);
        assert_int_equal(host_ask(&host, HOST_PID, 0), pid);
        host_await(&host, HOST_DESCRIPTORS, 0, before);
        for (int i = 0; i < 1000 && (int)count_descriptors_of(pid) > theirs; i++)
                (void)poll(NULL, 0, 2);
        assert_in_range(count_descriptors_of(pid), 1, theirs);
        assert_int_equal(count_descriptors(), ours + 1);
        host_stop(&host);
}

/* I03: one app, and for as long as it is told, everything at once. */
static void one_app_talks_with_eight_extensions_over_eight_connections_each(void **state)
{
        static struct app apps[N_ALL];
        uint64_t end = clock_ms() + how_many("SOAK_TALK_S", 1) * 1000;
        _cleanup_fd_ int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        unsigned long n_rounds = 0;
        struct host host;

        host_start(&host, extensions, N_EXTENSIONS);
        for (size_t i = 0; i < N_ALL; i++) {
                struct epoll_event event = { .events = EPOLLIN, .data.ptr = &apps[i] };
                int fd;

                open_talk(&apps[i], i / N_CONNECTIONS, true);
                fd = nx_connection_get_fd(apps[i].connection);
                assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event), 0);
                assert_string_equal(app_call(&apps[i], "echo"), "echo"); /* it takes events now */
        }
        do {
                for (size_t i = 0; i < N_ALL; i++) {
                        struct app *app = &apps[i];

                        app->answers[0] = '\0';
                        app_ask(app, "echo a", NX_NO_DEADLINE);
                        app_ask(app, "later", 60000);
                        app_ask(app, "now", NX_NO_DEADLINE);
                        app_send(app, "post 2 100");
                }
                n_rounds++;
                for (size_t i = 0; i < N_ALL;) {
                        struct epoll_event events[16];
                        int n = epoll_wait(epoll_fd, events, 16, 10000);

                        assert_true(n > 0);
                        for (int j = 0; j < n; j++) {
                                struct app *app = events[j].data.ptr;

                                assert_int_equal(nx_connection_dispatch(app->connection), 0);
                        }
                        while (i < N_ALL && apps[i].n_answers == 3 * n_rounds)
                                i++;
                }
        } while (clock_ms() < end);
        for (size_t i = 0; i < N_ALL; i++) {
                /* Each got what all eight had posted. */
                unsigned int n_posted = (unsigned int)n_rounds * 2 * N_CONNECTIONS;

                while (apps[i].n_events + apps[i].n_dropped < n_posted)
                        app_wait(&apps[i], &apps[i].n_events, apps[i].n_events + 1);
                assert_int_equal(apps[i].n_events + apps[i].n_dropped, n_posted);
                assert_true(strstr(apps[i].answers, "echo a "));
                assert_int_equal(apps[i].n_opened, 1);
                app_close(&apps[i]);
        }
        host_stop(&host);
}

/* A connect waits and is served; what was asked of a process that dies ends. Nothing else. */
static void expect_outcome(struct app *app, unsigned long point)
{
        uint64_t end = clock_ms() + 10000;
        struct pollfd pollfd = { .fd = nx_connection_get_fd(app->connection), .events = POLLIN };

        while (app->n_answers < 2) {
                if (clock_ms() > end)
                        fail_msg("kill point %lu: neither answer nor end after 10 s", point);
                if (poll(&pollfd, 1, 100) > 0)
                        (void)nx_connection_dispatch(app->connection);
        }
        if (app->n_opened == 0 || (app->n_closed > 0 && app->closed_for != -EPIPE))
                fail_msg("kill point %lu: %s", point, nx_connection_get_error(app->connection));
        if (app->n_closed == 0 && strcmp(app->answers, "echo echo ") != 0)
                fail_msg("kill point %lu: answers are \"%s\"", point, app->answers);
}

/* L12. Also while another process takes over (L10): there the answers never fail. */
static void whenever_a_process_dies_a_connect_is_served_by_the_next(void **state)
{
        unsigned long n_points = how_many("SOAK_KILLS", 300), n_cut = 0;
        unsigned int seed = (unsigned int)how_many("SOAK_SEED", (unsigned long)time(NULL));
        struct host host;

        print_message("SOAK_SEED=%u\n", seed);
        host_start(&host, extensions, 1);
        for (unsigned long i = 0; i < n_points; i++) {
                bool is_replaced = rand_r(&seed) % 4 == 0;
                struct app apps[N_APPS];
                struct timespec moment = { .tv_nsec = rand_r(&seed) % 2000000 };

                for (size_t j = 0; j < N_APPS; j++) {
                        open_talk(&apps[j], 0, j == 0);
                        app_ask(&apps[j], "echo", NX_NO_DEADLINE);
                        app_ask(&apps[j], "echo", NX_NO_DEADLINE);
                        (void)nx_connection_dispatch(apps[j].connection);
                }
                if (is_replaced && rand_r(&seed) % 2 == 0)
                        host_ask(&host, HOST_REPLACE, 0);
                (void)nanosleep(&moment, NULL);
                for (size_t j = 0; j < N_APPS; j++)
                        (void)nx_connection_dispatch(apps[j].connection);
                host_ask(&host, is_replaced ? HOST_REPLACE : HOST_KILL, 0);
                for (size_t j = 0; j < N_APPS; j++) {
                        expect_outcome(&apps[j], i);
                        n_cut += apps[j].n_closed;
                        if (is_replaced && apps[j].n_closed > 0)
                                fail_msg("point %lu: a replacement cut a connection: %s", i,
                                         nx_connection_get_error(apps[j].connection));
                        app_close(&apps[j]);
                }
        }
        print_message("%lu kill points, %lu of %lu connections were cut after they were served\n",
                      n_points, n_cut, n_points * N_APPS);
        host_stop(&host);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_descriptor_stays_of_many_connections),
                cmocka_unit_test(one_app_talks_with_eight_extensions_over_eight_connections_each),
                cmocka_unit_test(whenever_a_process_dies_a_connect_is_served_by_the_next),
        };
        int r = host_enter_private_run();

        if (r < 0) {
                printf("no /run of our own: %s; these tests need root\n", strerror(-r));
                return 77;
        }
        declare_extensions();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
