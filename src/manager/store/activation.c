/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The line of those who wait to be staged. What a bundle is, is not known before it was verified;
 * from there on its identifier's life decides (arrival.c).
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manager/store/activation.h"
#include "manager/store/life.h"

#define STAGINGS_MAX 2 /* at once */

static struct activation *activation_free(struct activation *activation)
{
        if (!activation)
                return NULL;
        list_remove(&activation->link);
        close_fd(activation->source_fd);
        staging_free(activation->staging);
        free(activation);
        return NULL;
}

void activations_free(struct store *store)
{
        struct activation *activation;

        while ((activation = list_first(&store->activations, struct activation, link)))
                activation_free(activation);
}

/* What the request is about, as far as the bundle tells. */
static void name_request(struct request *request, const struct bundle *bundle)
{
        const struct manifest *manifest = &bundle->manifest;

        if (manifest->identifier)
                request->identifier = strdup(manifest->identifier);
        if (manifest->team)
                request->team = strdup(manifest->team);
        if (manifest->version && manifest->short_version &&
            asprintf(&request->version, "%s (%s)", manifest->short_version, manifest->version) < 0)
                request->version = NULL;
        if (*bundle->digest)
                request->digest = strdup(bundle->digest);
}

static void refuse(struct store *store, struct request *request, struct bundle *bundle,
                   enum nx_request_error code, const char *problem)
{
        store_keep_report(store, request->number, request->identifier, bundle);
        request_fail(&store->requests, request, code, strdup(problem));
}

static void let_in(struct store *store, struct request *request, struct staging *staging)
{
        const char *identifier = staging->bundle.manifest.identifier;
        struct life *life;
        struct copy *copy;

        if (!copy_is_name(identifier) || !copy_is_name(staging->bundle.digest)) {
                refuse(store, request, &staging->bundle, NX_REQUEST_ERROR_VALIDATION_FAILED,
                       "its identifier or its digest cannot be the name of a folder");
                return;
        }
        life = store_find(store, identifier) ?: life_new(store, identifier);
        copy = life ? copy_new(&staging->bundle, request->number) : NULL;
        if (!copy) {
                request_fail(&store->requests, request, NX_REQUEST_ERROR_UNKNOWN,
                             strdup("there is no memory"));
                return;
        }
        copy->fresh = true;
        life_arrive(life, copy, staging);
}

static void start_some(struct store *store);

static void staged(struct staging *staging, int result, enum nx_request_error code,
                   const char *problem, void *userdata)
{
        struct activation *activation = userdata;
        struct store *store = activation->store;
        struct request *request = activation->request;

        name_request(request, &staging->bundle);
        if (result < 0)
                refuse(store, request, &staging->bundle, code, problem);
        else
                let_in(store, request, staging);
        activation_free(activation);
        start_some(store);
}

static void start(struct activation *activation)
{
        struct store *store = activation->store;
        struct request *request = activation->request;
        char *problem = NULL;
        int r;

        r = staging_start(&store->place, request->number, activation->source_fd, store->developer,
                          staged, activation, &activation->staging, &problem);
        if (r >= 0) {
                activation->source_fd = -1;
                request_set_status(&store->requests, request, REQUEST_VALIDATING);
                return;
        }
        request_fail(&store->requests, request, NX_REQUEST_ERROR_UNKNOWN,
                     problem ?: strdup(strerror(-r)));
        activation_free(activation);
}

static void start_some(struct store *store)
{
        struct activation *activation, *following;
        unsigned int n_running = 0;

        list_for_each (activation, &store->activations, link)
                n_running += activation->staging != NULL;
        list_for_each_safe (activation, following, &store->activations, link) {
                if (n_running >= STAGINGS_MAX)
                        return;
                if (activation->staging)
                        continue;
                start(activation);
                n_running++;
        }
}

int activation_add(struct store *store, struct request *request, int source_fd)
{
        struct activation *activation = calloc(1, sizeof(*activation));

        if (!activation)
                return -ENOMEM;
        *activation = (struct activation){
                .store = store,
                .request = request,
                .source_fd = source_fd,
        };
        list_append(&store->activations, &activation->link);
        request_set_status(&store->requests, request, REQUEST_QUEUED);
        start_some(store);
        return 0;
}
