/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The manager half against an sd-bus server in a child process, which speaks the
 * interface of netextd on a control socket below a /run that only this test sees.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <systemd/sd-bus.h>

#include <netext/manager.h>

#define FOLDER "/run/netext/test"

/* The server. */

static char last_start[1024]; /* "key=value " of the last StartSession */

static void note_start(const char *format, ...)
{
        size_t length = strlen(last_start);
        va_list args;

        va_start(args, format);
        vsnprintf(last_start + length, sizeof(last_start) - length, format, args);
        va_end(args);
}

static int on_start_session(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *key, *contents, *name, *path;
        int r;

        last_start[0] = '\0';
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                uint64_t number = 0;

                sd_bus_message_read(m, "s", &key);
                sd_bus_message_peek_type(m, NULL, &contents);
                note_start("%s:%s=", key, contents);
                sd_bus_message_enter_container(m, 'v', contents);
                if (contents[0] == 'a') {
                        sd_bus_message_enter_container(m, 'a', "{ss}");
                        while (sd_bus_message_read(m, "{ss}", &name, &path) > 0)
                                note_start("%s>%s,", name, path);
                        sd_bus_message_exit_container(m);
                } else if (contents[0] == 's') {
                        sd_bus_message_read(m, "s", &name);
                        note_start("%s", name);
                        if (strcmp(name, "taken") == 0)
                                return sd_bus_error_set(error, "System.Error.EEXIST",
                                                        "The session \"taken\" runs already");
                } else {
                        sd_bus_message_read_basic(m, contents[0], &number);
                        note_start("%d", (int)number);
                }
                sd_bus_message_exit_container(m);
                r = sd_bus_message_exit_container(m);
                note_start(" ");
        }
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

static int on_stop_session(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        if (strcmp(name, "crash") == 0)
                _exit(0);
        if (strcmp(name, "ask") == 0)
                return sd_bus_error_set(error, "System.Error.EACCES",
                                        sd_bus_message_get_allow_interactive_authorization(m)
                                                ? "somebody may be asked"
                                                : "nobody may be asked");
        return sd_bus_error_setf(error, "System.Error.ENOENT", "There is no session \"%s\"", name);
}

static int on_get_status(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return sd_bus_reply_method_return(m, "a{sv}", 7, "version", "s", "0.1.0", "netextd_pid",
                                          "t", UINT64_C(1) << 40, "order", "x", INT64_C(-5), "list",
                                          "as", 2, "a", "b", "active", "b", 1, "small", "i", -7,
                                          "last_start", "s", last_start);
}

static int on_list_sessions(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return sd_bus_reply_method_return(m, "aa{sv}", 2, 1, "name", "s", "one", 2, "name", "s",
                                          "two", "order", "x", INT64_C(3));
}

/* As many flows as the argument says, each with more keys than a first allocation holds. */
static int on_list_flows(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        sd_bus_message *reply = NULL;
        uint64_t n;
        char key[16];
        int r;

        sd_bus_message_read(m, "t", &n);
        r = sd_bus_message_new_method_return(m, &reply);
        sd_bus_message_open_container(reply, 'a', "a{sv}");
        for (uint64_t i = 0; i < n; i++) {
                sd_bus_message_open_container(reply, 'a', "{sv}");
                sd_bus_message_append(reply, "{sv}", "flow", "t", i);
                for (int k = 0; k < 40; k++) {
                        snprintf(key, sizeof(key), "key%d", k);
                        sd_bus_message_append(reply, "{sv}", key, "t", i * 100 + (uint64_t)k);
                }
                sd_bus_message_close_container(reply);
        }
        sd_bus_message_close_container(reply);
        r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        return r < 0 ? r : 1;
}

static int on_get_flow(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        uint64_t number;
        int r;

        r = sd_bus_message_read(m, "t", &number);
        if (r < 0)
                return r;
        if (number > 1000)
                return sd_bus_error_set(error, "System.Error.ENOENT", "No such flow is kept");
        return sd_bus_reply_method_return(m, "a{sv}", 1, "flow", "t", number);
}

static int on_watch_flows(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        sd_bus *bus = sd_bus_message_get_bus(m);
        int enable;

        sd_bus_message_read(m, "b", &enable);
        for (uint64_t flow = 1; enable && flow <= 3; flow++)
                sd_bus_emit_signal(bus, "/org/netext1", "org.netext1.Manager", "FlowEvent", "a{sv}",
                                   2, "flow", "t", flow, "event", "s", "held");
        return sd_bus_reply_method_return(m, NULL);
}

static int on_get_chain(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return sd_bus_reply_method_return(m, "s", "not a chain");
}

static char last_set[256]; /* "name: line, line, " of the last PutSet */

static int on_put_set(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *name, *line;

        sd_bus_message_read(m, "s", &name);
        snprintf(last_set, sizeof(last_set), "%s: ", name);
        sd_bus_message_enter_container(m, 'a', "s");
        while (sd_bus_message_read(m, "s", &line) > 0) {
                if (strcmp(line, "bad") == 0)
                        return sd_bus_error_set(error, "System.Error.EBADMSG", "2:1: it is bad");
                strcat(strcat(last_set, line), ", ");
        }
        sd_bus_message_exit_container(m);
        return sd_bus_reply_method_return(m, NULL);
}

static char last_deposit[256]; /* "extension name: content", a NUL in it as "." */

static int on_deposit(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *extension, *name;
        char content[128] = "";
        int fd;

        sd_bus_message_read(m, "ssh", &extension, &name, &fd);
        if (fcntl(fd, F_GET_SEALS) < 0)
                return -EINVAL;
        for (ssize_t n = pread(fd, content, sizeof(content) - 1, 0); n > 0; n--)
                content[n - 1] = content[n - 1] ?: '.';
        snprintf(last_deposit, sizeof(last_deposit), "%s %s: %s", extension, name, content);
        return sd_bus_reply_method_return(m, NULL);
}

static int on_list_secrets(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return sd_bus_reply_method_return(m, "aa{sv}", 1, 1, "name", "s", last_deposit);
}

static int on_get_set(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return sd_bus_reply_method_return(m, "aa{sv}", 2, 1, "network", "s", "fd00::/8", 1,
                                          "domain", "s", "example.org");
}

static int on_list_sets(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        return sd_bus_reply_method_return(m, "aa{sv}", 1, 1, "name", "s", last_set);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("GetStatus", "", "a{sv}", on_get_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartSession", "a{sv}", "", on_start_session, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StopSession", "s", "", on_stop_session, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListSessions", "", "aa{sv}", on_list_sessions, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("PutSet", "sas", "", on_put_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RemoveSet", "s", "", on_stop_session, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetSet", "s", "aa{sv}", on_get_set, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListSets", "", "aa{sv}", on_list_sets, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("PutSecret", "ssh", "", on_deposit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ImportKey", "ssh", "", on_deposit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListSecrets", "", "aa{sv}", on_list_secrets, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetChain", "", "s", on_get_chain, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ListFlows", "t", "aa{sv}", on_list_flows, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("GetFlow", "t", "a{sv}", on_get_flow, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("WatchFlows", "b", "", on_watch_flows, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

/* One client, then the end. */
static int serve(int listen_fd)
{
        sd_id128_t id;
        sd_bus *bus;
        int fd = accept(listen_fd, NULL, NULL), r;

        sd_id128_randomize(&id);
        if (sd_bus_new(&bus) < 0 || sd_bus_set_fd(bus, fd, fd) < 0 ||
            sd_bus_set_server(bus, 1, id) < 0 ||
            sd_bus_add_object_vtable(bus, NULL, "/org/netext1", "org.netext1.Manager", vtable,
                                     NULL) < 0 ||
            sd_bus_start(bus) < 0)
                return 1;
        while ((r = sd_bus_process(bus, NULL)) >= 0)
                if (r == 0 && sd_bus_wait(bus, UINT64_MAX) < 0)
                        break;
        sd_bus_close_unref(bus);
        return 0;
}

/* The tests. */

struct fixture {
        pid_t server;
        struct nx_manager *manager;
};

static int setup(void **state)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = FOLDER "/control" };
        struct fixture *fixture = calloc(1, sizeof(*fixture));
        int listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const char *problem = NULL;

        *state = fixture;
        unlink(address.sun_path);
        assert_int_equal(bind(listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(listen_fd, 1), 0);
        fixture->server = fork();
        assert_true(fixture->server >= 0);
        if (fixture->server == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                _exit(serve(listen_fd));
        }
        close(listen_fd);
        assert_int_equal(nx_manager_open(&fixture->manager, "test", &problem), 0);
        return 0;
}

static int teardown(void **state)
{
        struct fixture *fixture = *state;
        int status;

        nx_manager_close(fixture->manager);
        assert_int_equal(waitpid(fixture->server, &status, 0), fixture->server);
        assert_int_equal(status, 0);
        free(fixture);
        return 0;
}

static void test_properties_keep_their_types(void **state)
{
        struct fixture *fixture = *state;
        const struct nx_properties *status;
        struct nx_list *list;

        assert_int_equal(nx_manager_get_status(fixture->manager, &list), 0);
        assert_int_equal(nx_list_get_count(list), 1);
        status = nx_list_get(list, 0);
        assert_null(nx_list_get(list, 1));
        /* A list of strings is no property of ours. */
        assert_int_equal(nx_properties_get_count(status), 6);
        assert_string_equal(nx_properties_get_key(status, 1), "netextd_pid");
        assert_null(nx_properties_get_key(status, 6));
        assert_int_equal(nx_properties_get_type(status, 2), NX_PROPERTY_INT64);
        assert_int_equal(nx_properties_get_type(status, 3), NX_PROPERTY_BOOL);
        assert_string_equal(nx_properties_get_string(status, "version"), "0.1.0");
        assert_true(nx_properties_get_uint64(status, "netextd_pid") == UINT64_C(1) << 40);
        assert_int_equal(nx_properties_get_int64(status, "order"), -5);
        assert_int_equal(nx_properties_get_int64(status, "small"), -7);
        assert_true(nx_properties_get_bool(status, "active"));
        assert_false(nx_properties_has(status, "list"));
        assert_null(nx_properties_get_string(status, "order"));
        assert_int_equal(nx_properties_get_uint64(status, "version"), 0);
        nx_list_free(list);
}

static void test_lists_have_an_object_each(void **state)
{
        struct fixture *fixture = *state;
        struct nx_list *list;

        assert_int_equal(nx_manager_list_sessions(fixture->manager, &list), 0);
        assert_int_equal(nx_list_get_count(list), 2);
        assert_string_equal(nx_properties_get_string(nx_list_get(list, 1), "name"), "two");
        nx_list_free(list);

        assert_int_equal(nx_manager_list_flows(fixture->manager, 100, &list), 0);
        assert_int_equal(nx_list_get_count(list), 100);
        assert_int_equal(nx_properties_get_uint64(nx_list_get(list, 99), "key39"), 9939);
        nx_list_free(list);

        assert_int_equal(nx_manager_list_flows(fixture->manager, 0, &list), 0);
        assert_int_equal(nx_list_get_count(list), 0);
        nx_list_free(list);
}

static void expect_last_start(struct nx_manager *manager, const char *expected)
{
        struct nx_list *list;

        assert_int_equal(nx_manager_get_status(manager, &list), 0);
        assert_string_equal(nx_properties_get_string(nx_list_get(list, 0), "last_start"), expected);
        nx_list_free(list);
}

static void test_a_configuration_is_sent_as_far_as_it_is_set(void **state)
{
        static const struct nx_session_file files[] = { { "rules", "/a" }, { "more", "/b" } };
        struct nx_session_configuration configuration = {
                NX_SESSION_CONFIGURATION_INIT,
                .extension = "firewall",
        };
        struct fixture *fixture = *state;

        assert_int_equal(nx_manager_start_session(fixture->manager, &configuration), 0);
        expect_last_start(fixture->manager, "extension:s=firewall ");

        configuration.order = -3;
        configuration.grade = NX_FILTER_GRADE_INSPECTOR;
        configuration.fail_policy = "closed";
        configuration.verdict_timeout_ms = 10;
        configuration.ready_timeout_ms = 20;
        configuration.files = files;
        configuration.n_files = 2;
        configuration.name = "second";
        configuration.kind = NX_PROVIDER_KIND_APP_PROXY;
        assert_int_equal(nx_manager_start_session(fixture->manager, &configuration), 0);
        expect_last_start(
                fixture->manager,
                "extension:s=firewall name:s=second kind:s=app-proxy order:i=-3 grade:s=inspector "
                "fail_policy:s=closed verdict_timeout_ms:u=10 ready_timeout_ms:u=20 "
                "files:a{ss}=rules>/a,more>"
                "/b, ");

        configuration.size = 0;
        assert_int_equal(nx_manager_start_session(fixture->manager, &configuration), -EINVAL);
}

static void expect_deposit(struct nx_manager *manager, const char *expected)
{
        struct nx_list *list;

        assert_int_equal(nx_manager_list_secrets(manager, &list), 0);
        assert_string_equal(nx_properties_get_string(nx_list_get(list, 0), "name"), expected);
        nx_list_free(list);
}

static void test_what_is_deposited_is_in_no_message(void **state)
{
        struct nx_manager *manager = ((struct fixture *)*state)->manager;

        assert_int_equal(nx_manager_put_secret(manager, "org.x", "vpn", "secret", 6), 0);
        expect_deposit(manager, "org.x vpn: secret");
        assert_int_equal(nx_manager_import_key(manager, "org.x", "vpn", "file", 4, "pass"), 0);
        expect_deposit(manager, "org.x vpn: pass.file");
        assert_int_equal(nx_manager_import_key(manager, "org.x", "vpn", "file", 4, NULL), 0);
        expect_deposit(manager, "org.x vpn: .file");
        assert_int_equal(nx_manager_put_secret(manager, "org.x", "vpn", "", 0), -EINVAL);
}

static void test_a_set_is_put_by_lines_and_read_by_entries(void **state)
{
        static const char *const lines[] = { "fd00::/8", "", "bad" };
        struct fixture *fixture = *state;
        struct nx_list *list;

        assert_int_equal(nx_manager_put_set(fixture->manager, "os-update", lines, 2), 0);
        assert_int_equal(nx_manager_list_sets(fixture->manager, &list), 0);
        assert_string_equal(nx_properties_get_string(nx_list_get(list, 0), "name"),
                            "os-update: fd00::/8, , ");
        nx_list_free(list);
        assert_int_equal(nx_manager_put_set(fixture->manager, "os-update", lines, 3), -EBADMSG);
        assert_string_equal(nx_manager_get_error(fixture->manager), "2:1: it is bad");
        assert_int_equal(nx_manager_put_set(fixture->manager, "os-update", NULL, 0), 0);
        assert_int_equal(nx_manager_get_set(fixture->manager, "os-update", &list), 0);
        assert_string_equal(nx_properties_get_string(nx_list_get(list, 1), "domain"),
                            "example.org");
        nx_list_free(list);
        assert_int_equal(nx_manager_remove_set(fixture->manager, "other"), -ENOENT);
}

static void test_errors_are_the_daemons_sentence(void **state)
{
        struct nx_session_configuration configuration = {
                NX_SESSION_CONFIGURATION_INIT,
                .extension = "taken",
        };
        struct fixture *fixture = *state;
        struct nx_list *list = NULL;

        assert_string_equal(nx_manager_get_error(fixture->manager), "no error");
        assert_int_equal(nx_manager_start_session(fixture->manager, &configuration), -EEXIST);
        assert_string_equal(nx_manager_get_error(fixture->manager),
                            "The session \"taken\" runs already");
        assert_int_equal(nx_manager_stop_session(fixture->manager, "nobody"), -ENOENT);
        assert_string_equal(nx_manager_get_error(fixture->manager),
                            "There is no session \"nobody\"");
        assert_int_equal(nx_manager_get_flow(fixture->manager, 5000, &list), -ENOENT);
        assert_int_equal(nx_manager_get_chain(fixture->manager, &list), -EBADMSG);
        assert_non_null(strstr(nx_manager_get_error(fixture->manager), "same version"));
        assert_null(list);
}

static void test_nobody_is_asked_for_a_password_unless_the_caller_says_so(void **state)
{
        struct fixture *fixture = *state;
        struct nx_manager *manager = fixture->manager;

        assert_int_equal(nx_manager_stop_session(manager, "ask"), -EACCES);
        assert_string_equal(nx_manager_get_error(manager), "nobody may be asked");
        nx_manager_set_interactive(manager, true);
        assert_int_equal(nx_manager_stop_session(manager, "ask"), -EACCES);
        assert_string_equal(nx_manager_get_error(manager), "somebody may be asked");
}

static void test_a_daemon_that_dies_is_an_error_at_once(void **state)
{
        struct fixture *fixture = *state;
        struct nx_list *list;

        assert_int_equal(nx_manager_stop_session(fixture->manager, "crash"), -EPIPE);
        assert_non_null(strstr(nx_manager_get_error(fixture->manager), "closed the connection"));
        assert_int_equal(nx_manager_get_status(fixture->manager, &list), -EPIPE);
}

static int on_event(const struct nx_properties *flow, void *userdata)
{
        uint64_t *sum = userdata;

        assert_string_equal(nx_properties_get_string(flow, "event"), "held");
        *sum = *sum * 10 + nx_properties_get_uint64(flow, "flow");
        return *sum == 12 ? 42 : 0;
}

static void test_a_watch_ends_when_its_caller_says(void **state)
{
        struct fixture *fixture = *state;
        uint64_t sum = 0;

        assert_int_equal(nx_manager_watch_flows(fixture->manager, on_event, &sum), 42);
        assert_int_equal(sum, 12);
        expect_last_start(fixture->manager, ""); /* the connection is as good as before */
}

static int on_event_kill(const struct nx_properties *flow, void *userdata)
{
        struct fixture *fixture = userdata;

        if (nx_properties_get_uint64(flow, "flow") == 3)
                assert_int_equal(nx_manager_stop_session(fixture->manager, "crash"), -EPIPE);
        return 0;
}

static void test_a_watch_ends_with_the_connection(void **state)
{
        struct fixture *fixture = *state;

        assert_int_equal(nx_manager_watch_flows(fixture->manager, on_event_kill, fixture), -EPIPE);
}

static void on_alarm(int signal)
{
}

static int ignore_event(const struct nx_properties *flow, void *userdata)
{
        return 0;
}

static void test_a_watch_ends_on_a_signal(void **state)
{
        struct sigaction action = { .sa_handler = on_alarm };
        struct fixture *fixture = *state;

        assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
        ualarm(200000, 100000); /* again, should it come before we wait */
        assert_int_equal(nx_manager_watch_flows(fixture->manager, ignore_event, NULL), -EINTR);
        ualarm(0, 0);
}

static void test_a_connection_that_fails_says_why(void **state)
{
        struct nx_manager *manager = NULL;
        const char *problem = NULL;

        assert_int_equal(nx_manager_open(&manager, "../test", &problem), -EINVAL);
        assert_non_null(strstr(problem, "lower-case"));
        assert_int_equal(nx_manager_open(&manager, NULL, NULL), -EINVAL);
        assert_int_equal(nx_manager_open(&manager, "absent", &problem), -ENOENT);
        assert_non_null(strstr(problem, "netextd --instance absent"));
        assert_null(manager);
        assert_null(nx_manager_close(NULL));
        assert_null(nx_list_free(NULL));
}

/* An empty /run of our own, which goes with us. */
static int enter_private_run(void)
{
        if (unshare(CLONE_NEWNS) < 0)
                return -errno;
        if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0 ||
            mkdir("/run/netext", 0711) < 0 || mkdir(FOLDER, 0711) < 0)
                return -errno;
        return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_properties_keep_their_types),
                TEST(test_lists_have_an_object_each),
                TEST(test_a_configuration_is_sent_as_far_as_it_is_set),
                TEST(test_what_is_deposited_is_in_no_message),
                TEST(test_a_set_is_put_by_lines_and_read_by_entries),
                TEST(test_errors_are_the_daemons_sentence),
                TEST(test_nobody_is_asked_for_a_password_unless_the_caller_says_so),
                TEST(test_a_daemon_that_dies_is_an_error_at_once),
                TEST(test_a_watch_ends_when_its_caller_says),
                TEST(test_a_watch_ends_with_the_connection),
                TEST(test_a_watch_ends_on_a_signal),
                cmocka_unit_test(test_a_connection_that_fails_says_why),
        };
        int r = enter_private_run();

        if (r == -EPERM) {
                fprintf(stderr, "skipped: a /run of one's own needs root\n");
                return 77;
        }
        if (r < 0) {
                fprintf(stderr, "cannot make a private /run: %s\n", strerror(-r));
                return 1;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
