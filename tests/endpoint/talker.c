/* SPDX-License-Identifier: Apache-2.0 */

/* See talker.h. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "talker.h"

#define LATER_MAX 64

static struct nx_question *later[LATER_MAX], *never;
static size_t n_later;
static int last_post;
static struct timespec posted_at;
static const struct nx_system *last_system;
static uint32_t last_changed;
static struct timespec changed_at;
static struct nx_endpoint *ready[3];

static void answer_text(struct nx_question *question, const char *text)
{
        const struct nx_message answer = { .bytes = text, .size = strlen(text) };

        (void)nx_question_answer(question, &answer);
}

static void answer_who(struct nx_connection *connection, struct nx_question *question)
{
        const struct nx_peer *peer = nx_connection_get_peer(connection);
        char text[512];

        snprintf(text, sizeof(text), "%u %u %u %s", peer->uid, peer->gid, peer->pid, peer->program);
        answer_text(question, text);
}

static void post(struct nx_endpoint *endpoint, const char *arguments)
{
        unsigned int n = 0, size = 0;
        static char event[NX_MESSAGE_SIZE_MAX];

        if (sscanf(arguments, "%u %u", &n, &size) != 2 || size > sizeof(event))
                return;
        last_post = 0;
        clock_gettime(CLOCK_BOOTTIME, &posted_at);
        for (unsigned int i = 0; i < n; i++) {
                int r;

                snprintf(event, sizeof(event), "%u", i);
                r = nx_endpoint_post(endpoint, event, size);
                if (r < 0 || r > last_post)
                        last_post = r;
        }
}

static void answer_posted(struct nx_endpoint *endpoint, struct nx_question *question)
{
        static const char *const words[] = { "0", "kept", "dropped" };
        char text[64];

        snprintf(text, sizeof(text), "%s %llu", last_post < 0 ? "failed" : words[last_post],
                 (unsigned long long)nx_endpoint_get_dropped(endpoint));
        answer_text(question, text);
}

void talker_handle_system(const struct nx_system *system, uint32_t changed, void *userdata)
{
        last_system = system;
        last_changed = changed;
        clock_gettime(CLOCK_BOOTTIME, &changed_at);
}

static void answer_system(struct nx_question *question)
{
        const char *servers = nx_system_get_dns_servers(last_system);
        const char *proxy = nx_system_get_proxy(last_system, "https_proxy");
        char text[1024];

        snprintf(text, sizeof(text), "%lld%09ld %u %s %s %s %s %s", (long long)changed_at.tv_sec,
                 changed_at.tv_nsec, last_changed, nx_system_get_locale(last_system),
                 nx_system_get_time_zone(last_system), nx_system_get_hostname(last_system),
                 servers ? servers : "-", proxy ? proxy : "-");
        answer_text(question, text);
}

static void app_answered(struct nx_connection *connection, int result, struct nx_message *answer,
                         void *userdata)
{
        if (result < 0)
                (void)nx_question_refuse(userdata, result == -ETIME ? -ETIMEDOUT : result, "no");
        else
                (void)nx_question_answer(userdata, answer);
}

static void answer_later(void)
{
        while (n_later > 0)
                answer_text(later[--n_later], "was later");
}

static bool begins(const struct nx_message *message, const char *word)
{
        size_t length = strlen(word);

        return message->size >= length && memcmp(message->bytes, word, length) == 0;
}

/* What comes without a question. */
static void obey(struct nx_connection *connection, const struct nx_message *message)
{
        struct nx_endpoint *endpoint = nx_connection_get_endpoint(connection);
        char text[128] = "";

        memcpy(text, message->bytes, message->size < 127 ? message->size : 127);
        if (begins(message, "post "))
                post(endpoint, text + 5);
        else if (begins(message, "absent "))
                post(ready[2], text + 7);
        else if (begins(message, "die"))
                _exit(3);
        else if (begins(message, "mute"))
                nx_connection_close(connection);
}

static void handle_message(struct nx_connection *connection, struct nx_message *message,
                           struct nx_question *question, void *userdata)
{
        char text[32];

        if (!question) {
                obey(connection, message);
        } else if (begins(message, "echo")) {
                (void)nx_question_answer(question, message);
        } else if (begins(message, "pid")) {
                snprintf(text, sizeof(text), "%d", getpid());
                answer_text(question, text);
        } else if (begins(message, "who")) {
                answer_who(connection, question);
        } else if (begins(message, "later") && n_later < LATER_MAX) {
                later[n_later++] = question;
        } else if (begins(message, "now")) {
                answer_later();
                answer_text(question, "now");
        } else if (begins(message, "never")) {
                never = question;
        } else if (begins(message, "when")) {
                snprintf(text, sizeof(text), "%lld%09ld", (long long)posted_at.tv_sec,
                         posted_at.tv_nsec);
                answer_text(question, text);
        } else if (begins(message, "system") && last_system) {
                answer_system(question);
        } else if (begins(message, "posted")) {
                answer_posted(nx_connection_get_endpoint(connection), question);
        } else if (begins(message, "ask")) {
                (void)nx_connection_ask(connection, message, 5000, app_answered, question);
        } else if (begins(message, "refuse")) {
                (void)nx_question_refuse(question, -EBADE, "because");
        } else {
                obey(connection, message);
                answer_text(question, "done");
        }
        (void)never;
}

static int handle_connect(struct nx_connection *connection, void *userdata)
{
        return nx_connection_get_peer(connection) ? 0 : -EIO;
}

static void ready_talk(struct nx_endpoint *endpoint, void *userdata)
{
        ready[0] = endpoint;
}

static void ready_absent(struct nx_endpoint *endpoint, void *userdata)
{
        ready[2] = endpoint;
}

static int refuse_all(struct nx_connection *connection, void *userdata)
{
        return -EUSERS;
}

const struct nx_endpoint_provider talker_endpoints[3] = {
        { .name = "talk",
          .handle_ready = ready_talk,
          .handle_connect = handle_connect,
          .handle_message = handle_message },
        { .name = "closed", .handle_connect = refuse_all },
        { .name = "absent", .handle_ready = ready_absent, .handle_message = handle_message },
};

const struct nx_extension talker = {
        NX_EXTENSION_INIT,
        .identifier = "talker",
        .endpoints = talker_endpoints,
        .n_endpoints = 3,
};
