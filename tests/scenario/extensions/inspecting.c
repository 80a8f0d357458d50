/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A filter that looks at bytes as its file "script" says. One line for each remote port, or local
 * port of a flow that others began ("*" for all others; what has no line is allowed unseen). "The
 * program" is who began the flow:
 *
 *         80 watch                    sees everything, lets everything pass
 *         80 measure                  the same, and reports how much it saw at once
 *         81 first 100                lets 100 bytes of the program pass, then allows the flow
 *         82 refuse secret            drops the flow when the program says that word
 *         83 outbound                 sees only what the program says
 *         84 hold                     lets nothing pass
 *         85 late 300                 pauses at the first bytes, and allows after 300 ms
 *         85 early-drop 50            says so 50 ms after the flow was shown; also early-allow, and
 *                                     early-pass: 5 bytes of the program go unseen
 *         86 crash                    dies when it sees the first bytes
 *         87 whole                    lets what was said pass only when all of it was
 *         inbound ask                 has a rule for flows that others begin
 *
 * It reports what it saw of each flow when that is over.
 */

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netext/extension.h>

#define LINES_MAX 32
#define FLOWS_MAX 1024

struct line {
        char port[16], what[16], argument[64];
};

struct seen {
        uint64_t flow;         /* 0: free */
        uint64_t end_outbound, end_inbound; /* of what was shown */
        uint64_t n_outbound, n_inbound;
        uint64_t sum;   /* of the bytes, both directions */
        size_t largest; /* piece of them */
};

static struct line lines[LINES_MAX];
static size_t n_lines;
static struct seen seen[FLOWS_MAX];
static struct nx_flow *paused; /* a reference */
static struct nx_data_verdict verdict_due;
static long long due_ms;

static long long now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static bool is_inbound(const struct nx_flow *flow)
{
        return nx_flow_get_direction(flow) == NX_DIRECTION_INBOUND;
}

static const struct line *line_of(const struct nx_flow *flow)
{
        char port[8];

        snprintf(port, sizeof(port), "%u",
                 is_inbound(flow) ? nx_flow_get_local_port(flow) : nx_flow_get_remote_port(flow));
        for (size_t i = 0; i < n_lines; i++)
                if (strcmp(lines[i].port, port) == 0 || strcmp(lines[i].port, "*") == 0)
                        return &lines[i];
        return NULL;
}

static bool does(const struct nx_flow *flow, const char *what)
{
        const struct line *line = line_of(flow);

        return line && strcmp(line->what, what) == 0;
}

static struct seen *seen_of(const struct nx_flow *flow)
{
        struct seen *unused = &seen[0];

        for (size_t i = 0; i < FLOWS_MAX; i++) {
                if (seen[i].flow == nx_flow_get_identifier(flow))
                        return &seen[i];
                if (seen[i].flow == 0)
                        unused = &seen[i];
        }
        *unused = (struct seen){ .flow = nx_flow_get_identifier(flow) };
        return unused;
}

static struct nx_data_verdict pass(uint64_t n_bytes)
{
        return (struct nx_data_verdict){ .verdict = NX_VERDICT_FILTER_DATA, .pass_bytes = n_bytes };
}

static struct nx_data_verdict just(enum nx_verdict verdict)
{
        return (struct nx_data_verdict){ .verdict = verdict };
}

static void say_later(struct nx_flow *flow, struct nx_data_verdict verdict)
{
        paused = nx_flow_ref(flow);
        verdict_due = verdict;
        due_ms = now_ms() + atoi(line_of(flow)->argument);
}

static void peek_at_opener(struct nx_flow *flow, uint64_t n_bytes)
{
        if (is_inbound(flow))
                nx_flow_filter_data(flow, NX_DATA_BYTES_MAX, n_bytes);
        else
                nx_flow_filter_data(flow, n_bytes, NX_DATA_BYTES_MAX);
}

/* Before that it has nothing to do with them. */
static int start_filter(struct nx_filter *filter, void *userdata)
{
        const struct nx_rule rule = { NX_RULE_INIT, .direction = NX_DIRECTION_INBOUND };
        struct nx_filter_settings *settings;
        int r;

        if (n_lines == 0 || strcmp(lines[0].port, "inbound") != 0)
                return 0;
        r = nx_filter_settings_new(&settings, NX_FILTER_ACTION_FILTER_DATA, true);
        if (r >= 0)
                r = nx_filter_settings_add_rule(settings, NX_FILTER_ACTION_FILTER_DATA, &rule);
        if (r >= 0)
                r = nx_filter_apply(filter, settings, NULL, NULL);
        nx_filter_settings_free(settings);
        return r;
}

static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        if (!line_of(flow))
                return NX_VERDICT_ALLOW;
        if (does(flow, "outbound"))
                nx_flow_filter_data(flow, 0, NX_DATA_BYTES_MAX);
        if (does(flow, "first"))
                peek_at_opener(flow, (uint64_t)atoi(line_of(flow)->argument));
        if (does(flow, "early-drop"))
                say_later(flow, just(NX_VERDICT_DROP));
        if (does(flow, "early-allow"))
                say_later(flow, just(NX_VERDICT_ALLOW));
        if (does(flow, "early-pass"))
                say_later(flow, pass(5));
        return NX_VERDICT_FILTER_DATA;
}

static struct nx_data_verdict look(struct nx_flow *flow, const void *bytes, size_t size)
{
        const char *word = line_of(flow)->argument;

        if (does(flow, "first"))
                return just(NX_VERDICT_ALLOW);
        if (does(flow, "refuse") && memmem(bytes, size, word, strlen(word)))
                return just(NX_VERDICT_DROP);
        if (does(flow, "hold"))
                return just(NX_VERDICT_PAUSE);
        if (does(flow, "crash"))
                abort();
        if (does(flow, "late") && !paused) {
                say_later(flow, just(NX_VERDICT_ALLOW));
                return just(NX_VERDICT_PAUSE);
        }
        if (does(flow, "whole"))
                return (struct nx_data_verdict){ .verdict = NX_VERDICT_FILTER_DATA,
                                                 .peek_bytes = size + 1 };
        return pass(size);
}

static void add(struct nx_flow *flow, uint64_t *n, const uint8_t *bytes, size_t size)
{
        struct seen *of = seen_of(flow);

        *n += size;
        if (size > of->largest)
                of->largest = size;
        for (size_t i = 0; i < size; i++)
                of->sum += bytes[i];
}

/* What was shown and not released is shown again, longer; what was released unseen is not. */
static struct nx_data_verdict hear(struct nx_filter *filter, struct nx_flow *flow, bool is_opener,
                                   uint64_t *n, uint64_t *end, uint64_t offset, const void *bytes,
                                   size_t size)
{
        if (!is_opener && offset > *end)
                nx_filter_report(filter, NX_LEVEL_ERROR, "a gap before %llu",
                                 (unsigned long long)offset);
        if (offset + size > *end) {
                size_t known = *end > offset ? (size_t)(*end - offset) : 0;

                add(flow, n, (const uint8_t *)bytes + known, size - known);
                *end = offset + size;
        }
        return is_opener ? look(flow, bytes, size) : pass(size);
}

static struct nx_data_verdict handle_outbound(struct nx_filter *filter, struct nx_flow *flow,
                                              uint64_t offset, const void *bytes, size_t size,
                                              void *userdata)
{
        return hear(filter, flow, !is_inbound(flow), &seen_of(flow)->n_outbound,
                    &seen_of(flow)->end_outbound, offset, bytes, size);
}

static struct nx_data_verdict handle_inbound(struct nx_filter *filter, struct nx_flow *flow,
                                             uint64_t offset, const void *bytes, size_t size,
                                             void *userdata)
{
        return hear(filter, flow, is_inbound(flow), &seen_of(flow)->n_inbound,
                    &seen_of(flow)->end_inbound, offset, bytes, size);
}

static struct nx_data_verdict handle_complete(struct nx_filter *filter, struct nx_flow *flow,
                                              void *userdata)
{
        return pass(NX_DATA_BYTES_MAX);
}

static void handle_flow_ended(struct nx_filter *filter, struct nx_flow *flow, void *userdata)
{
        struct seen *of = seen_of(flow);

        if (does(flow, "measure"))
                nx_filter_report(filter, NX_LEVEL_INFO, "%zu at once", of->largest);
        else
                nx_filter_report(filter, NX_LEVEL_INFO, "seen %llu out, %llu in, sum %llu",
                                 (unsigned long long)of->n_outbound,
                                 (unsigned long long)of->n_inbound, (unsigned long long)of->sum);
        *of = (struct seen){};
}

static void handle_file(struct nx_filter *filter, const char *name, const char *path, int fd,
                        void *userdata)
{
        FILE *file = fdopen(dup(fd), "r");
        char text[128];

        n_lines = 0;
        while (file && n_lines < LINES_MAX && fgets(text, sizeof(text), file)) {
                struct line line = {};

                if (sscanf(text, "%15s %15s %63s", line.port, line.what, line.argument) >= 2)
                        lines[n_lines++] = line;
        }
        if (file)
                fclose(file);
}

/* Releases what waits when its time has come; the time until then, or -1. */
static int release_due(void)
{
        long long wait = due_ms - now_ms();

        if (!paused)
                return -1;
        if (wait > 0)
                return (int)wait;
        nx_flow_update(paused, nx_flow_get_direction(paused), verdict_due);
        paused = nx_flow_unref(paused);
        return -1;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "inspecting",
                .version = "1",
                .filter = {
                        .start_filter = start_filter,
                        .handle_new_flow = handle_new_flow,
                        .handle_outbound_data = handle_outbound,
                        .handle_inbound_data = handle_inbound,
                        .handle_outbound_complete = handle_complete,
                        .handle_inbound_complete = handle_complete,
                        .handle_flow_ended = handle_flow_ended,
                        .handle_file = handle_file,
                },
        };
        struct nx_provider *provider;
        int r;

        r = nx_provider_new(&provider, &extension, NULL);
        if (r < 0) {
                fprintf(stderr, "inspecting: %s\n", strerror(-r));
                return 2;
        }
        while (r >= 0) {
                struct pollfd poll_fd = { .fd = nx_provider_get_fd(provider), .events = POLLIN };

                poll(&poll_fd, 1, release_due());
                r = nx_provider_dispatch(provider);
        }
        if (r != -EPIPE)
                fprintf(stderr, "inspecting: %s\n", nx_provider_get_error(provider));
        nx_provider_free(provider);
        return r == -EPIPE ? 0 : 1;
}
