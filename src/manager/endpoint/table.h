/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All named endpoints of the instance. They belong to netextd: a name is there from the
 * activation of its extension until its deactivation, whatever the extension's process does.
 * endpoint.c has one of them, declaration.c what the manifest says of it, admission.c who may
 * connect, waiting.c who waits for the extension's process, activation.c the command for an app
 * that is not there.
 */

#include <systemd/sd-event.h>

#include "base/list.h"
#include "manager/endpoint/declaration.h"
#include "manager/priv/caller.h"

/* What endpoints ask about the extensions that they belong to. */
struct endpoint_host {
        /*
         * Hands a connection to the process of the extension. fd stays the caller's. 0, and
         * endpoint_table_taken() follows; -EAGAIN: it is not ready yet, and endpoint_table_ready()
         * or endpoint_table_failed() follows; -EHOSTDOWN: it failed, and *ret_why (caller owns)
         * says why.
         */
        int (*hand_over)(const char *extension, const char *endpoint, const struct caller *caller,
                         int fd, char **ret_why, void *userdata);
        /* The team of the extension whose process has that uid, or NULL. */
        const char *(*team_of)(uid_t uid, void *userdata);
};

struct endpoint_table {
        sd_event *event;
        const char *folder; /* borrowed, as is the host */
        const struct endpoint_host *host;
        void *userdata;
        struct list endpoints; /* endpoint.link */
        unsigned int n_waiting;
};

/* What `extension list` shows of an endpoint. */
struct endpoint_view {
        const char *name;       /* "status" */
        const char *full_name;  /* "EXAMPLE.org.example.hello.status" */
        uint64_t n_connections; /* that were handed to the extension */
        uint64_t n_refused;     /* not listed, or the extension failed, or too many */
        unsigned int n_waiting; /* for the extension's process, now */
        uint64_t n_activations; /* how often the command was run */
};
typedef void endpoint_view_fn(const struct endpoint_view *view, void *userdata);

/* Borrows everything. */
void endpoint_table_init(struct endpoint_table *table, sd_event *event, const char *folder,
                         const struct endpoint_host *host, void *userdata);
/* Makes the folder. 0 or negative errno. */
int endpoint_table_open(struct endpoint_table *table);
/* Ends all; sockets stay in their folder for the next netextd. */
void endpoint_table_deinit(struct endpoint_table *table);

/*
 * The extension is activated, and these are its endpoints; others that it had end. One that
 * stays as it is goes on listening. 0, or negative errno with a sentence, and those that could
 * be opened are.
 */
int endpoint_table_declare(struct endpoint_table *table, const char *extension, const char *team,
                           const struct manifest_endpoint *declarations, size_t n_declarations,
                           char **ret_problem);
/* It is not activated any more: its names go, and who waits is told. */
void endpoint_table_withdraw(struct endpoint_table *table, const char *extension);
bool endpoint_table_has(const struct endpoint_table *table, const char *extension);
/* Removes sockets that an earlier netextd left, but those that were declared again, or will be. */
void endpoint_table_sweep(struct endpoint_table *table,
                          bool (*will_be)(const char *full_name, void *userdata), void *userdata);

/* A process that is new to it serves: who waits is handed over. */
void endpoint_table_ready(struct endpoint_table *table, const char *extension);
/* It failed: who waits is told why. */
void endpoint_table_failed(struct endpoint_table *table, const char *extension, const char *why);
/* NX_MSG_MANAGER_ENDPOINT_TAKEN: it has one of those that were handed over. */
void endpoint_table_taken(struct endpoint_table *table, const char *extension,
                          const char *endpoint);
/* NX_MSG_MANAGER_ENDPOINT_WANTS_PEER. -EPROTO: it has no endpoint of that name. */
int endpoint_table_wants_peer(struct endpoint_table *table, const char *extension,
                              const char *endpoint);

void endpoint_table_view(const struct endpoint_table *table, const char *extension,
                         endpoint_view_fn *fn, void *userdata);
