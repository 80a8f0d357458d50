/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A packet filter that does with a packet what that says, so that a scenario can name the behaviour
 * it is about: the first "nx:" in it is followed by one of
 *
 *         drop
 *         delay              until a packet says release or forget
 *         release            allows itself and what is delayed, the last first
 *         forget             allows itself, and drops what is delayed
 *         sleep 500          blocks its thread, then allows
 *         crash              dies
 *         wrong              returns what is no verdict
 *         nothing            returns DELAY for what it did not delay
 *
 *         quiet              allows, as everything else
 *
 * Each that says so is written to stderr, as "shown NAME out veth0 THREAD SIZE WORD…"; of those
 * with quiet in front ("nx:quiet delay") only what is larger than all before in its direction. Its
 * file "script" has one rule a line, "in veth0 17 198.18.0.2" or with "any" for what it leaves
 * open; "loopback" wants what goes over lo as well. Without a script it applies no settings.
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netext/extension.h>

#define KEPT_MAX    2000
#define LOOK_AT_MAX 128
#define QUIET       "quiet "

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nx_packet *kept[KEPT_MAX];
static size_t n_kept;

static enum nx_packet_verdict delay(struct nx_packet_context *context)
{
        enum nx_packet_verdict verdict = NX_PACKET_VERDICT_DROP;
        struct nx_packet *packet;

        pthread_mutex_lock(&lock);
        packet = n_kept < KEPT_MAX ? nx_packet_filter_delay_current_packet(context) : NULL;
        if (packet) {
                kept[n_kept++] = packet;
                verdict = NX_PACKET_VERDICT_DELAY;
        }
        pthread_mutex_unlock(&lock);
        return verdict;
}

static void let_all_go(bool are_allowed)
{
        pthread_mutex_lock(&lock);
        while (n_kept > 0) {
                struct nx_packet *packet = kept[--n_kept];

                if (are_allowed)
                        (void)nx_packet_filter_allow_packet(packet);
                else
                        nx_packet_free(packet);
        }
        pthread_mutex_unlock(&lock);
}

/* Two threads may both find theirs the largest. */
static bool is_largest(enum nx_direction direction, size_t size)
{
        static atomic_size_t largest[NX_DIRECTION_OUTBOUND + 1];

        if (size <= atomic_load(&largest[direction]))
                return false;
        atomic_store(&largest[direction], size);
        return true;
}

static void say(struct nx_packet_filter *filter, const char *interface, enum nx_direction direction,
                size_t size, const char *word)
{
        fprintf(stderr, "shown %s %s %s %d %zu %.16s\n", nx_packet_filter_get_name(filter),
                direction == NX_DIRECTION_INBOUND ? "in" : "out", interface, gettid(), size, word);
}

static enum nx_packet_verdict obey(struct nx_packet_context *context, const char *word)
{
        int ms;

        if (strncmp(word, "drop", 4) == 0)
                return NX_PACKET_VERDICT_DROP;
        if (strncmp(word, "delay", 5) == 0)
                return delay(context);
        if (strncmp(word, "release", 7) == 0)
                let_all_go(true);
        if (strncmp(word, "forget", 6) == 0)
                let_all_go(false);
        if (sscanf(word, "sleep %d", &ms) == 1)
                nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
        if (strncmp(word, "crash", 5) == 0)
                abort();
        if (strncmp(word, "wrong", 5) == 0)
                return (enum nx_packet_verdict)7;
        return strncmp(word, "nothing", 7) == 0 ? NX_PACKET_VERDICT_DELAY : NX_PACKET_VERDICT_ALLOW;
}

static enum nx_packet_verdict handle_packet(struct nx_packet_filter *filter,
                                            struct nx_packet_context *context,
                                            const char *interface, enum nx_direction direction,
                                            const void *bytes, size_t size, void *userdata)
{
        size_t n = size < LOOK_AT_MAX ? size : LOOK_AT_MAX;
        const char *mark = memmem(bytes, n, "nx:", 3);
        char word[LOOK_AT_MAX + 1] = "";
        bool is_quiet;

        if (!mark)
                return NX_PACKET_VERDICT_ALLOW;
        mark += 3;
        memcpy(word, mark, n - (size_t)(mark - (const char *)bytes));
        is_quiet = strncmp(word, QUIET, strlen(QUIET)) == 0;
        if (!is_quiet || is_largest(direction, size))
                say(filter, interface, direction, size, word);
        return obey(context, is_quiet ? word + strlen(QUIET) : word);
}

static const char *unless_any(const char *word)
{
        return strcmp(word, "any") == 0 ? NULL : word;
}

static int add_line(struct nx_packet_filter_settings *settings, const char *line)
{
        char direction[8], interface[32], protocol[8], network[64];
        struct nx_packet_rule rule = { NX_PACKET_RULE_INIT };

        if (sscanf(line, "%7s %31s %7s %63s", direction, interface, protocol, network) != 4)
                return -EINVAL;
        if (unless_any(direction))
                rule.direction =
                        strcmp(direction, "in") == 0 ? NX_DIRECTION_INBOUND : NX_DIRECTION_OUTBOUND;
        rule.interface = unless_any(interface);
        rule.protocol = unless_any(protocol) ? atoi(protocol) : 0;
        rule.remote_network = unless_any(network);
        return nx_packet_filter_settings_add_rule(settings, &rule);
}

static void on_applied(struct nx_packet_filter *filter, int result, void *userdata)
{
        nx_packet_filter_report(filter, NX_LEVEL_INFO, "applied: %s", strerror(-result));
}

static void handle_file(struct nx_packet_filter *filter, const char *name, const char *path, int fd,
                        void *userdata)
{
        FILE *file = fdopen(dup(fd), "r");
        struct nx_packet_filter_settings *settings;
        char line[256], script[4096] = "";
        size_t n = fread(script, 1, sizeof(script) - 1, file);
        int r;

        fclose(file);
        script[n] = '\0';
        r = nx_packet_filter_settings_new(&settings, strstr(script, "loopback"));
        for (char *rest = script; r == 0 && sscanf(rest, "%255[^\n]", line) == 1;
             rest += strlen(line) + 1)
                r = strcmp(line, "loopback") == 0 ? 0 : add_line(settings, line);
        if (r == 0)
                r = nx_packet_filter_apply(filter, settings, on_applied, NULL);
        if (r < 0)
                nx_packet_filter_report(filter, NX_LEVEL_ERROR, "the script: %s", strerror(-r));
        else
                nx_packet_filter_settings_free(settings);
}

static void stop_filter(struct nx_packet_filter *filter, enum nx_provider_stop_reason reason,
                        void *userdata)
{
        let_all_go(false);
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "packets",
                .version = "1",
                .packet_filter = {
                        .stop_filter = stop_filter,
                        .packet_handler = handle_packet,
                        .handle_file = handle_file,
                },
        };

        return nx_main(&extension, NULL);
}
