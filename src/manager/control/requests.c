/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A request belongs to the store, not to whoever asked: who follows it is told what becomes of it,
 * and who does not can ask. Only the question whether to replace needs somebody who is there.
 */

#include <errno.h>
#include <string.h>

#include "manager/control/record.h"
#include "manager/control/requests.h"
#include "manager/store/store.h"

#define FOLLOWS_MAX 64 /* of a client */

struct follow {
        struct list link; /* client.follows */
        uint64_t request;
};

static void follow_free(struct client *client, struct follow *follow)
{
        list_remove(&follow->link);
        client->n_follows--;
        free(follow);
}

static struct follow *find_follow(const struct client *client, uint64_t request)
{
        struct follow *follow;

        list_for_each (follow, &client->follows, link)
                if (follow->request == request)
                        return follow;
        return NULL;
}

int request_follow(struct client *client, uint64_t request)
{
        struct follow *follow;

        if (find_follow(client, request))
                return 0;
        if (client->n_follows >= FOLLOWS_MAX)
                return -EBUSY;
        follow = malloc(sizeof(*follow));
        if (!follow)
                return -ENOMEM;
        *follow = (struct follow){ .request = request };
        list_append(&client->follows, &follow->link);
        client->n_follows++;
        return 0;
}

bool control_has_audience(struct control *control, uint64_t request)
{
        struct client *client;

        list_for_each (client, &control->clients, link)
                if (find_follow(client, request))
                        return true;
        return false;
}

void requests_unfollow(struct client *client)
{
        struct follow *follow;

        while ((follow = list_first(&client->follows, struct follow, link))) {
                uint64_t request = follow->request;

                follow_free(client, follow);
                if (!control_has_audience(client->control, request))
                        store_audience_left(client->control->store, request);
        }
}

static int append_texts(sd_bus_message *reply, const struct request *request)
{
        int r;

        r = record_put_string(reply, "source", request->source);
        if (r >= 0)
                r = record_put_string(reply, "team", request->team);
        if (r >= 0)
                r = record_put_string(reply, "identifier", request->identifier);
        if (r >= 0)
                r = record_put_string(reply, "version", request->version);
        if (r >= 0)
                r = record_put_string(reply, "digest", request->digest);
        if (r >= 0 && request->replaced)
                r = record_put_bool(reply, "content_changed", request->content_changed);
        return r < 0 ? r : record_put_string(reply, "replaced", request->replaced);
}

static int append_outcome(sd_bus_message *reply, const struct request *request)
{
        int r = 0;

        if (request->status == REQUEST_FAILED)
                r = record_put_uint64(reply, "error", request->code);
        if (r >= 0 && request->status == REQUEST_FAILED)
                r = record_put_string(reply, "error_name",
                                      wire_name_to_string(wire_request_errors, (int)request->code));
        if (r >= 0)
                r = record_put_string(reply, "message", request->message);
        if (r >= 0)
                r = record_put_uint64(reply, "submitted_ns", request->submitted_ns);
        if (r >= 0 && request->ended_ns)
                r = record_put_uint64(reply, "ended_ns", request->ended_ns);
        return r;
}

static int append_request(sd_bus_message *reply, const struct request *request)
{
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_uint64(reply, "request", request->number);
        if (r >= 0)
                r = record_put_string(reply, "kind", request_kind_to_string(request->kind));
        if (r >= 0)
                r = record_put_string(reply, "status", request_status_to_string(request->status));
        if (r >= 0)
                r = append_texts(reply, request);
        if (r >= 0)
                r = append_outcome(reply, request);
        return r < 0 ? r : record_end(reply);
}

static int send_event(struct client *client, const struct request *request)
{
        _cleanup_message_ sd_bus_message *event = NULL;
        int r;

        r = sd_bus_message_new_signal(client->bus, &event, CONTROL_PATH, CONTROL_INTERFACE,
                                      "RequestEvent");
        if (r >= 0)
                r = append_request(event, request);
        return r < 0 ? r : sd_bus_send(client->bus, event, NULL);
}

void control_request_changed(struct control *control, const struct request *request)
{
        struct client *client;

        list_for_each (client, &control->clients, link) {
                struct follow *follow = find_follow(client, request->number);

                if (!follow)
                        continue;
                (void)send_event(client, request); /* who misses it can ask */
                if (request_is_ended(request))
                        follow_free(client, follow);
        }
}

/* The request that the message's argument is the number of; NULL, and the call was refused. */
static struct request *read_request(struct client *client, sd_bus_message *message)
{
        struct request *request;
        uint64_t number;
        int r;

        r = sd_bus_message_read(message, "t", &number);
        request = r < 0 ? NULL : request_log_find(&client->control->store->requests, number);
        if (!request)
                (void)control_refuse(message, -ENOENT,
                                     "there is no such request (the last %d are kept)",
                                     REQUESTS_KEPT);
        return request;
}

static int answer(sd_bus_message *message, const struct request *request)
{
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r >= 0)
                r = append_request(reply, request);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

int requests_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const struct request *request = read_request(userdata, message);

        return request ? answer(message, request) : 1;
}

int requests_follow(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const struct request *request = read_request(userdata, message);
        int r;

        if (!request)
                return 1;
        r = request_is_ended(request) ? 0 : request_follow(userdata, request->number);
        if (r < 0)
                return control_refuse(message, r, "this client follows %d requests already",
                                      FOLLOWS_MAX);
        return answer(message, request);
}

int requests_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const struct request *request;
        int r;

        r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        list_for_each (request, &client->control->store->requests.requests, link) {
                r = append_request(reply, request);
                if (r < 0)
                        return r;
        }
        return record_list_send(reply);
}

int requests_reply(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_free_ char *problem = NULL;
        uint64_t number;
        int replace, r;

        r = sd_bus_message_read(message, "tb", &number, &replace);
        if (r < 0)
                return r;
        r = store_reply(client->control->store, number, replace, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        return sd_bus_reply_method_return(message, "");
}
