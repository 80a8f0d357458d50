/* SPDX-License-Identifier: Apache-2.0 */

/* See daemon.h. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/endpoint.h"
#include "daemon.h"

void daemon_log(struct daemon *daemon, char letter)
{
        size_t length = strlen(daemon->log);

        assert_true(length + 1 < sizeof(daemon->log));
        daemon->log[length] = letter;
}

static void on_applied(struct nx_filter *filter, int result, void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 'a');
        daemon->applied_result = result;
}

static int start_filter(struct nx_filter *filter, void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 's');
        daemon->filter = filter;
        if (daemon->start_result < 0)
                nx_filter_report(filter, NX_LEVEL_ERROR, "no rules\nat all");
        return daemon->start_result;
}

static void stop_filter(struct nx_filter *filter, enum nx_provider_stop_reason reason,
                        void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 't');
        daemon->stop_reason = reason;
        if (daemon->at_stop)
                daemon->at_stop(daemon);
}

static enum nx_verdict decide(struct daemon *daemon, struct nx_flow *flow, char letter)
{
        daemon_log(daemon, letter);
        if (daemon->look)
                daemon->look(flow);
        if (daemon->keeps)
                daemon->kept = nx_flow_ref(flow);
        return daemon->verdict;
}

static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        return decide(userdata, flow, 'n');
}

static void note_bytes(struct daemon *daemon, const void *bytes, size_t size)
{
        assert_in_range(size, 0, sizeof(daemon->shown));
        memcpy(daemon->shown, bytes, size);
        daemon->shown_size = size;
}

static void read_file(struct daemon *daemon, int fd)
{
        ssize_t n;

        daemon_log(daemon, 'f');
        n = read(fd, daemon->file, sizeof(daemon->file) - 1);
        assert_true(n >= 0);
        daemon->file[n] = '\0';
}

static void handle_file(struct nx_filter *filter, const char *name, const char *path, int fd,
                        void *userdata)
{
        struct daemon *daemon = userdata;
        struct nx_filter_settings *settings;

        read_file(daemon, fd);
        if (!daemon->applies_in_file)
                return;
        assert_int_equal(nx_filter_settings_new(&settings, NX_FILTER_ACTION_DROP, true), 0);
        assert_int_equal(nx_filter_apply(filter, settings, on_applied, daemon), 0);
        nx_filter_settings_free(settings);
}

static struct nx_data_verdict show(struct daemon *daemon, struct nx_flow *flow,
                                   enum nx_direction direction, char letter)
{
        daemon_log(daemon, letter);
        daemon->shown_flow = nx_flow_get_identifier(flow);
        daemon->shown_direction = direction;
        if (daemon->look)
                daemon->look(flow);
        return daemon->data_verdict;
}

static struct nx_data_verdict show_bytes(struct daemon *daemon, struct nx_flow *flow,
                                         enum nx_direction direction, uint64_t offset,
                                         const void *bytes, size_t size)
{
        daemon->shown_offset = offset;
        note_bytes(daemon, bytes, size);
        return show(daemon, flow, direction, 'd');
}

static struct nx_data_verdict handle_outbound_data(struct nx_filter *filter, struct nx_flow *flow,
                                                   uint64_t offset, const void *bytes, size_t size,
                                                   void *userdata)
{
        return show_bytes(userdata, flow, NX_DIRECTION_OUTBOUND, offset, bytes, size);
}

static struct nx_data_verdict handle_inbound_data(struct nx_filter *filter, struct nx_flow *flow,
                                                  uint64_t offset, const void *bytes, size_t size,
                                                  void *userdata)
{
        return show_bytes(userdata, flow, NX_DIRECTION_INBOUND, offset, bytes, size);
}

static struct nx_data_verdict handle_outbound_complete(struct nx_filter *filter,
                                                       struct nx_flow *flow, void *userdata)
{
        return show(userdata, flow, NX_DIRECTION_OUTBOUND, 'e');
}

static struct nx_data_verdict handle_inbound_complete(struct nx_filter *filter,
                                                      struct nx_flow *flow, void *userdata)
{
        return show(userdata, flow, NX_DIRECTION_INBOUND, 'e');
}

static void handle_report(struct nx_filter *filter, struct nx_flow *flow,
                          const struct nx_report *report, void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 'r');
        daemon->report = *report;
        daemon->reported_flow = nx_flow_get_identifier(flow);
}

static void handle_flow_ended(struct nx_filter *filter, struct nx_flow *flow, void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 'z');
        daemon->closed_flow = nx_flow_get_identifier(flow);
}

static int start_proxy(struct nx_proxy *proxy, void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 's');
        daemon->proxy = proxy;
        if (daemon->at_start)
                daemon->at_start(daemon);
        if (daemon->start_result < 0)
                nx_proxy_report(proxy, NX_LEVEL_ERROR, "no %s", "upstream");
        return daemon->start_result;
}

static int start_app_proxy(struct nx_proxy *proxy, void *userdata)
{
        daemon_log(userdata, 'S');
        return 0;
}

static void stop_proxy(struct nx_proxy *proxy, enum nx_provider_stop_reason reason, void *userdata)
{
        stop_filter(NULL, reason, userdata);
}

static enum nx_verdict handle_new_proxy_flow(struct nx_proxy *proxy, struct nx_flow *flow,
                                             void *userdata)
{
        return decide(userdata, flow, 'n');
}

static enum nx_verdict handle_peek(struct nx_proxy *proxy, struct nx_flow *flow, const void *bytes,
                                   size_t size, void *userdata)
{
        note_bytes(userdata, bytes, size);
        return decide(userdata, flow, 'p');
}

static void handle_open(struct nx_proxy *proxy, struct nx_flow *flow, int fd, void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 'o');
        daemon->opened_flow = nx_flow_get_identifier(flow);
        close_fd(daemon->opened_fd);
        daemon->opened_fd = fd;
}

static void handle_closed(struct nx_proxy *proxy, struct nx_flow *flow,
                          const struct nx_flow_end *end, void *userdata)
{
        struct daemon *daemon = userdata;

        daemon_log(daemon, 'c');
        daemon->closed_flow = nx_flow_get_identifier(flow);
        daemon->end = *end;
}

static void handle_proxy_file(struct nx_proxy *proxy, const char *name, const char *path, int fd,
                              void *userdata)
{
        read_file(userdata, fd);
}

#define FILTER                                                                                     \
        {                                                                                          \
                .start_filter = start_filter, .stop_filter = stop_filter,                          \
                .handle_new_flow = handle_new_flow, .handle_file = handle_file,                    \
                .handle_outbound_data = handle_outbound_data,                                      \
                .handle_inbound_data = handle_inbound_data,                                        \
                .handle_outbound_complete = handle_outbound_complete,                              \
                .handle_inbound_complete = handle_inbound_complete,                                \
                .handle_flow_ended = handle_flow_ended, .handle_report = handle_report             \
        }
#define PROXY                                                                                      \
        {                                                                                          \
                .start_proxy = start_proxy, .stop_proxy = stop_proxy,                              \
                .handle_new_flow = handle_new_proxy_flow, .handle_peek = handle_peek,              \
                .handle_open = handle_open, .handle_closed = handle_closed,                        \
                .handle_file = handle_proxy_file                                                   \
        }

struct daemon *daemon_new(enum nx_provider_kind kind)
{
        struct daemon *daemon = calloc(1, sizeof(*daemon));

        assert_non_null(daemon);
        daemon->inbox = calloc(INBOX_MAX, sizeof(*daemon->inbox));
        assert_non_null(daemon->inbox);
        daemon->session = "session";
        daemon->kind = kind;
        daemon->verdict = NX_VERDICT_ALLOW;
        daemon->protocol = IPPROTO_TCP;
        daemon->remote_address = "fd00::1";
        daemon->remote_port = 443;
        daemon->fd = daemon->opened_fd = -1;
        daemon->control = daemon->engine = (struct channel)CHANNEL_NULL;
        return daemon;
}

int daemon_setup_extension(void **state, const struct nx_extension *extension,
                           enum nx_provider_kind kind)
{
        struct daemon *daemon = daemon_new(kind);
        char text[16];
        int fds[2];

        *state = daemon;
        assert_int_equal(channel_pair(fds), 0);
        assert_int_equal(channel_init(&daemon->control, fds[0]), 0);
        snprintf(text, sizeof(text), "%d", fds[1]);
        setenv("NETEXT_CONTROL_FD", text, 1);
        assert_int_equal(nx_provider_new(&daemon->provider, extension, daemon), 0);
        assert_null(getenv("NETEXT_CONTROL_FD"));
        return 0;
}

int daemon_setup(void **state)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "test-extension",
                .filter = FILTER,
        };

        return daemon_setup_extension(state, &extension, NX_PROVIDER_KIND_FILTER);
}

int daemon_setup_bare_filter(void **state)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "test-extension",
                .filter = { .handle_new_flow = handle_new_flow },
        };

        return daemon_setup_extension(state, &extension, NX_PROVIDER_KIND_FILTER);
}

int daemon_setup_outbound_filter(void **state)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "test-extension",
                .filter = { .handle_new_flow = handle_new_flow,
                            .handle_outbound_data = handle_outbound_data },
        };

        return daemon_setup_extension(state, &extension, NX_PROVIDER_KIND_FILTER);
}

int daemon_setup_inbound_filter(void **state)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "test-extension",
                .filter = { .handle_new_flow = handle_new_flow,
                            .handle_inbound_data = handle_inbound_data },
        };

        return daemon_setup_extension(state, &extension, NX_PROVIDER_KIND_FILTER);
}

int daemon_setup_proxy(void **state)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "test-extension",
                .transparent_proxy = PROXY,
        };

        return daemon_setup_extension(state, &extension, NX_PROVIDER_KIND_TRANSPARENT_PROXY);
}

int daemon_setup_bare_proxy(void **state)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "test-extension",
                .app_proxy = { .handle_new_flow = handle_new_proxy_flow },
        };

        return daemon_setup_extension(state, &extension, NX_PROVIDER_KIND_APP_PROXY);
}

int daemon_setup_each_kind(void **state)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "test-extension",
                .filter = FILTER,
                .transparent_proxy = PROXY,
                .app_proxy = { .start_proxy = start_app_proxy },
        };

        return daemon_setup_extension(state, &extension, NX_PROVIDER_KIND_APP_PROXY);
}

int daemon_teardown(void **state)
{
        struct daemon *daemon = *state;

        daemon->provider = nx_provider_free(daemon->provider);
        nx_flow_unref(daemon->kept); /* outlives the provider */
        channel_deinit(&daemon->control);
        channel_deinit(&daemon->engine);
        close_fd(daemon->fd);
        close_fd(daemon->opened_fd);
        free(daemon->inbox);
        free(daemon);
        return 0;
}

pid_t daemon_spawn(const char *program, struct channel *ret_control)
{
        char text[16];
        int fds[2];
        pid_t pid;

        assert_int_equal(channel_pair(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                snprintf(text, sizeof(text), "%d", dup(fds[1]));
                setenv("NETEXT_CONTROL_FD", text, 1);
                execl(program, program, NULL);
                _exit(127);
        }
        close(fds[1]);
        assert_int_equal(channel_init(ret_control, fds[0]), 0);
        return pid;
}

int daemon_exit_status(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

size_t daemon_wait_and_receive(struct daemon *daemon, struct channel *channel)
{
        struct pollfd poll_fd = { .fd = channel->fd, .events = POLLIN };

        assert_int_equal(poll(&poll_fd, 1, 5000), 1);
        return daemon_receive(daemon, channel);
}

struct mail *daemon_wait_for(struct daemon *daemon, enum wire_message_type type)
{
        for (;;) {
                assert_true(daemon_wait_and_receive(daemon, &daemon->engine) > 0);
                for (size_t i = 0; i < daemon->n_mails; i++)
                        if (daemon->inbox[i].type == type)
                                return &daemon->inbox[i];
        }
}

int daemon_listen(uint16_t *ret_port)
{
        struct sockaddr_in address = { .sin_family = AF_INET };
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        *ret_port = ntohs(address.sin_port);
        return fd;
}

int daemon_let_work(struct daemon *daemon)
{
        struct pollfd poll_fd = { .fd = nx_provider_get_fd(daemon->provider), .events = POLLIN };
        int r;

        do
                r = nx_provider_dispatch(daemon->provider);
        while (r == 0 && poll(&poll_fd, 1, 0) > 0);
        return r;
}

static void copy_string(char *to, size_t size, const struct wire_message *message,
                        enum wire_attribute attribute)
{
        const char *text = wire_get_string(message, attribute);

        snprintf(to, size, "%s", text ? text : "");
}

static int on_mail(const struct wire_message *message, int *fd, void *userdata)
{
        struct daemon *daemon = userdata;
        struct mail *mail = &daemon->inbox[daemon->n_mails++];

        assert_true(daemon->n_mails <= INBOX_MAX);
        if (*fd >= 0) {
                close_fd(daemon->fd);
                daemon->fd = take_fd(fd);
        }
        *mail = (struct mail){
                .type = message->type,
                .id = message->id,
                .present = message->present,
                .remote_address = wire_get_address(message, WIRE_ATTR_REMOTE_ADDRESS),
                .local_address = wire_get_address(message, WIRE_ATTR_LOCAL_ADDRESS),
        };
        for (unsigned int i = 0; i < _WIRE_ATTR_MAX; i++) {
                const struct wire_attribute_info *info = wire_attribute_info(i);

                if (info && info->type != WIRE_STRING && info->type != WIRE_ADDRESS)
                        mail->numbers[i] = wire_get(message, i);
        }
        copy_string(mail->name, sizeof(mail->name), message, WIRE_ATTR_NAME);
        copy_string(mail->session, sizeof(mail->session), message, WIRE_ATTR_SESSION_NAME);
        copy_string(mail->text, sizeof(mail->text), message, WIRE_ATTR_TEXT);
        copy_string(mail->program, sizeof(mail->program), message, WIRE_ATTR_PROGRAM);
        copy_string(mail->digest, sizeof(mail->digest), message, WIRE_ATTR_PROGRAM_DIGEST);
        copy_string(mail->signer, sizeof(mail->signer), message, WIRE_ATTR_SIGNER);
        copy_string(mail->domain, sizeof(mail->domain), message, WIRE_ATTR_DOMAIN);
        copy_string(mail->label, sizeof(mail->label), message, WIRE_ATTR_LABEL);
        copy_string(mail->rule, sizeof(mail->rule), message, WIRE_ATTR_RULE);
        return 0;
}

size_t daemon_receive(struct daemon *daemon, struct channel *channel)
{
        daemon->n_mails = 0;
        (void)channel_receive(channel, on_mail, daemon);
        return daemon->n_mails;
}

size_t daemon_receive_all(struct daemon *daemon, struct channel *channel)
{
        daemon->n_mails = 0;
        while (channel_receive(channel, on_mail, daemon) >= 0)
                ;
        return daemon->n_mails;
}

int daemon_let_answer(struct daemon *daemon)
{
        int r;

        assert_int_equal(channel_flush(&daemon->engine), 0);
        r = daemon_let_work(daemon);
        daemon_receive_all(daemon, &daemon->engine);
        return r;
}

int daemon_ask(struct daemon *daemon, uint64_t flow)
{
        daemon_put_flow(daemon, flow, "/usr/bin/curl");
        return daemon_let_answer(daemon);
}

void daemon_connect(struct daemon *daemon)
{
        struct wire_writer *writer;
        int fds[2];

        channel_deinit(&daemon->engine);
        assert_int_equal(channel_pair(fds), 0);
        assert_int_equal(channel_init(&daemon->engine, fds[0]), 0);
        writer = channel_begin(&daemon->control, NX_MSG_EXTENSION_CHANNEL, 0);
        wire_put_string(writer, WIRE_ATTR_NAME, daemon->session);
        assert_int_equal(channel_end_with_fd(&daemon->control, fds[1]), 0);
        assert_int_equal(channel_flush(&daemon->control), 0);
}

void daemon_send_start(struct daemon *daemon)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_START, 0);
        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION);
        wire_put_string(writer, WIRE_ATTR_NAME, daemon->session);
        wire_put(writer, WIRE_ATTR_KIND, daemon->kind);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

void daemon_start(struct daemon *daemon)
{
        daemon_connect(daemon);
        daemon_send_start(daemon);
        assert_int_equal(daemon_let_work(daemon), 0);
}

void daemon_start_afresh(struct daemon *daemon)
{
        daemon_start(daemon);
        assert_true(daemon_receive_all(daemon, &daemon->engine) > 0);
        assert_int_equal(daemon->inbox[daemon->n_mails - 1].numbers[WIRE_ATTR_RESULT], 0);
        memset(daemon->log, 0, sizeof(daemon->log));
}

void daemon_send_file(struct daemon *daemon, const char *name, const char *content)
{
        _cleanup_fd_ int fd = memfd_create("rules", MFD_CLOEXEC);

        assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        daemon_send_file_fd(daemon, name, fd);
}

void daemon_send_file_fd(struct daemon *daemon, const char *name, int fd)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->control, NX_MSG_EXTENSION_FILE, 0);
        wire_put_string(writer, WIRE_ATTR_SESSION_NAME, daemon->session);
        wire_put_string(writer, WIRE_ATTR_NAME, name);
        wire_put_string(writer, WIRE_ATTR_TEXT, "/etc/rules");
        assert_int_equal(channel_end_with_copy(&daemon->control, fd), 0);
        assert_int_equal(channel_flush(&daemon->control), 0);
}

void daemon_put_flow(struct daemon *daemon, uint64_t flow, const char *program)
{
        struct wire_writer *writer;
        struct in6_addr local, remote;

        assert_int_equal(address_from_string("198.18.0.2", &local), 0);
        assert_int_equal(address_from_string(daemon->remote_address, &remote), 0);
        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_NEW, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_PROTOCOL, daemon->protocol);
        wire_put(writer, WIRE_ATTR_DIRECTION, NX_DIRECTION_OUTBOUND);
        wire_put(writer, WIRE_ATTR_OWNER, program ? WIRE_OWNER_PROGRAM : WIRE_OWNER_UNATTRIBUTED);
        wire_put_address(writer, WIRE_ATTR_LOCAL_ADDRESS, &local);
        wire_put(writer, WIRE_ATTR_LOCAL_PORT, 40000);
        wire_put_address(writer, WIRE_ATTR_REMOTE_ADDRESS, &remote);
        wire_put(writer, WIRE_ATTR_REMOTE_PORT, daemon->remote_port);
        wire_put(writer, WIRE_ATTR_STARTED_NS, 77);
        wire_put_string(writer, WIRE_ATTR_REMOTE_NAME, "example.org");
        wire_put_string(writer, WIRE_ATTR_PROGRAM, program);
        wire_put_string(writer, WIRE_ATTR_PROGRAM_DIGEST, "sha256:0123");
        wire_put_string(writer, WIRE_ATTR_SIGNER, "EXAMPLE.com.example.app");
        wire_put(writer, WIRE_ATTR_PID, 4321);
        wire_put(writer, WIRE_ATTR_UID, 1000);
        wire_put(writer, WIRE_ATTR_PROGRAM_TRUSTED, 1);
        wire_put_string(writer, WIRE_ATTR_CGROUP, "/user.slice");
        wire_put_string(writer, WIRE_ATTR_UNIT, "user@1000.service");
        wire_put_string(writer, WIRE_ATTR_CONTAINER, "docker:0123");
        wire_put_string(writer, WIRE_ATTR_PARENTS, "/usr/bin/bash\n/usr/sbin/sshd");
        wire_put_string(writer, WIRE_ATTR_RESPONSIBLE_PROGRAM, "/usr/sbin/sshd");
        wire_put(writer, WIRE_ATTR_RESPONSIBLE_PID, 4320);
        wire_put(writer, WIRE_ATTR_CREATOR_PID, 1);
        wire_put_string(writer, WIRE_ATTR_CREATOR_PROGRAM, "/usr/lib/systemd/systemd");
        if (daemon->has_origin) {
                wire_put(writer, WIRE_ATTR_ORIGIN_FLOW, 42);
                wire_put(writer, WIRE_ATTR_ORIGIN_PID, 99);
                wire_put_string(writer, WIRE_ATTR_ORIGIN_PROGRAM, "/usr/bin/wget");
                wire_put(writer, WIRE_ATTR_ORIGIN_UID, 1001);
                wire_put_string(writer, WIRE_ATTR_ORIGIN_CGROUP, "/origin.slice");
                wire_put(writer, WIRE_ATTR_ORIGIN_TRUSTED, 1);
                wire_put_string(writer, WIRE_ATTR_ORIGIN_DIGEST, "sha256:4567");
                wire_put_string(writer, WIRE_ATTR_ORIGIN_SIGNER, "EXAMPLE.com.example.origin");
        }
        assert_int_equal(channel_end(&daemon->engine), 0);
}

void daemon_send_socket(struct daemon *daemon, uint64_t flow, int fd)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_SOCKET, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        assert_int_equal(channel_end_with_copy(&daemon->engine, fd), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

void daemon_send_closed(struct daemon *daemon, uint64_t flow, int result)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_CLOSED, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        wire_put(writer, WIRE_ATTR_BYTES_OUTBOUND, 1ULL << 40);
        wire_put(writer, WIRE_ATTR_BYTES_INBOUND, 7);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

void daemon_send_peeked(struct daemon *daemon, uint64_t flow, const void *bytes, size_t size)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_PEEKED, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put_bytes(writer, WIRE_ATTR_DATA, bytes, size);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

void daemon_put_data(struct daemon *daemon, uint64_t flow, enum nx_direction direction,
                     uint64_t offset, const void *bytes, size_t size)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_DATA, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_DIRECTION, direction);
        wire_put(writer, WIRE_ATTR_OFFSET, offset);
        wire_put_bytes(writer, WIRE_ATTR_DATA, bytes, size);
        assert_int_equal(channel_end(&daemon->engine), 0);
}

uint8_t *daemon_share_memory(struct daemon *daemon, size_t size)
{
        _cleanup_fd_ int fd = memfd_create("test", MFD_CLOEXEC);
        void *memory;

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_true(memory != MAP_FAILED);
        channel_begin(&daemon->engine, NX_MSG_PROVIDER_MEMORY, 0);
        assert_int_equal(channel_end_with_copy(&daemon->engine, fd), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
        return memory;
}

void daemon_put_shown(struct daemon *daemon, uint64_t flow, enum nx_direction direction,
                      uint64_t offset, uint32_t slot, uint64_t size)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_DATA, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_DIRECTION, direction);
        wire_put(writer, WIRE_ATTR_OFFSET, offset);
        wire_put(writer, WIRE_ATTR_SLOT, slot);
        wire_put(writer, WIRE_ATTR_COUNT, size);
        assert_int_equal(channel_end(&daemon->engine), 0);
}

void daemon_send_complete(struct daemon *daemon, uint64_t flow, enum nx_direction direction)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_FLOW_COMPLETE, 0);
        wire_put(writer, WIRE_ATTR_FLOW, flow);
        wire_put(writer, WIRE_ATTR_DIRECTION, direction);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

void daemon_send_stop(struct daemon *daemon)
{
        struct wire_writer *writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_STOP, 0);

        wire_put(writer, WIRE_ATTR_COUNT, NX_PROVIDER_STOP_USER_INITIATED);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

void daemon_send_raw(struct channel *channel, const void *bytes, size_t size)
{
        assert_int_equal(send(channel->fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

void daemon_send_done(struct daemon *daemon, uint64_t id, int result)
{
        struct wire_writer *writer;

        writer = channel_begin(&daemon->engine, NX_MSG_PROVIDER_SETTINGS_DONE, id);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        assert_int_equal(channel_end(&daemon->engine), 0);
        assert_int_equal(channel_flush(&daemon->engine), 0);
}

void expect_verdict(const struct mail *mail, uint64_t flow, enum nx_verdict verdict)
{
        assert_int_equal(mail->type, NX_MSG_ENGINE_VERDICT);
        assert_int_equal(mail->numbers[WIRE_ATTR_FLOW], flow);
        assert_int_equal(mail->numbers[WIRE_ATTR_VERDICT], verdict);
}

void expect_error(struct daemon *daemon, const char *sentence)
{
        assert_string_equal(nx_provider_get_error(daemon->provider), sentence);
}
