/* SPDX-License-Identifier: Apache-2.0 */

/* Which endpoints there are follows what is activated; see table.h. */

#include <errno.h>
#include <string.h>

#include "manager/endpoint/endpoint.h"
#include "manager/endpoint/waiting.h"
#include "manager/priv/socket-folder.h"

void endpoint_table_init(struct endpoint_table *table, sd_event *event, const char *folder,
                         const struct endpoint_host *host, void *userdata)
{
        *table = (struct endpoint_table){
                .event = event,
                .folder = folder,
                .host = host,
                .userdata = userdata,
        };
        list_init(&table->endpoints);
}

int endpoint_table_open(struct endpoint_table *table)
{
        return socket_folder_make(table->folder);
}

void endpoint_table_deinit(struct endpoint_table *table)
{
        struct endpoint *endpoint;

        while (table->endpoints.next &&
               (endpoint = list_first(&table->endpoints, struct endpoint, link)))
                endpoint_free(endpoint);
}

static struct endpoint *find(struct endpoint_table *table, const char *extension, const char *name)
{
        struct endpoint *endpoint;

        list_for_each (endpoint, &table->endpoints, link)
                if (strcmp(endpoint->extension, extension) == 0 &&
                    strcmp(endpoint->declaration.name, name) == 0)
                        return endpoint;
        return NULL;
}

static bool is_declared(const char *name, const struct manifest_endpoint *declarations, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(declarations[i].name, name) == 0)
                        return true;
        return false;
}

int endpoint_table_declare(struct endpoint_table *table, const char *extension, const char *team,
                           const struct manifest_endpoint *declarations, size_t n_declarations,
                           char **ret_problem)
{
        struct endpoint *endpoint, *following;
        int result = 0;

        list_for_each_safe (endpoint, following, &table->endpoints, link)
                if (strcmp(endpoint->extension, extension) == 0 &&
                    !is_declared(endpoint->declaration.name, declarations, n_declarations))
                        endpoint_withdraw(endpoint);
        for (size_t i = 0; i < n_declarations; i++) {
                int r;

                endpoint = find(table, extension, declarations[i].name);
                r = endpoint ? endpoint_redeclare(endpoint, &declarations[i])
                             : endpoint_open(table, extension, team, &declarations[i], ret_problem);
                if (r < 0)
                        result = r;
        }
        return result;
}

void endpoint_table_withdraw(struct endpoint_table *table, const char *extension)
{
        (void)endpoint_table_declare(table, extension, "", NULL, 0, NULL);
}

bool endpoint_table_has(const struct endpoint_table *table, const char *extension)
{
        const struct endpoint *endpoint;

        list_for_each (endpoint, &table->endpoints, link)
                if (strcmp(endpoint->extension, extension) == 0)
                        return true;
        return false;
}

struct broom {
        struct endpoint_table *table;
        bool (*will_be)(const char *full_name, void *userdata);
        void *userdata;
};

static bool is_wanted(const char *name, void *userdata)
{
        const struct broom *broom = userdata;
        const struct endpoint *endpoint;

        list_for_each (endpoint, &broom->table->endpoints, link)
                if (strcmp(endpoint->full_name, name) == 0)
                        return true;
        return broom->will_be && broom->will_be(name, broom->userdata);
}

void endpoint_table_sweep(struct endpoint_table *table,
                          bool (*will_be)(const char *full_name, void *userdata), void *userdata)
{
        struct broom broom = { .table = table, .will_be = will_be, .userdata = userdata };

        socket_folder_sweep(table->folder, is_wanted, &broom);
}

void endpoint_table_ready(struct endpoint_table *table, const char *extension)
{
        struct endpoint *endpoint;

        list_for_each (endpoint, &table->endpoints, link) {
                if (strcmp(endpoint->extension, extension) != 0)
                        continue;
                endpoint->n_in_flight = 0;
                endpoint_hand_over_waiting(endpoint);
        }
}

void endpoint_table_taken(struct endpoint_table *table, const char *extension, const char *name)
{
        struct endpoint *endpoint = find(table, extension, name);

        if (!endpoint || endpoint->n_in_flight == 0)
                return;
        endpoint->n_in_flight--;
        endpoint_hand_over_waiting(endpoint);
}

void endpoint_table_failed(struct endpoint_table *table, const char *extension, const char *why)
{
        struct endpoint *endpoint;

        list_for_each (endpoint, &table->endpoints, link) {
                char text[512];

                if (strcmp(endpoint->extension, extension) != 0)
                        continue;
                snprintf(text, sizeof(text), "The extension %s does not run: %s", extension, why);
                waiting_refuse_all(endpoint, &endpoint->waiting, -EHOSTDOWN, text);
        }
}

int endpoint_table_wants_peer(struct endpoint_table *table, const char *extension, const char *name)
{
        struct endpoint *endpoint = find(table, extension, name);

        if (!endpoint)
                return -EPROTO;
        endpoint_activate(endpoint);
        return 0;
}

void endpoint_table_view(const struct endpoint_table *table, const char *extension,
                         endpoint_view_fn *fn, void *userdata)
{
        const struct endpoint *endpoint;

        list_for_each (endpoint, &table->endpoints, link) {
                struct endpoint_view view = {
                        .name = endpoint->declaration.name,
                        .full_name = endpoint->full_name,
                        .n_connections = endpoint->n_connections,
                        .n_refused = endpoint->n_refused,
                        .n_waiting = endpoint->n_waiting,
                        .n_activations = endpoint->activation.n_runs,
                };

                if (strcmp(endpoint->extension, extension) == 0)
                        fn(&view, userdata);
        }
}
