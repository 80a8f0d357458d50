/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* For the files of this folder: one endpoint. */

#include "manager/endpoint/activation.h"
#include "manager/endpoint/names.h"
#include "manager/endpoint/table.h"

struct endpoint {
        struct list link; /* endpoint_table.endpoints */
        struct endpoint_table *table;
        char *extension; /* its identifier */
        char *full_name;
        struct endpoint_declaration declaration;
        int listen_fd;
        sd_event_source *source;
        struct list waiting;    /* waiting.link, in the order in which they came */
        struct list unjudged;   /* waiting.link: until users and groups were looked for */
        unsigned int n_waiting; /* in both */
        struct names names;     /* of the declaration's users and groups */
        bool wants_peer;        /* it is to run its activation command, when that is over */
        struct activation activation;
        sd_event_source *pause;   /* until accept(2) is tried again */
        unsigned int n_in_flight; /* handed over, and the process has not said that it has them */
        uint64_t n_connections, n_refused;
        uint64_t looked_ms; /* when users and groups were looked for last */
        uint64_t logged_ms;
        unsigned int n_not_logged;
};

/* Listens in the table's folder. 0 or negative errno with a sentence. */
int endpoint_open(struct endpoint_table *table, const char *extension, const char *team,
                  const struct manifest_endpoint *declaration, char **ret_problem);
/* NULL in, NULL out. Who waits hears nothing. */
struct endpoint *endpoint_free(struct endpoint *endpoint);
/* It has another list of peers from here on. */
int endpoint_redeclare(struct endpoint *endpoint, const struct manifest_endpoint *declaration);
/* Takes the name away. */
void endpoint_withdraw(struct endpoint *endpoint);
/* Events wait, and nobody is there: its command is run. */
void endpoint_activate(struct endpoint *endpoint);
/* Hands those that wait to the extension, as far as it takes them. */
void endpoint_hand_over_waiting(struct endpoint *endpoint);

/* Tells the other end why, and counts it. fd stays the caller's. */
void endpoint_refuse(struct endpoint *endpoint, int fd, int error, const char *format, ...)
        _printf_(4, 5);
