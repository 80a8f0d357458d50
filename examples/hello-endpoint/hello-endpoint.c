/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A filter that apps can ask how many flows there were, and that tells them of each. hello-app
 * is such an app; manifest.json says that every program may be one.
 *
 *      cc hello-endpoint.c $(pkg-config --cflags --libs netext) -o hello-endpoint
 */

#include <stdio.h>
#include <string.h>

#include <netext/extension.h>

struct hello {
        struct nx_endpoint *endpoint; /* events are posted there */
        unsigned long n_flows;
};

static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        struct hello *hello = userdata;
        char text[512];

        (void)filter;
        hello->n_flows++;
        snprintf(text, sizeof(text), "%s %s:%u", nx_flow_get_program(flow),
                 nx_flow_get_remote_address(flow), nx_flow_get_remote_port(flow));
        if (hello->endpoint)
                nx_endpoint_post(hello->endpoint, text, strlen(text));
        return NX_VERDICT_ALLOW;
}

static void handle_ready(struct nx_endpoint *endpoint, void *userdata)
{
        struct hello *hello = userdata;

        hello->endpoint = endpoint;
}

/* A question is answered now or later, but answered. */
static void handle_message(struct nx_connection *connection, struct nx_message *message,
                           struct nx_question *question, void *userdata)
{
        const struct nx_peer *peer = nx_connection_get_peer(connection);
        struct hello *hello = userdata;
        char text[512];

        (void)message;
        if (!question)
                return;
        snprintf(text, sizeof(text), "%lu flows so far, user %u of %s", hello->n_flows, peer->uid,
                 peer->program);
        nx_question_answer(question, &(struct nx_message){ .bytes = text, .size = strlen(text) });
}

int main(void)
{
        static const struct nx_endpoint_provider status = {
                .name = "status",
                .handle_ready = handle_ready,
                .handle_message = handle_message,
        };
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "org.example.hello",
                .filter = { .handle_new_flow = handle_new_flow },
                .endpoints = &status,
                .n_endpoints = 1,
        };
        struct hello hello = { 0 };

        return nx_main(&extension, &hello);
}
