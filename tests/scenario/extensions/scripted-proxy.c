/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A proxy that does what its file "script" says. One line for each remote port ("*" for all
 * others):
 *
 *         80 claim                    opens the way itself and copies the bytes
 *         81 splice                   opens the way and gives both ends to the platform
 *         81 splice 198.18.0.2 8080   the same to another destination
 *         82 decline                  and any other verdict: drop, refuse
 *         83 fail ECONNREFUSED        claims, and says that there is no way: also EHOSTUNREACH,
 *                                     ENETUNREACH, ETIMEDOUT
 *         84 hold                     claims, and says nothing more
 *         85 echo                     claims, opens, and sends back whatever comes
 *         85 once                     claims, sends back one datagram, and closes
 *         85 stray 198.18.0.2 7       claims, and sends a datagram elsewhere on the flow's socket
 *         86 pause 300                claims after 300 ms, spliced; of UDP, opened
 *         86 wait                     the same once the script is written again
 *         87 crash                    claims, and dies
 *         88 peek 100 splice          looks at the first 100 bytes, or what there is after
 *                                     300 ms, reports them, and splices, claims, declines …;
 *                                     late: splices after a second; wait: for ever, then declines
 *         attach yes                  its sockets say whose flow they carry on
 *         attach direct               and that it goes past all other proxies
 *         attach tunnel tun0          or into that tunnel
 *         attach tunnel tun0 direct   then past the proxies instead
 *         attach tunnel tun0 bound    though they are bound to veth0
 *         attach tunnel tun0 mptcp    though they are of MPTCP
 *         attach 17                   they say that they carry flow 17 on
 *         idle 2                      its UDP flows are over after 2 s without a datagram
 *         say yes                     what it is asked and told also goes to the daemon's log
 *         include 198.18.0.0/15       the flows that it wants to see: all, if no line says it
 *         exclude 198.18.0.2 443      those that it does not; the port may be left out
 *         exclude set:os-update       what the set has in it
 *         include /system.slice       those of programs in that cgroup
 *
 * Threads copy, so that a scenario can stop one flow and not the others.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netext/extension.h>

#define LINES_MAX  64
#define PAUSED_MAX 64
#define COPY_SIZE  65536
#define NO_TIME    (-1LL)

#define DATAGRAMS_END_MS 60000

struct line {
        char key[16], what[32], first[64], second[16];
};

struct paused {
        struct nx_flow *flow; /* a reference; NULL: free */
        long long due_ms;     /* NO_TIME: with the next script */
};

static struct line lines[LINES_MAX];
static size_t n_lines;
static struct paused paused[PAUSED_MAX];

static const struct line *line_for(const char *key)
{
        for (size_t i = 0; i < n_lines; i++)
                if (strcmp(lines[i].key, key) == 0)
                        return &lines[i];
        return NULL;
}

static const struct line *line_of(const struct nx_flow *flow)
{
        const struct line *line;
        char port[8];

        snprintf(port, sizeof(port), "%u", nx_flow_get_remote_port(flow));
        line = line_for(port);
        return line ? line : line_for("*");
}

static long long now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static long long now_ms(void)
{
        return now_us() / 1000;
}

/* By a number that is somebody else's flow, behind the SDK's back. */
static void forge(uint64_t number, int fd)
{
        if (setsockopt(fd, 0x4e58, 1, &number, sizeof(number)) < 0)
                perror("scripted-proxy: attach");
}

static int attach_to_tunnel(struct nx_flow *flow, int fd, const struct line *line)
{
        int r;

        if (strcmp(line->second, "bound") == 0 &&
            setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "veth0", sizeof("veth0")) < 0)
                return -errno;
        r = nx_flow_attach_via(flow, fd, NX_EGRESS_TUNNEL, line->first);
        if (r == 0 && strcmp(line->second, "direct") == 0)
                r = nx_flow_attach_via(flow, fd, NX_EGRESS_DIRECT, NULL);
        return r;
}

static int attach(struct nx_flow *flow, int fd, const struct line *line)
{
        uint64_t forged = strtoull(line->what, NULL, 10);
        int r = 0;

        if (forged)
                forge(forged, fd);
        else if (strcmp(line->what, "direct") == 0)
                r = nx_flow_attach_via(flow, fd, NX_EGRESS_DIRECT, NULL);
        else if (strcmp(line->what, "tunnel") == 0)
                r = attach_to_tunnel(flow, fd, line);
        else
                r = nx_flow_attach(flow, fd);
        if (r < 0)
                fprintf(stderr, "scripted-proxy: attach: %s\n", strerror(-r));
        return r;
}

/* The way to the flow's destination, or to address and port: a socket that connects. */
static int upstream(struct nx_flow *flow, const char *address, unsigned int port)
{
        int type = nx_flow_get_protocol(flow) == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
        const struct line *line = line_for("attach");
        int protocol = line && strcmp(line->second, "mptcp") == 0 ? IPPROTO_MPTCP : 0;
        struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        bool is_ipv4 = inet_pton(AF_INET, address, &ipv4.sin_addr) == 1;
        int fd, r = 0;

        inet_pton(AF_INET6, address, &ipv6.sin6_addr);
        fd = socket(is_ipv4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
        if (fd < 0)
                return -errno;
        if (line)
                r = attach(flow, fd, line);
        if (r == 0 && (is_ipv4 ? connect(fd, (struct sockaddr *)&ipv4, sizeof(ipv4))
                               : connect(fd, (struct sockaddr *)&ipv6, sizeof(ipv6))) < 0)
                r = errno == EINPROGRESS ? 0 : -errno;
        if (r < 0) {
                close(fd);
                return r;
        }
        return fd;
}

static int upstream_of(struct nx_flow *flow, const struct line *line)
{
        if (atoi(line->second))
                return upstream(flow, line->first, (unsigned int)atoi(line->second));
        return upstream(flow, nx_flow_get_remote_address(flow), nx_flow_get_remote_port(flow));
}

/* Waits for the handshake: a thread of the callbacks would be better, a test can afford it. */
static int wait_for_upstream(int fd)
{
        struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
        int error = 0;

        poll(&poll_fd, 1, 5000);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) });
        return -error;
}

/* The two sockets of a flow, and how many threads still copy: the last one closes them. */
struct pair {
        int fds[2]; /* the same one twice: an echo */
        int n_copies;
        bool is_stream; /* the end of one is the end of the other */
};

struct copy {
        struct pair *pair;
        int from, to;
};

/* Until all is carried a close(), also by the kernel when we are killed, is a reset: what is
 * cut off must not look like an end. */
static void reset_on_close(int fd, bool is_reset)
{
        const struct linger linger = { .l_onoff = is_reset };

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Whoever is on either end is told at once, and so is the other thread. */
static void break_pair(const struct pair *pair)
{
        const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

        for (int i = 0; i < 2 && pair->is_stream; i++)
                connect(pair->fds[i], &nobody, sizeof(nobody));
}

static void leave_pair(struct pair *pair)
{
        if (__atomic_sub_fetch(&pair->n_copies, 1, __ATOMIC_ACQ_REL) > 0)
                return;
        for (int i = 0; i < 2; i++) {
                reset_on_close(pair->fds[i], false);
                if (i == 0 || pair->fds[0] != pair->fds[1])
                        close(pair->fds[i]);
        }
        free(pair);
}

static bool send_all(int fd, const char *bytes, size_t size)
{
        struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
        ssize_t n;

        do {
                n = send(fd, bytes, size, MSG_NOSIGNAL);
                if (n < 0 && errno != EAGAIN)
                        return false;
                if (n < 0)
                        poll(&poll_fd, 1, -1);
                bytes += n > 0 ? n : 0;
                size -= n > 0 ? (size_t)n : 0;
        } while (size > 0);
        return true;
}

/* Until the end, which is true, or an error. Datagrams have no end: nobody has come for long. */
static bool copy_bytes(const struct copy *copy, char *bytes)
{
        struct pollfd poll_fd = { .fd = copy->from, .events = POLLIN };
        ssize_t n;

        for (;;) {
                if (poll(&poll_fd, 1, copy->pair->is_stream ? -1 : DATAGRAMS_END_MS) == 0)
                        return true;
                n = recv(copy->from, bytes, COPY_SIZE, 0);
                if (n < 0 && (errno == EAGAIN || (!copy->pair->is_stream && errno == ECONNREFUSED)))
                        continue;
                if (n < 0)
                        return false;
                if (n == 0 && copy->pair->is_stream)
                        return true;
                if (!send_all(copy->to, bytes, (size_t)n) && copy->pair->is_stream)
                        return false;
        }
}

static void *copy_thread(void *userdata)
{
        struct copy *copy = userdata;
        char *bytes = malloc(COPY_SIZE);

        if (!copy_bytes(copy, bytes))
                break_pair(copy->pair);
        else if (copy->pair->is_stream)
                shutdown(copy->to, SHUT_WR);
        leave_pair(copy->pair);
        free(bytes);
        free(copy);
        return NULL;
}

static void start_copy(struct pair *pair, int from, int to)
{
        struct copy *copy = malloc(sizeof(*copy));
        pthread_t thread;

        *copy = (struct copy){ .pair = pair, .from = from, .to = to };
        if (pthread_create(&thread, NULL, copy_thread, copy) == 0)
                pthread_detach(thread);
}

static void start_copies(int one, int other, bool is_stream)
{
        struct pair *pair = malloc(sizeof(*pair));

        *pair = (struct pair){ .fds = { one, other },
                               .n_copies = one == other ? 1 : 2,
                               .is_stream = is_stream };
        reset_on_close(one, is_stream);
        reset_on_close(other, is_stream);
        start_copy(pair, one, other);
        if (one != other)
                start_copy(pair, other, one);
}

static enum nx_verdict splice_flow(struct nx_flow *flow, const struct line *line)
{
        int fd = upstream_of(flow, line);

        if (fd < 0)
                nx_flow_fail(flow, fd);
        else if (nx_flow_splice(flow, fd) < 0)
                close(fd);
        return NX_VERDICT_CLAIM;
}

static enum nx_verdict pause_flow(struct nx_flow *flow, long long due_ms)
{
        for (size_t i = 0; i < PAUSED_MAX; i++)
                if (!paused[i].flow) {
                        paused[i] = (struct paused){ .flow = nx_flow_ref(flow), .due_ms = due_ms };
                        return NX_VERDICT_PAUSE;
                }
        return NX_VERDICT_DROP;
}

static int error_from(const char *word)
{
        if (strcmp(word, "EHOSTUNREACH") == 0)
                return -EHOSTUNREACH;
        if (strcmp(word, "ENETUNREACH") == 0)
                return -ENETUNREACH;
        return strcmp(word, "ETIMEDOUT") == 0 ? -ETIMEDOUT : -ECONNREFUSED;
}

static enum nx_verdict handle_peek(struct nx_proxy *proxy, struct nx_flow *flow, const void *bytes,
                                   size_t size, void *userdata)
{
        const struct line *line = line_of(flow);
        const char *what = line ? line->second : "";

        nx_proxy_report(proxy, NX_LEVEL_INFO, "peeked %zu: %.*s", size,
                        (int)(size < 40 ? size : 40), (const char *)bytes);
        if (strcmp(what, "late") == 0)
                sleep(1);
        if (strcmp(what, "splice") == 0 || strcmp(what, "late") == 0)
                return splice_flow(flow, &(struct line){});
        if (strcmp(what, "echo") == 0) {
                nx_flow_open(flow);
                return NX_VERDICT_CLAIM;
        }
        if (strcmp(what, "fail") == 0) {
                nx_flow_fail(flow, -ECONNREFUSED);
                return NX_VERDICT_CLAIM;
        }
        return strcmp(what, "refuse") == 0 ? NX_VERDICT_REFUSE : NX_VERDICT_DECLINE;
}

static enum nx_verdict handle_new_flow(struct nx_proxy *proxy, struct nx_flow *flow, void *userdata)
{
        const struct line *line = line_of(flow);
        const char *what = line ? line->what : "decline";

        if (line_for("say"))
                fprintf(stderr, "asked %s about %u at %lld\n", nx_proxy_get_name(proxy),
                        nx_flow_get_local_port(flow), now_us());
        if (strcmp(what, "splice") == 0)
                return splice_flow(flow, line);
        if (strcmp(what, "claim") == 0 || strcmp(what, "echo") == 0 || strcmp(what, "once") == 0 ||
            strcmp(what, "stray") == 0) {
                nx_flow_open(flow);
                return NX_VERDICT_CLAIM;
        }
        if (strcmp(what, "fail") == 0) {
                nx_flow_fail(flow, error_from(line->first));
                return NX_VERDICT_CLAIM;
        }
        if (strcmp(what, "pause") == 0)
                return pause_flow(flow, now_ms() + atoi(line->first));
        if (strcmp(what, "wait") == 0)
                return pause_flow(flow, NO_TIME);
        if (strcmp(what, "crash") == 0)
                abort();
        if (strcmp(what, "peek") == 0 && nx_flow_peek(flow, (size_t)atoi(line->first),
                                                      strcmp(line->second, "wait") ? 300 : 0) == 0)
                return NX_VERDICT_PEEK;
        if (strcmp(what, "hold") == 0)
                return NX_VERDICT_CLAIM;
        if (strcmp(what, "drop") == 0)
                return NX_VERDICT_DROP;
        return strcmp(what, "refuse") == 0 ? NX_VERDICT_REFUSE : NX_VERDICT_DECLINE;
}

static void __attribute__((format(printf, 2, 3)))
tell(struct nx_proxy *proxy, const char *format, ...)
{
        char text[160];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        nx_proxy_report(proxy, NX_LEVEL_INFO, "%s", text);
        if (line_for("say"))
                fprintf(stderr, "%s\n", text);
}

static const char *name_of(const struct sockaddr_storage *address, char *buffer, size_t size)
{
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
        bool is_ipv4 = address->ss_family == AF_INET;
        size_t n;

        inet_ntop(address->ss_family,
                  is_ipv4 ? (const void *)&ipv4->sin_addr : (const void *)&ipv6->sin6_addr, buffer,
                  (socklen_t)size);
        n = strlen(buffer);
        snprintf(buffer + n, size - n, " %u", ntohs(is_ipv4 ? ipv4->sin_port : ipv6->sin6_port));
        return buffer;
}

/* What can be seen of the flow from its socket, for the scenario to compare. */
static void report(struct nx_proxy *proxy, struct nx_flow *flow, int fd)
{
        struct sockaddr_storage local = {}, peer = {};
        char local_name[64], peer_name[64];
        socklen_t size = sizeof(local);

        getsockname(fd, (struct sockaddr *)&local, &size);
        size = sizeof(peer);
        getpeername(fd, (struct sockaddr *)&peer, &size);
        tell(proxy, "opened: %s to %s", name_of(&peer, peer_name, sizeof(peer_name)),
             name_of(&local, local_name, sizeof(local_name)));
}

/* The flow's socket may speak from an address that is not ours: to the program, and nobody else. */
static void stray(int fd, const struct line *line)
{
        struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(line->second)) };
        struct sockaddr none = { .sa_family = AF_UNSPEC };

        inet_pton(AF_INET, line->first, &to.sin_addr);
        sendto(fd, "stray", 5, 0, (struct sockaddr *)&to, sizeof(to));
        connect(fd, &none, sizeof(none));
        sendto(fd, "stray", 5, 0, (struct sockaddr *)&to, sizeof(to));
        send(fd, "bound", 5, 0);
        close(fd);
}

/* What the flow began with may come a moment after its socket. Answered as one does who looks whom
 * a datagram is from. */
static void echo_once(struct nx_proxy *proxy, int fd)
{
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        struct sockaddr_storage from = {};
        socklen_t size = sizeof(from);
        char bytes[2048], name[64];
        ssize_t n;

        poll(&poll_fd, 1, 2000);
        n = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size);
        if (n > 0)
                sendto(fd, bytes, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&from, size);
        tell(proxy, "heard: %s", name_of(&from, name, sizeof(name)));
        close(fd);
}

static void handle_open(struct nx_proxy *proxy, struct nx_flow *flow, int fd, void *userdata)
{
        bool is_stream = nx_flow_get_protocol(flow) == IPPROTO_TCP;
        const struct line *line = line_of(flow);
        int upstream_fd;

        report(proxy, flow, fd);
        if (line && (strcmp(line->what, "echo") == 0 || strcmp(line->second, "echo") == 0)) {
                start_copies(fd, fd, is_stream);
                return;
        }
        if (line && strcmp(line->what, "stray") == 0) {
                stray(fd, line);
                tell(proxy, "strayed");
                return;
        }
        if (line && strcmp(line->what, "once") == 0) {
                echo_once(proxy, fd);
                return;
        }
        upstream_fd = line ? upstream_of(flow, line) : -1;
        if (upstream_fd < 0 || wait_for_upstream(upstream_fd) < 0) {
                reset_on_close(fd, is_stream);
                close(fd);
                if (upstream_fd >= 0)
                        close(upstream_fd);
                return;
        }
        start_copies(fd, upstream_fd, is_stream);
}

static void handle_closed(struct nx_proxy *proxy, struct nx_flow *flow,
                          const struct nx_flow_end *end, void *userdata)
{
        tell(proxy, "closed %u: %s, %llu out, %llu in", nx_flow_get_remote_port(flow),
             end->error ? strerror(-end->error) : "done", (unsigned long long)end->bytes_outbound,
             (unsigned long long)end->bytes_inbound);
}

static void apply_rules(struct nx_proxy *proxy)
{
        struct nx_proxy_settings *settings;
        size_t n_included = 0;

        nx_proxy_settings_new(&settings, true);
        for (size_t i = 0; i < n_lines; i++) {
                const char *what = lines[i].what;
                bool is_set = strncmp(what, "set:", 4) == 0, is_cgroup = *what == '/';
                struct nx_rule rule = {
                        NX_RULE_INIT,
                        .remote_network = is_set || is_cgroup ? NULL : what,
                        .remote_set = is_set ? what + 4 : NULL,
                        .cgroup = is_cgroup ? what : NULL,
                        .remote_port_first = (uint16_t)atoi(lines[i].first),
                };

                if (strcmp(lines[i].key, "exclude") == 0)
                        nx_proxy_settings_exclude(settings, &rule);
                if (strcmp(lines[i].key, "include") == 0 && ++n_included)
                        nx_proxy_settings_include(settings, &rule);
        }
        if (n_included == 0)
                nx_proxy_settings_include(settings, &(struct nx_rule){ NX_RULE_INIT });
        if (line_for("idle"))
                nx_proxy_settings_set_udp_idle(settings, (uint32_t)atoi(line_for("idle")->what));
        nx_proxy_apply(proxy, settings, NULL, NULL);
        nx_proxy_settings_free(settings);
}

static void handle_file(struct nx_proxy *proxy, const char *name, const char *path, int fd,
                        void *userdata)
{
        FILE *file = fdopen(dup(fd), "r");
        char text[160];

        n_lines = 0;
        while (file && n_lines < LINES_MAX && fgets(text, sizeof(text), file)) {
                struct line line = {};

                if (sscanf(text, "%15s %31s %63s %15s", line.key, line.what, line.first,
                           line.second) >= 2)
                        lines[n_lines++] = line;
        }
        if (file)
                fclose(file);
        for (size_t i = 0; i < PAUSED_MAX; i++)
                if (paused[i].due_ms == NO_TIME)
                        paused[i].due_ms = 0;
        apply_rules(proxy);
}

static void carry_on(struct nx_flow *flow)
{
        if (nx_flow_get_protocol(flow) == IPPROTO_TCP)
                splice_flow(flow, &(struct line){});
        else
                nx_flow_open(flow);
}

/* Claims what is due; the time until the next is, or -1. */
static int resume_due(void)
{
        long long now = now_ms(), wait = -1;

        for (size_t i = 0; i < PAUSED_MAX; i++) {
                if (!paused[i].flow || paused[i].due_ms == NO_TIME)
                        continue;
                if (paused[i].due_ms <= now) {
                        if (nx_flow_resume(paused[i].flow, NX_VERDICT_CLAIM) == 0)
                                carry_on(paused[i].flow);
                        paused[i].flow = nx_flow_unref(paused[i].flow);
                } else if (wait < 0 || paused[i].due_ms - now < wait) {
                        wait = paused[i].due_ms - now;
                }
        }
        return (int)wait;
}

int main(void)
{
#define PROXY                                                                                      \
        {                                                                                          \
                .handle_new_flow = handle_new_flow, .handle_peek = handle_peek,                    \
                .handle_open = handle_open, .handle_closed = handle_closed,                        \
                .handle_file = handle_file,                                                        \
        }
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,  .identifier = "scripted-proxy",
                .version = "1",     .transparent_proxy = PROXY,
                .app_proxy = PROXY,
        };
        struct nx_provider *provider;
        int r;

        r = nx_provider_new(&provider, &extension, NULL);
        if (r < 0) {
                fprintf(stderr, "scripted-proxy: %s\n", strerror(-r));
                return 2;
        }
        while (r >= 0) {
                struct pollfd poll_fd = { .fd = nx_provider_get_fd(provider), .events = POLLIN };

                poll(&poll_fd, 1, resume_due());
                r = nx_provider_dispatch(provider);
        }
        if (r != -EPIPE)
                fprintf(stderr, "scripted-proxy: %s\n", nx_provider_get_error(provider));
        nx_provider_free(provider);
        return r == -EPIPE ? 0 : 1;
}
