/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A filter that does what its file "script" says, so that a scenario can name the
 * behaviour it is about. One line for each remote port, or local port of a flow that others
 * began ("*" for all others):
 *
 *         80 allow                    any verdict: allow, drop, refuse
 *         81 pause 300 refuse         answers after 300 ms, meanwhile others are decided
 *         81 wait allow               answers once the script is written again
 *         82 sleep 5000 allow         blocks all of itself meanwhile
 *         82 remember 60 allow        the kernel answers for so many seconds then
 *         83 crash                    dies while it is asked
 *         84 nonsense                 answers with a verdict that does not exist
 *         85 call 198.18.0.2 7        opens a connection of its own, then allows
 *         86 garbage                  writes what is no message into each of its channels
 *         inbound ask                 has a rule for flows that others begin: ask, allow, deny
 *         rule 80 deny                has a rule for flows to that port, or to that address
 *         tell 7000                   says of each flow that it allows at once, before it does:
 *                                     "PROTOCOL LOCAL REMOTE" (ports), to that port of 127.0.0.1
 *         default allow               what its rules say of all others; ask, unless it is said
 *         loopback exclude            leaves alone what goes to this host, where it has rules
 *         end port 80                 ends the flows of that port that it was asked about
 *         end flow 12                 ends that one. How many are over, and which errors there
 *                                     were, goes to the daemon's log
 *         report high                 wants reports of all flows, with statistics as often as that:
 *                                     none, low, medium, high; each goes to the daemon's log
 *         start fail                  start_filter fails
 *         start hang                  start_filter does not return
 *         start late                  it does, after 3 s
 *
 * It has its own event loop, as an extension with other work to do would.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <netext/extension.h>

#define LINES_MAX  32
#define PAUSED_MAX 64
#define ASKED_MAX  1024
#define ERRORS_MAX 256
#define NO_TIME    (-1LL)

struct line {
        char port[16], what[16], first[64], second[16];
};

struct paused {
        struct nx_flow *flow; /* a reference; NULL: free */
        enum nx_verdict verdict;
        long long due_ms; /* NO_TIME: with the next script */
};

struct asked {
        uint64_t flow;
        unsigned int port;
};

struct scripted {
        struct asked asked[ASKED_MAX]; /* the last so many */
        size_t n_asked;
        unsigned int n_updated[ERRORS_MAX], n_unanswered;
        struct line lines[LINES_MAX];
        size_t n_lines;
        struct paused paused[PAUSED_MAX];
};

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

static enum nx_verdict verdict_from(const char *word)
{
        if (strcmp(word, "drop") == 0)
                return NX_VERDICT_DROP;
        return strcmp(word, "refuse") == 0 ? NX_VERDICT_REFUSE : NX_VERDICT_ALLOW;
}

static const struct line *line_for(const struct scripted *scripted, const char *port)
{
        for (size_t i = 0; i < scripted->n_lines; i++)
                if (strcmp(scripted->lines[i].port, port) == 0)
                        return &scripted->lines[i];
        return NULL;
}

static enum nx_report_frequency frequency_from(const char *word)
{
        static const char *const words[] = { "none", "low", "medium", "high" };
        size_t i = 0;

        while (i < 3 && strcmp(words[i], word) != 0)
                i++;
        return (enum nx_report_frequency)i;
}

static void handle_report(struct nx_filter *filter, struct nx_flow *flow,
                          const struct nx_report *report, void *userdata)
{
        static const char *const events[] = { "?", "new-flow", "data-decision", "flow-closed",
                                              "statistics" };
        static const char *const actions[] = { "?", "allow", "drop", "?", "filter-data" };
        char counts[64] = "unknown unknown";

        if (report->has_counts)
                snprintf(counts, sizeof(counts), "%llu %llu",
                         (unsigned long long)report->bytes_outbound,
                         (unsigned long long)report->bytes_inbound);
        fprintf(stderr, "%s report %llu %s %s %s\n", nx_filter_get_name(filter),
                (unsigned long long)nx_flow_get_identifier(flow), events[report->event],
                actions[report->action], counts);
}

static enum nx_verdict pause_flow(struct scripted *scripted, struct nx_flow *flow,
                                  const char *verdict, long long due_ms)
{
        for (size_t i = 0; i < PAUSED_MAX; i++)
                if (!scripted->paused[i].flow) {
                        scripted->paused[i] = (struct paused){
                                .flow = nx_flow_ref(flow),
                                .verdict = verdict_from(verdict),
                                .due_ms = due_ms,
                        };
                        return NX_VERDICT_PAUSE;
                }
        return NX_VERDICT_DROP;
}

static void handle_flow_ended(struct nx_filter *filter, struct nx_flow *flow, void *userdata)
{
        struct scripted *scripted = userdata;

        for (size_t i = 0; i < PAUSED_MAX; i++)
                if (scripted->paused[i].flow == flow) {
                        fprintf(stderr, "%s need not answer about %llu\n",
                                nx_filter_get_name(filter),
                                (unsigned long long)nx_flow_get_identifier(flow));
                        scripted->paused[i].flow = nx_flow_unref(flow);
                }
}

static void call(const struct line *line)
{
        struct sockaddr_in server = { .sin_family = AF_INET,
                                      .sin_port = htons(atoi(line->second)) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

        inet_pton(AF_INET, line->first, &server.sin_addr);
        connect(fd, (struct sockaddr *)&server, sizeof(server));
        poll(&poll_fd, 1, 500);
        send(fd, "own", 3, MSG_NOSIGNAL);
        close(fd);
}

/* Heard also while there is no netextd, and of an extension that dies the next moment. */
static void tell(const struct line *line, const struct nx_flow *flow)
{
        struct sockaddr_in listener = { .sin_family = AF_INET,
                                        .sin_port = htons(atoi(line->what)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        char text[32];

        snprintf(text, sizeof(text), "%d %u %u", nx_flow_get_protocol(flow),
                 nx_flow_get_local_port(flow), nx_flow_get_remote_port(flow));
        sendto(fd, text, strlen(text), 0, (struct sockaddr *)&listener, sizeof(listener));
        close(fd);
}

/* Behind the SDK's back: whatever descriptor is a channel gets bytes that mean nothing. */
static void write_garbage(void)
{
        static const char garbage[] = "\x31\0\0\0\xff\xff\xff\xff garbage, not a message";

        for (int fd = 3; fd < 64; fd++) {
                int type = 0;

                if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){ sizeof(type) }) == 0 &&
                    type == SOCK_SEQPACKET)
                        send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL | MSG_DONTWAIT);
        }
}

/* How many flows have which answer, once all have one. */
static void tell_updates(struct nx_filter *filter, struct scripted *scripted)
{
        fprintf(stderr, "%s updated:", nx_filter_get_name(filter));
        for (int error = 0; error < ERRORS_MAX; error++)
                if (scripted->n_updated[error])
                        fprintf(stderr, " %u %s", scripted->n_updated[error],
                                error ? strerrorname_np(error) : "over");
        fprintf(stderr, "\n");
        memset(scripted->n_updated, 0, sizeof(scripted->n_updated));
}

static void handle_updated(struct nx_filter *filter, uint64_t flow, int result, void *userdata)
{
        struct scripted *scripted = userdata;

        scripted->n_updated[-result]++;
        if (--scripted->n_unanswered == 0)
                tell_updates(filter, scripted);
}

static void end_flow(struct nx_filter *filter, uint64_t flow, struct scripted *scripted)
{
        int r;

        scripted->n_unanswered++;
        r = nx_filter_update_flow(filter, flow, NX_VERDICT_DROP, handle_updated, scripted);
        if (r < 0)
                handle_updated(filter, flow, r, scripted);
}

static void end_flows(struct nx_filter *filter, struct scripted *scripted)
{
        if (!line_for(scripted, "end"))
                return;
        scripted->n_unanswered++; /* this function's own */
        for (size_t i = 0; i < scripted->n_lines; i++) {
                const struct line *line = &scripted->lines[i];
                size_t first = scripted->n_asked < ASKED_MAX ? 0 : scripted->n_asked - ASKED_MAX;

                if (strcmp(line->port, "end") != 0)
                        continue;
                if (strcmp(line->what, "flow") == 0)
                        end_flow(filter, strtoull(line->first, NULL, 10), scripted);
                for (size_t k = first; k < scripted->n_asked && strcmp(line->what, "port") == 0;
                     k++)
                        if (scripted->asked[k % ASKED_MAX].port == (unsigned int)atoi(line->first))
                                end_flow(filter, scripted->asked[k % ASKED_MAX].flow, scripted);
        }
        if (--scripted->n_unanswered == 0)
                tell_updates(filter, scripted);
}

static enum nx_verdict answer(struct nx_filter *filter, struct nx_flow *flow,
                              struct scripted *scripted)
{
        const struct line *line;
        char port[8];

        if (line_for(scripted, "report"))
                nx_flow_want_reports(flow, frequency_from(line_for(scripted, "report")->what));
        if (line_for(scripted, "say"))
                fprintf(stderr, "asked %s about %u at %lld\n", nx_filter_get_name(filter),
                        nx_flow_get_local_port(flow), now_us());
        snprintf(port, sizeof(port), "%u",
                 nx_flow_get_direction(flow) == NX_DIRECTION_INBOUND
                         ? nx_flow_get_local_port(flow)
                         : nx_flow_get_remote_port(flow));
        scripted->asked[scripted->n_asked++ % ASKED_MAX] = (struct asked){
                .flow = nx_flow_get_identifier(flow),
                .port = (unsigned int)atoi(port),
        };
        line = line_for(scripted, port);
        if (!line)
                line = line_for(scripted, "*");
        if (!line)
                return NX_VERDICT_ALLOW;
        if (strcmp(line->what, "pause") == 0)
                return pause_flow(scripted, flow, line->second, now_ms() + atoi(line->first));
        if (strcmp(line->what, "wait") == 0)
                return pause_flow(scripted, flow, line->first, NO_TIME);
        if (strcmp(line->what, "sleep") == 0) {
                poll(NULL, 0, atoi(line->first));
                return verdict_from(line->second);
        }
        if (strcmp(line->what, "remember") == 0) {
                (void)nx_flow_remember(flow, (unsigned int)atoi(line->first));
                return verdict_from(line->second);
        }
        if (strcmp(line->what, "crash") == 0)
                abort();
        if (strcmp(line->what, "nonsense") == 0)
                return (enum nx_verdict)99;
        if (strcmp(line->what, "call") == 0)
                call(line);
        if (strcmp(line->what, "garbage") == 0)
                write_garbage();
        return verdict_from(line->what);
}

static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        enum nx_verdict verdict = answer(filter, flow, userdata);
        const struct line *line = line_for(userdata, "tell");

        if (line && verdict == NX_VERDICT_ALLOW)
                tell(line, flow);
        return verdict;
}

static enum nx_filter_action action_from(const char *word)
{
        if (strcmp(word, "ask") == 0)
                return NX_FILTER_ACTION_FILTER_DATA;
        return strcmp(word, "deny") == 0 ? NX_FILTER_ACTION_DROP : NX_FILTER_ACTION_ALLOW;
}

static int add_rule(struct nx_filter_settings *settings, const struct line *line)
{
        struct nx_rule rule = { NX_RULE_INIT };

        if (strcmp(line->port, "inbound") == 0) {
                rule.direction = NX_DIRECTION_INBOUND;
                return nx_filter_settings_add_rule(settings, action_from(line->what), &rule);
        }
        if (strcmp(line->port, "rule") != 0)
                return 0;
        if (strpbrk(line->what, ".:"))
                rule.remote_network = line->what;
        else
                rule.remote_port_first = rule.remote_port_last = (uint16_t)atoi(line->what);
        return nx_filter_settings_add_rule(settings, action_from(line->first), &rule);
}

static bool has_rules(const struct scripted *scripted)
{
        return line_for(scripted, "inbound") || line_for(scripted, "rule") ||
               line_for(scripted, "default");
}

static int apply_rules(struct nx_filter *filter, const struct scripted *scripted)
{
        const struct line *unmatched = line_for(scripted, "default");
        struct nx_filter_settings *settings;
        int r;

        r = nx_filter_settings_new(&settings, action_from(unmatched ? unmatched->what : "ask"),
                                   !line_for(scripted, "loopback"));
        for (size_t i = 0; i < scripted->n_lines && r >= 0; i++)
                r = add_rule(settings, &scripted->lines[i]);
        if (r >= 0)
                r = nx_filter_apply(filter, settings, NULL, NULL);
        nx_filter_settings_free(settings);
        return r;
}

static int start_filter(struct nx_filter *filter, void *userdata)
{
        const struct line *line = line_for(userdata, "start");

        if (has_rules(userdata))
                return apply_rules(filter, userdata);
        if (!line)
                return 0;
        if (strcmp(line->what, "late") == 0)
                return sleep(3), 0;
        if (strcmp(line->what, "hang") == 0)
                for (;;)
                        pause();
        nx_filter_report(filter, NX_LEVEL_ERROR, "The script says that this filter cannot start.");
        return -EPERM;
}

static void stop_filter(struct nx_filter *filter, enum nx_provider_stop_reason reason,
                        void *userdata)
{
        fprintf(stderr, "%s stops for reason %d\n", nx_filter_get_name(filter), (int)reason);
}

static void handle_file(struct nx_filter *filter, const char *name, const char *path, int fd,
                        void *userdata)
{
        struct scripted *scripted = userdata;
        FILE *file = fdopen(dup(fd), "r");
        char text[128];

        scripted->n_lines = 0;
        while (file && scripted->n_lines < LINES_MAX && fgets(text, sizeof(text), file)) {
                struct line line = {};

                if (sscanf(text, "%15s %15s %63s %15s", line.port, line.what, line.first,
                           line.second) >= 2)
                        scripted->lines[scripted->n_lines++] = line;
        }
        if (file)
                fclose(file);
        for (size_t i = 0; i < PAUSED_MAX; i++)
                if (scripted->paused[i].due_ms == NO_TIME)
                        scripted->paused[i].due_ms = 0;
        end_flows(filter, scripted);
}

/* Answers what is due; the time until the next is, or -1. */
static int resume_due(struct scripted *scripted)
{
        long long now = now_ms(), wait = -1;

        for (size_t i = 0; i < PAUSED_MAX; i++) {
                struct paused *paused = &scripted->paused[i];

                if (!paused->flow || paused->due_ms == NO_TIME)
                        continue;
                if (paused->due_ms <= now) {
                        nx_flow_resume(paused->flow, paused->verdict);
                        paused->flow = nx_flow_unref(paused->flow);
                } else if (wait < 0 || paused->due_ms - now < wait) {
                        wait = paused->due_ms - now;
                }
        }
        return wait;
}

int main(void)
{
        static struct scripted scripted;
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "scripted",
                .version = "1",
                .filter = {
                        .start_filter = start_filter,
                        .stop_filter = stop_filter,
                        .handle_new_flow = handle_new_flow,
                        .handle_report = handle_report,
                        .handle_flow_ended = handle_flow_ended,
                        .handle_file = handle_file,
                },
        };
        struct nx_provider *provider;
        int r;

        r = nx_provider_new(&provider, &extension, &scripted);
        if (r < 0) {
                fprintf(stderr, "scripted: %s\n", strerror(-r));
                return 2;
        }
        while (r >= 0) {
                struct pollfd poll_fd = { .fd = nx_provider_get_fd(provider), .events = POLLIN };

                poll(&poll_fd, 1, resume_due(&scripted));
                r = nx_provider_dispatch(provider);
        }
        if (r != -EPIPE)
                fprintf(stderr, "scripted: %s\n", nx_provider_get_error(provider));
        nx_provider_free(provider);
        return r == -EPIPE ? 0 : 1;
}
