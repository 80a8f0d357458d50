/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each name is a job of its own: a directory server that does not answer costs those who would
 * have to be found there their connections, and nobody else anything.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/endpoint/names.h"
#include "manager/loop/timer.h"
#include "manager/priv/account.h"

#define LOOKUPS_MAX 64
#define TIMEOUT_MS  5000
#define PAUSE_MS    300000 /* after that: the thread that waits is still there */

static void look(void *job)
{
        struct endpoint_peer *peer = job;

        peer->is_resolved = peer->kind == MANIFEST_PEER_USER
                                    ? account_find_user(peer->value, &peer->id)
                                    : account_find_group(peer->value, &peer->id);
}

static void peer_free(void *job)
{
        struct endpoint_peer *peer = job;

        free(peer->value);
        free(peer);
}

static void cleanup_peer(struct endpoint_peer **peer)
{
        if (*peer)
                peer_free(*peer);
}

static struct aside_sort lookups = {
        .work_fn = look,
        .free_fn = peer_free,
        .max = LOOKUPS_MAX,
        .timeout_ms = TIMEOUT_MS,
};

void names_init(struct names *names, struct endpoint_declaration *declaration,
                names_changed_fn *changed_fn, void *userdata)
{
        *names = (struct names){
                .declaration = declaration,
                .changed_fn = changed_fn,
                .userdata = userdata,
        };
        for (size_t i = 0; i < MANIFEST_PEERS_MAX; i++)
                names->names[i].names = names;
}

static void found(void *job, void *userdata)
{
        struct name *name = userdata;
        struct names *names = name->names;
        struct endpoint_peer *peer = &names->declaration->peers[name - names->names];
        const struct endpoint_peer *answer = job;

        name->aside = NULL;
        names->n_looked_for--;
        if (!answer)
                name->not_before_ms = clock_now_ms() + PAUSE_MS;
        if (answer && answer->is_resolved) {
                peer->is_resolved = true;
                peer->id = answer->id;
        }
        names->changed_fn(names->userdata);
}

static int look_for(struct name *name, const struct endpoint_peer *peer, sd_event *event)
{
        _cleanup_(cleanup_peer) struct endpoint_peer *copy = calloc(1, sizeof(*copy));
        int r;

        if (!copy)
                return -ENOMEM;
        *copy = (struct endpoint_peer){ .kind = peer->kind, .value = strdup(peer->value) };
        if (!copy->value)
                return -ENOMEM;
        r = aside_start(&lookups, event, copy, found, name, &name->aside);
        if (r < 0)
                return r;
        (void)take_ptr(copy);
        name->names->n_looked_for++;
        return 0;
}

int names_look(struct names *names, sd_event *event)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < names->declaration->n_peers; i++) {
                const struct endpoint_peer *peer = &names->declaration->peers[i];
                struct name *name = &names->names[i];

                if (peer_is_unknown(peer) && !name->aside && clock_now_ms() >= name->not_before_ms)
                        r = look_for(name, peer, event);
        }
        return r;
}

void names_forget(struct names *names)
{
        for (size_t i = 0; i < MANIFEST_PEERS_MAX; i++) {
                aside_cancel(take_ptr(names->names[i].aside));
                names->names[i].not_before_ms = 0;
        }
        names->n_looked_for = 0;
}
