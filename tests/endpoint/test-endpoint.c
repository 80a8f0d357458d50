/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Apps, netextd's endpoints and an extension, each in a process of its own. Whatever is asked
 * ends: with the answer, at the deadline, or with the reason (I01, I07, I10, I11, I12).
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app.h"
#include "base/cleanup.h"
#include "host.h"
#include "talker.h"

#define NAMED(name) "EXAMPLE.org.example.talker." name

static struct manifest_peer everyone = { .kind = MANIFEST_PEER_EVERYONE };
static struct manifest_peer somebody = { .kind = MANIFEST_PEER_USER, .value = "61998" };
static struct manifest_peer program = { .kind = MANIFEST_PEER_EXECUTABLE, .value = "/usr/bin/env" };
static const struct manifest_endpoint declarations[] = {
        { .name = "talk", .peers = &everyone, .n_peers = 1 },
        { .name = "closed", .peers = &everyone, .n_peers = 1 },
        { .name = "forgotten", .peers = &everyone, .n_peers = 1 },
        { .name = "absent", .peers = &everyone, .n_peers = 1 },
        { .name = "for-somebody", .peers = &somebody, .n_peers = 1 },
        { .name = "for-env", .peers = &program, .n_peers = 1 },
        { .name = "for-nobody" },
        { .name = "a-name-that-is-longer-than-the-address-of-a-socket-has-room-for-in-its-path",
          .peers = &everyone,
          .n_peers = 1 },
};
static const struct host_extension extension = {
        .identifier = "org.example.talker",
        .table = &talker,
        .declarations = declarations,
        .n_declarations = ARRAY_SIZE(declarations),
};

struct scene {
        struct host host;
        struct app app;
        unsigned int n_descriptors;
};

static int set_up(void **state)
{
        struct scene *scene = calloc(1, sizeof(*scene));

        *state = scene;
        scene->n_descriptors = count_descriptors();
        host_start(&scene->host, &extension, 1);
        app_open(&scene->app, TALK, true);
        return 0;
}

static int tear_down(void **state)
{
        struct scene *scene = *state;
        bool leaks;

        app_close(&scene->app);
        host_stop(&scene->host);
        leaks = count_descriptors() != scene->n_descriptors;
        free(scene);
        return leaks ? -1 : 0;
}

static void be_without_process(struct host *host)
{
        host_ask(host, HOST_HOLD, 0);
        host_ask(host, HOST_KILL, 0);
        host_await(host, HOST_PID, 0, 0);
}

static void an_app_asks_and_is_answered(void **state)
{
        struct scene *scene = *state;

        assert_string_equal(app_call(&scene->app, "echo hello"), "echo hello");
        assert_string_equal(app_call(&scene->app, "refuse"), "(52)");
        assert_string_equal(nx_connection_get_error(scene->app.connection), "because");
        assert_string_equal(app_call(&scene->app, "echo"), "echo");
        assert_int_equal(scene->app.n_opened, 1);
}

static void answers_come_to_their_questions_in_any_order(void **state)
{
        struct app *app = &((struct scene *)*state)->app;

        app_ask(app, "later 1", NX_NO_DEADLINE);
        app_ask(app, "echo between", NX_NO_DEADLINE);
        app_ask(app, "later 2", NX_NO_DEADLINE);
        app_wait(app, &app->n_answers, 1);
        assert_string_equal(app->answers, "echo between ");
        app_ask(app, "now", NX_NO_DEADLINE);
        app_wait(app, &app->n_answers, 4);
        assert_string_equal(app->answers, "echo between was later was later now ");
}

static void a_deadline_is_kept_and_what_comes_later_is_counted(void **state)
{
        struct app *app = &((struct scene *)*state)->app;
        uint64_t begin, took;

        assert_string_equal(app_call(app, "echo"), "echo");
        begin = clock_ms();
        app_ask(app, "later", 300);
        app_wait(app, &app->n_answers, 1);
        took = clock_ms() - begin;
        assert_string_equal(app->answers, "(62) "); /* ETIME */
        assert_in_range(took, 299, 350);
        assert_int_equal(nx_connection_get_late_answers(app->connection), 0);
        assert_string_equal(app_call(app, "now"), "now");
        assert_int_equal(nx_connection_get_late_answers(app->connection), 1);
        assert_string_equal(app_call(app, "echo on"), "echo on");
}

static void a_call_has_a_deadline_too(void **state)
{
        struct app *app = &((struct scene *)*state)->app;
        struct nx_message question = text_message("never"), *answer = NULL;
        uint64_t begin = clock_ms();

        assert_int_equal(nx_connection_call(app->connection, &question, 200, &answer), -ETIME);
        assert_non_null(strstr(nx_connection_get_error(app->connection), "did not answer in time"));
        assert_in_range(clock_ms() - begin, 199, 300);
        assert_null(answer);
}

/* Nothing has a time limit of its own: SOAK_ANSWER_S makes it the five minutes of I01 (B10). */
static void an_answer_takes_as_long_as_it_takes(void **state)
{
        const char *seconds = getenv("SOAK_ANSWER_S");
        struct app *app = &((struct scene *)*state)->app;

        app_ask(app, "later", NX_NO_DEADLINE);
        app_dispatch_for(app, seconds ? (unsigned int)atoi(seconds) * 1000 : 1500);
        assert_int_equal(app->n_answers, 0);
        app_ask(app, "now", NX_NO_DEADLINE);
        app_wait(app, &app->n_answers, 2);
        assert_string_equal(app->answers, "was later now ");
}

static void descriptors_pass_both_ways(void **state)
{
        struct app *app = &((struct scene *)*state)->app;
        int fds[2] = { memfd_create("shared", MFD_CLOEXEC), open("/dev/null", O_RDONLY) };
        struct nx_message question = { .bytes = "echo", .size = 4, .fds = fds, .n_fds = 2 };
        struct nx_message *answer;
        _cleanup_fd_ int taken = -1;
        struct stat ours, theirs;

        assert_int_equal(nx_connection_call(app->connection, &question, 0, &answer), 0);
        assert_int_equal(answer->n_fds, 2);
        taken = nx_message_take_fd(answer, 0);
        assert_int_equal(answer->fds[0], -1);
        assert_int_equal(nx_message_take_fd(answer, 2), -1);
        assert_int_equal(fstat(fds[0], &ours), 0);
        assert_int_equal(fstat(taken, &theirs), 0);
        assert_true(ours.st_ino == theirs.st_ino && taken != fds[0]);
        nx_message_free(answer); /* closes the other */
        close_fd(fds[0]);
        close_fd(fds[1]);
}

static void messages_have_a_size(void **state)
{
        struct app *app = &((struct scene *)*state)->app;
        _cleanup_free_ char *bytes = calloc(1, NX_MESSAGE_SIZE_MAX + 1);
        struct nx_message question = { .bytes = bytes, .size = NX_MESSAGE_SIZE_MAX }, *answer;

        memcpy(bytes, "echo", 4);
        bytes[NX_MESSAGE_SIZE_MAX - 1] = 'x';
        assert_int_equal(nx_connection_call(app->connection, &question, 0, &answer), 0);
        assert_int_equal(answer->size, NX_MESSAGE_SIZE_MAX);
        assert_memory_equal(answer->bytes, bytes, answer->size);
        nx_message_free(answer);
        question.size++;
        assert_int_equal(nx_connection_call(app->connection, &question, 0, &answer), -EMSGSIZE);
}

static void who_is_not_read_by_the_other_is_told_before_memory_is_out(void **state)
{
        struct scene *scene = *state;
        static const char bytes[32 * 1024] = "nothing";
        struct nx_message message = { .bytes = bytes, .size = sizeof(bytes) };
        int r = 0, n = 0;

        assert_string_equal(app_call(&scene->app, "echo"), "echo");
        assert_int_equal(kill(host_ask(&scene->host, HOST_PID, 0), SIGSTOP), 0);
        while (r >= 0 && n++ < 10000)
                r = nx_connection_send(scene->app.connection, &message);
        assert_int_equal(r, -EAGAIN);
        assert_in_range(n, 32, 64); /* 1 MiB, and what the socket takes */
        assert_int_equal(kill(host_ask(&scene->host, HOST_PID, 0), SIGCONT), 0);
        app_dispatch_for(&scene->app, 50);
        assert_string_equal(app_call(&scene->app, "echo again"), "echo again");
}

static void an_extension_asks_its_app(void **state)
{
        struct app *app = &((struct scene *)*state)->app;

        app_ask(app, "ask you", NX_NO_DEADLINE);
        app_wait(app, &app->n_answers, 1);
        assert_string_equal(app->answers, "ask you ");
}

static void the_extension_knows_who_asks(void **state)
{
        struct app *app = &((struct scene *)*state)->app;
        char program_path[256] = "", expected[512];

        assert_true(readlink("/proc/self/exe", program_path, sizeof(program_path) - 1) > 0);
        snprintf(expected, sizeof(expected), "%u %u %d %s", getuid(), getgid(), getpid(),
                 program_path);
        assert_string_equal(app_call(app, "who"), expected);
}

/* How opening name ends. */
static const char *ends(struct scene *scene, const char *name, int error)
{
        app_close(&scene->app);
        app_open(&scene->app, name, false);
        assert_int_equal(app_wait_for_end(&scene->app), error);
        assert_int_equal(scene->app.closed_for, error);
        assert_int_equal(scene->app.n_closed, 1);
        return nx_connection_get_error(scene->app.connection);
}

static void assert_contains(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static void who_is_not_listed_is_told_why(void **state)
{
        struct scene *scene = *state;
        const char *why = ends(scene, NAMED("for-somebody"), -EACCES);

        assert_contains(why, "for-somebody is for the user 61998, and not for /");
        assert_contains(why, "test-endpoint (pid ");
        assert_contains(ends(scene, NAMED("for-env"), -EACCES), "is for the program /usr/bin/env");
        assert_contains(ends(scene, NAMED("for-nobody"), -EACCES), "is for nobody");
        assert_int_equal(host_ask(&scene->host, HOST_REFUSED, 0), 3);
        assert_int_equal(host_ask(&scene->host, HOST_CONNECTIONS, 0), 0);
}

static void other_ends_have_their_reasons(void **state)
{
        struct scene *scene = *state;

        assert_contains(ends(scene, NAMED("closed"), -EUSERS), "does not take this connection");
        assert_contains(ends(scene, NAMED("forgotten"), -EOPNOTSUPP), "does not serve it");
        assert_contains(ends(scene, NAMED("unheard-of"), -ENOENT),
                        "There is no endpoint \"EXAMPLE.org.example.talker.unheard-of\"");
        assert_contains(ends(scene,
                             NAMED("a-name-that-is-longer-than-the-address-of-a-socket-has-"
                                   "room-for-in-its-path"),
                             -EOPNOTSUPP),
                        "does not serve it"); /* so it was reached */
}

static void names_that_cannot_be_are_refused_at_once(void **state)
{
        struct nx_connection_options options = { NX_CONNECTION_OPTIONS_INIT };
        struct nx_connection *connection = NULL;

        assert_int_equal(nx_connection_open(&connection, "../control", NULL), -EINVAL);
        assert_int_equal(nx_connection_open(&connection, "", NULL), -EINVAL);
        assert_int_equal(nx_connection_open(&connection, ".new", NULL), -EINVAL);
        assert_int_equal(nx_connection_open(&connection, NULL, NULL), -EINVAL);
        options.instance = "../x";
        assert_int_equal(nx_connection_open(&connection, TALK, &options), -EINVAL);
        options.instance = "none";
        assert_int_equal(nx_connection_open(&connection, TALK, &options), 0);
        while (nx_connection_dispatch(connection) == 0)
                continue;
        assert_int_equal(nx_connection_dispatch(connection), -ECONNREFUSED);
        assert_string_equal(nx_connection_get_error(connection),
                            "No netextd runs for the instance \"none\"");
        nx_connection_close(connection);
}

static void a_connect_waits_while_no_process_is_there(void **state)
{
        struct scene *scene = *state;
        struct host *host = &scene->host;

        assert_string_equal(app_call(&scene->app, "echo"), "echo");
        be_without_process(host);
        assert_int_equal(app_wait_for_end(&scene->app), -EPIPE);
        app_close(&scene->app);
        app_open(&scene->app, TALK, false);
        app_ask(&scene->app, "echo at last", NX_NO_DEADLINE);
        app_dispatch_for(&scene->app, 50);
        host_await(host, HOST_WAITING, 0, 1);
        assert_int_equal(scene->app.n_answers + scene->app.n_opened + scene->app.n_closed, 0);
        host_ask(host, HOST_GO_ON, 0);
        app_wait(&scene->app, &scene->app.n_answers, 1);
        assert_string_equal(scene->app.answers, "echo at last ");
        assert_int_equal(host_ask(host, HOST_WAITING, 0), 0);
}

static void who_waits_may_leave(void **state)
{
        struct scene *scene = *state;

        be_without_process(&scene->host);
        app_dispatch_for(&scene->app, 20);
        host_await(&scene->host, HOST_WAITING, 0, 1);
        app_close(&scene->app);
        host_await(&scene->host, HOST_WAITING, 0, 0);
}

static void a_connect_fails_with_the_reason(void **state)
{
        struct scene *scene = *state;
        struct host *host = &scene->host;

        be_without_process(host);
        app_close(&scene->app);
        app_open(&scene->app, TALK, false);
        app_dispatch_for(&scene->app, 20);
        host_await(host, HOST_WAITING, 0, 1);
        host_ask(host, HOST_FAIL, 0);
        assert_int_equal(app_wait_for_end(&scene->app), -EHOSTDOWN);
        assert_string_equal(
                nx_connection_get_error(scene->app.connection),
                "The extension org.example.talker does not run: it has failed, says the test");
        assert_contains(ends(scene, TALK, -EHOSTDOWN), "it has failed, says the test");
        host_ask(host, HOST_GO_ON, 0);
        app_close(&scene->app);
        app_open(&scene->app, TALK, false);
        assert_string_equal(app_call(&scene->app, "echo healed"), "echo healed");
}

static void a_deactivated_extension_has_no_names(void **state)
{
        struct scene *scene = *state;
        struct host *host = &scene->host;

        be_without_process(host);
        app_close(&scene->app);
        app_open(&scene->app, TALK, false);
        app_dispatch_for(&scene->app, 20);
        host_await(host, HOST_WAITING, 0, 1);
        host_ask(host, HOST_DEACTIVATE, 0);
        assert_int_equal(app_wait_for_end(&scene->app), -ENOENT);
        assert_contains(nx_connection_get_error(scene->app.connection), "was deactivated");
        assert_contains(ends(scene, TALK, -ENOENT), "There is no endpoint");
        host_ask(host, HOST_ACTIVATE, 0);
        host_ask(host, HOST_GO_ON, 0);
        app_close(&scene->app);
        app_open(&scene->app, TALK, false);
        assert_string_equal(app_call(&scene->app, "echo back"), "echo back");
}

static void so_many_of_a_user_may_wait(void **state)
{
        struct scene *scene = *state;
        struct app apps[65];

        be_without_process(&scene->host);
        app_close(&scene->app);
        for (size_t i = 0; i < ARRAY_SIZE(apps); i++) {
                if (i == 64)
                        host_await(&scene->host, HOST_WAITING, 0, 64);
                app_open(&apps[i], TALK, false);
                app_dispatch_for(&apps[i], 1);
        }
        assert_int_equal(app_wait_for_end(&apps[64]), -EDQUOT);
        assert_contains(nx_connection_get_error(apps[64].connection),
                        "The user 0 has 64 connections that wait for extensions");
        assert_int_equal(host_ask(&scene->host, HOST_WAITING, 0), 64);
        host_ask(&scene->host, HOST_GO_ON, 0);
        for (size_t i = 0; i < ARRAY_SIZE(apps); i++) {
                if (i < 64)
                        assert_string_equal(app_call(&apps[i], "echo in"), "echo in");
                app_close(&apps[i]);
        }
}

static void so_many_of_a_user_may_be_connected(void **state)
{
        struct rlimit files = { 4096, 4096 };
        struct scene *scene = *state;
        struct app *apps = calloc(257, sizeof(*apps));

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
        app_close(&scene->app);
        for (size_t i = 0; i < 256; i++) {
                app_open(&apps[i], TALK, false);
                app_wait(&apps[i], &apps[i].n_opened, 1);
        }
        app_open(&apps[256], TALK, false);
        assert_int_equal(app_wait_for_end(&apps[256]), -EDQUOT);
        assert_string_equal(nx_connection_get_error(apps[256].connection),
                            "The user 0 has 256 connections to this extension, as many as a user "
                            "may have");
        for (size_t i = 0; i < 257; i++)
                app_close(&apps[i]);
        app_open(&scene->app, TALK, false);
        app_dispatch_for(&scene->app, 50); /* the extension has seen them go */
        app_close(&scene->app);
        app_open(&scene->app, TALK, false);
        assert_string_equal(app_call(&scene->app, "echo in"), "echo in");
        free(apps);
}

static void events_come_in_their_order(void **state)
{
        struct app *app = &((struct scene *)*state)->app;

        assert_string_equal(app_call(app, "echo"), "echo");
        app_send(app, "post 20000 16");
        app_wait(app, &app->n_events, 1);
        /* Who reads is not behind for more than waits. */
        while (app->last_event < 19999)
                app_dispatch_for(app, 1);
        assert_true(app->is_in_order);
        assert_int_equal(app->n_events + app->n_dropped, 20000);
}

static void who_is_behind_loses_the_oldest_and_hears_how_many(void **state)
{
        struct scene *scene = *state;
        struct app *app = &scene->app, other;
        char expected[32];

        assert_string_equal(app_call(app, "echo"), "echo");
        app_open(&other, TALK, false);
        app_dispatch_for(app, 20);                                     /* credit is given */
        assert_string_equal(app_call(&other, "post 5000 16"), "done"); /* nobody reads here */
        while (app->last_event < 4999)
                app_dispatch_for(app, 1);
        assert_true(app->is_in_order);
        assert_int_equal(app->n_events + app->n_dropped, 5000);
        snprintf(expected, sizeof(expected), "dropped %u", app->n_dropped);
        assert_string_equal(app_call(&other, "posted"), expected);
        assert_in_range(app->n_events, 1025, 2048); /* the newest 1024, and what the socket took */
        app_close(&other);
}

static void events_wait_for_the_first_app_and_come_once(void **state)
{
        struct scene *scene = *state;
        struct app absent;

        assert_string_equal(app_call(&scene->app, "absent 1100 8"), "done");
        host_await(&scene->host, HOST_WANTED, 0, 1);
        app_open(&absent, NAMED("absent"), true);
        app_wait(&absent, &absent.n_events, 1024);
        assert_int_equal(absent.n_dropped, 76);
        assert_int_equal(absent.last_event, 1099);
        assert_true(absent.is_in_order);
        app_close(&absent);
        app_open(&absent, NAMED("absent"), true);
        app_dispatch_for(&absent, 50);
        assert_int_equal(absent.n_opened, 1);
        assert_int_equal(absent.n_events, 0);
        app_close(&absent);
}

static void a_process_that_takes_over_costs_no_answer(void **state)
{
        struct scene *scene = *state;
        struct app *app = &scene->app;
        int before = atoi(app_call(app, "pid")), after;

        app->keeps_questions = true;
        app_ask(app, "ask me first", NX_NO_DEADLINE);
        app_wait(app, &app->n_kept, 1);
        assert_int_equal(host_ask(&scene->host, HOST_REPLACE, 0), 0);
        app_wait(app, &app->n_opened, 2);
        after = host_ask(&scene->host, HOST_PID, 0);
        assert_int_not_equal(after, before);
        assert_int_equal(atoi(app_call(app, "pid")), after);
        /* The process before still owes an answer, and gives it. */
        assert_int_equal(app->n_answers, 0);
        app_answer_kept(app);
        app_wait(app, &app->n_answers, 1);
        assert_string_equal(app->answers, "ask me first ");
        host_await(&scene->host, HOST_PID_BEFORE, 0, 0); /* then it has nothing more to do */
        assert_int_equal(app->n_closed, 0);
        assert_int_equal(atoi(app_call(app, "pid")), after);
}

static void a_process_that_dies_ends_what_was_asked(void **state)
{
        struct scene *scene = *state;
        struct app *app = &scene->app;

        assert_string_equal(app_call(app, "echo"), "echo");
        app_ask(app, "never", NX_NO_DEADLINE);
        app_ask(app, "later", 60000);
        app_send(app, "die");
        assert_int_equal(app_wait_for_end(app), -EPIPE);
        assert_string_equal(app->answers, "(32) (32) ");
        assert_int_equal(app->n_closed, 1);
        assert_int_equal(nx_connection_send(app->connection, &(struct nx_message){}), -EPIPE);
        assert_string_equal(app_call(app, "echo"), "(32)");
}

static void an_extension_may_close(void **state)
{
        struct app *app = &((struct scene *)*state)->app;

        app_send(app, "mute");
        assert_int_equal(app_wait_for_end(app), -EPIPE);
}

static void close_ends_what_was_asked(void **state)
{
        struct app *app = &((struct scene *)*state)->app;

        app_ask(app, "never", NX_NO_DEADLINE);
        app_close(app);
        assert_string_equal(app->answers, "(125) "); /* ECANCELED */
        assert_int_equal(app->n_closed, 0);
}

static void close_in_answer(struct nx_connection *connection, int result, struct nx_message *answer,
                            void *userdata)
{
        nx_connection_close(connection);
        *(int *)userdata += 1;
}

static void a_function_may_close_its_connection(void **state)
{
        struct app *app = &((struct scene *)*state)->app;
        struct nx_connection *connection = app->connection;
        struct nx_message question = text_message("echo");
        int n = 0;

        app->connection = NULL;
        assert_int_equal(nx_connection_ask(connection, &question, 0, close_in_answer, &n), 0);
        assert_int_equal(nx_connection_ask(connection, &question, 0, close_in_answer, &n), 0);
        while (n == 0) {
                struct pollfd pollfd = { .fd = nx_connection_get_fd(connection), .events = POLLIN };

                assert_int_equal(poll(&pollfd, 1, 5000), 1);
                (void)nx_connection_dispatch(connection);
        }
        assert_int_equal(n, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(an_app_asks_and_is_answered),
                TEST(answers_come_to_their_questions_in_any_order),
                TEST(a_deadline_is_kept_and_what_comes_later_is_counted),
                TEST(a_call_has_a_deadline_too),
                TEST(an_answer_takes_as_long_as_it_takes),
                TEST(descriptors_pass_both_ways),
                TEST(messages_have_a_size),
                TEST(who_is_not_read_by_the_other_is_told_before_memory_is_out),
                TEST(an_extension_asks_its_app),
                TEST(the_extension_knows_who_asks),
                TEST(who_is_not_listed_is_told_why),
                TEST(other_ends_have_their_reasons),
                TEST(names_that_cannot_be_are_refused_at_once),
                TEST(a_connect_waits_while_no_process_is_there),
                TEST(who_waits_may_leave),
                TEST(a_connect_fails_with_the_reason),
                TEST(a_deactivated_extension_has_no_names),
                TEST(so_many_of_a_user_may_wait),
                TEST(so_many_of_a_user_may_be_connected),
                TEST(events_come_in_their_order),
                TEST(who_is_behind_loses_the_oldest_and_hears_how_many),
                TEST(events_wait_for_the_first_app_and_come_once),
                TEST(a_process_that_takes_over_costs_no_answer),
                TEST(a_process_that_dies_ends_what_was_asked),
                TEST(an_extension_may_close),
                TEST(close_ends_what_was_asked),
                TEST(a_function_may_close_its_connection),
        };
        int r = host_enter_private_run();

        if (r < 0) {
                printf("no /run of our own: %s; these tests need root\n", strerror(-r));
                return 77;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
