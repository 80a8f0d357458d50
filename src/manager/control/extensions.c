/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What is asked of the store. Activating and deactivating is answered at once, with the number of
 * a request; see requests.c.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "manager/control/explain.h"
#include "manager/control/extensions.h"
#include "manager/control/grants.h"
#include "manager/control/record.h"
#include "manager/control/requests.h"
#include "manager/extension/extension.h"
#include "manager/loop/text.h"
#include "manager/policy/folder.h"
#include "manager/store/life.h"

static int read_replace(const char *word, enum request_replace *ret)
{
        static const char *const words[_REPLACE_MAX] = {
                [REPLACE_ASK] = "ask",
                [REPLACE_YES] = "yes",
                [REPLACE_NO] = "no",
                [REPLACE_NEWER] = "newer",
        };

        for (enum request_replace replace = 0; replace < _REPLACE_MAX; replace++)
                if (strcmp(words[replace], word) == 0) {
                        *ret = replace;
                        return 0;
                }
        return -EINVAL;
}

static int answer_number(sd_bus_message *message, uint64_t number)
{
        return sd_bus_reply_method_return(message, "t", number);
}

/* The caller hears of its request, unless it follows too many. */
static int answer_request(struct client *client, sd_bus_message *message, uint64_t number)
{
        const struct request *request = request_log_find(&client->control->store->requests, number);

        if (request && !request_is_ended(request))
                (void)request_follow(client, number);
        return answer_number(message, number);
}

int extensions_activate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        struct control *control = client->control;
        _cleanup_free_ char *problem = NULL;
        _cleanup_fd_ int fd = -1;
        enum request_replace replace;
        const char *source, *word;
        uint64_t number;
        int borrowed_fd, r;

        r = sd_bus_message_read(message, "hss", &borrowed_fd, &source, &word);
        if (r < 0)
                return r;
        if (control->ending)
                return control_refuse(message, -ESHUTDOWN, "this instance is ending");
        if (read_replace(word, &replace) < 0)
                return control_refuse(message, -EINVAL, "\"%s\": expected ask, yes, no or newer",
                                      word);
        fd = fcntl(borrowed_fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
                return control_refuse(message, -errno, "the bundle's descriptor cannot be kept: %s",
                                      strerror(errno));
        r = store_activate(control->store, fd, source, replace, &number, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        (void)take_fd(&fd);
        return answer_request(client, message, number);
}

int extensions_deactivate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_free_ char *problem = NULL;
        const char *word;
        uint64_t number;
        int r;

        r = sd_bus_message_read(message, "s", &word);
        if (r < 0)
                return r;
        r = store_deactivate(client->control->store, word, &number, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        return answer_request(client, message, number);
}

bool extensions_deactivation_needs_authority(sd_bus_message *message, struct client *client)
{
        const char *word;

        return sd_bus_message_read(message, "s", &word) < 0 ||
               store_permit_removal(client->control->store, word, POLICY_USER) == -EACCES;
}

/* A request that is denied is one all the same, and has its outcome at once. */
static int deny_request(sd_bus_message *message, struct client *client, enum request_kind kind,
                        const char *word, const char *why)
{
        uint64_t number;
        int r;

        r = store_deny(client->control->store, kind, word, why, &number);
        return r < 0 ? control_refuse(message, -EACCES, "%s", why) : answer_number(message, number);
}

int extensions_deny_activation(sd_bus_message *message, struct client *client, const char *why)
{
        const char *source;
        int r;

        r = sd_bus_message_skip(message, "h");
        if (r >= 0)
                r = sd_bus_message_read(message, "s", &source);
        return r < 0 ? r : deny_request(message, client, REQUEST_ACTIVATE, source, why);
}

int extensions_deny_deactivation(sd_bus_message *message, struct client *client, const char *why)
{
        const char *word;
        int r;

        r = sd_bus_message_read(message, "s", &word);
        return r < 0 ? r : deny_request(message, client, REQUEST_DEACTIVATE, word, why);
}

/* --- listing ------------------------------------------------------------------------------ */

static int append_manifest(sd_bus_message *reply, const struct copy *copy)
{
        const struct manifest *manifest = &copy->bundle.manifest;
        int r;

        r = record_put_string(reply, "category", manifest_category_name(manifest->category));
        if (r >= 0)
                r = record_put_string(reply, "scope", manifest_scope_name(manifest->scope));
        if (r >= 0)
                r = record_put_string(reply, "team", manifest->team);
        if (r >= 0)
                r = record_put_string(reply, "identifier", manifest->identifier);
        if (r >= 0)
                r = record_put_string(reply, "version", manifest->version);
        if (r >= 0)
                r = record_put_string(reply, "short_version", manifest->short_version);
        if (r >= 0)
                r = record_put_string(reply, "name", manifest->name);
        if (r >= 0)
                r = record_put_string(reply, "vendor", manifest->vendor);
        if (r >= 0)
                r = record_put_string(reply, "usage_description", manifest->usage_description);
        return r;
}

static int append_signer(sd_bus_message *reply, const struct copy *copy)
{
        int r;

        r = record_put_string(reply, "digest", copy->bundle.digest);
        if (r >= 0)
                r = record_put_string(reply, "signer", copy->bundle.signer.name);
        if (r >= 0)
                r = record_put_string(reply, "root", copy->bundle.signer.root);
        if (r >= 0)
                r = record_put_bool(reply, "developer", copy->developer);
        if (r >= 0)
                r = record_put_uint64(reply, "request", copy->request);
        return r < 0 ? r : record_put_uint64(reply, "staged_ns", copy->staged_ns);
}

static int append_state(sd_bus_message *reply, const struct life *life, const struct copy *copy)
{
        const struct manifest *manifest = &copy->bundle.manifest;
        int r;

        r = record_put_string(reply, "state", copy_state_to_string(copy->state));
        if (r >= 0)
                r = record_put_bool(
                        reply, "managed",
                        policy_mentions(life->store->policy, manifest->team, manifest->identifier));
        if (r >= 0)
                r = record_put_bool(reply, "awaiting_approval",
                                    copy->state == COPY_WAITING_FOR_USER);
        if (r >= 0)
                r = record_put_bool(reply, "uninstalling",
                                    copy->state == COPY_UNINSTALLING ||
                                            copy->state == COPY_TERMINATING_FOR_UNINSTALL);
        return r;
}

/* "Enabled" is what was decided; what its process does is another thing. */
static int append_process(sd_bus_message *reply, const struct copy *copy,
                          const struct extension *extension)
{
        uint64_t since = extension ? extension_get_running_since_ns(extension) : 0;
        pid_t pid = extension ? extension_get_pid(extension) : 0;
        bool enabled = copy->state == COPY_ENABLED;
        int r;

        r = record_put_bool(reply, "enabled", enabled);
        if (r >= 0)
                r = record_put_bool(reply, "active",
                                    enabled && extension && extension_is_ready(extension));
        if (r >= 0 && extension)
                r = record_put_string(reply, "process",
                                      extension_state_to_string(extension_get_state(extension)));
        if (r >= 0 && pid)
                r = record_put_uint64(reply, "pid", (uint64_t)pid);
        if (r >= 0 && since)
                r = record_put_uint64(reply, "running_since_ns", since);
        if (r >= 0 && extension)
                r = record_put_uint64(reply, "restarts", extension_get_restarts(extension));
        if (r >= 0 && extension)
                r = record_put_string(reply, "last_exit", extension_get_last_exit(extension));
        if (r >= 0 && extension)
                r = record_put_uint64(reply, "leaving", extension_count_leaving(extension));
        return r;
}

static bool is_made_of(const struct extension *extension, const struct copy *copy)
{
        return extension_get_state(extension) != EXTENSION_STOPPING &&
               strcmp(extension_get_spec(extension)->digest, copy->bundle.digest) == 0;
}

static void add_pid(char **pids, pid_t pid)
{
        char text[16];

        if (!pid)
                return;
        snprintf(text, sizeof(text), "%d", pid);
        text_add_word(pids, text);
}

/* Where each session has a process of its own, they are added up here. */
static int append_processes(sd_bus_message *reply, const struct control *control,
                            const struct copy *copy)
{
        struct extension_table *table = control->sessions->extensions;
        const char *identifier = copy->bundle.manifest.identifier;
        bool enabled = copy->state == COPY_ENABLED, active = enabled;
        uint64_t n_restarts = 0, n_leaving = 0;
        struct extension *extension = NULL;
        _cleanup_free_ char *pids = NULL;
        int r;

        while ((extension = extension_table_next(table, identifier, extension))) {
                if (!is_made_of(extension, copy))
                        continue;
                active &= extension_is_ready(extension);
                n_restarts += extension_get_restarts(extension);
                n_leaving += extension_count_leaving(extension);
                add_pid(&pids, extension_get_pid(extension));
        }
        r = record_put_bool(reply, "enabled", enabled);
        if (r >= 0)
                r = record_put_bool(reply, "active", active);
        if (r >= 0)
                r = record_put_string(reply, "pids", pids);
        if (r >= 0)
                r = record_put_uint64(reply, "restarts", n_restarts);
        return r < 0 ? r : record_put_uint64(reply, "leaving", n_leaving);
}

static int append_message(sd_bus_message *reply, const struct copy *copy,
                          const struct extension *extension)
{
        const char *message = copy->problem;

        if (!message && extension && !extension_is_ready(extension))
                message = extension_get_message(extension);
        return record_put_string(reply, "message", message ?: copy->last_failure);
}

static int append_endpoints(sd_bus_message *reply, const struct copy *copy)
{
        const struct manifest *manifest = &copy->bundle.manifest;
        _cleanup_free_ char *names = NULL;

        for (size_t i = 0; i < manifest->n_endpoints; i++)
                text_add_word(&names, manifest->endpoints[i].name);
        return record_put_string(reply, "endpoints", names);
}

static void add_up(const struct endpoint_view *view, void *userdata)
{
        struct endpoint_view *sum = userdata;

        sum->n_connections += view->n_connections;
        sum->n_refused += view->n_refused;
        sum->n_waiting += view->n_waiting;
        sum->n_activations += view->n_activations;
}

/* Of the copy whose names they are. */
static int append_connections(sd_bus_message *reply, const struct control *control,
                              const struct copy *copy)
{
        struct endpoint_view sum = {};
        int r;

        if (copy->bundle.manifest.n_endpoints == 0)
                return 0;
        endpoint_table_view(control->endpoints, copy->bundle.manifest.identifier, add_up, &sum);
        r = record_put_uint64(reply, "endpoint_connections", sum.n_connections);
        if (r >= 0)
                r = record_put_uint64(reply, "endpoint_refusals", sum.n_refused);
        if (r >= 0)
                r = record_put_uint64(reply, "endpoint_waiting", sum.n_waiting);
        if (r >= 0)
                r = record_put_uint64(reply, "endpoint_activations", sum.n_activations);
        return r;
}

const struct extension *extensions_find_process(const struct control *control,
                                                const struct copy *copy)
{
        struct extension_table *table = control->sessions->extensions;
        const char *identifier = copy->bundle.manifest.identifier;
        struct extension *extension = NULL;

        while ((extension = extension_table_next(table, identifier, extension)))
                if (is_made_of(extension, copy))
                        return extension;
        return NULL;
}

static int append_copy(sd_bus_message *reply, struct control *control, const struct life *life,
                       const struct copy *copy)
{
        _cleanup_free_ char *folder = NULL, *path = NULL;
        const struct extension *extension;
        bool is_per_session;
        int r;

        if (!copy)
                return 0;
        is_per_session = copy->bundle.manifest.scope == MANIFEST_SCOPE_SESSION;
        extension = is_per_session ? NULL : extensions_find_process(control, copy);
        folder = copy_get_folder(copy);
        text_set(&path, "%s/%s", life->store->folder, folder);
        r = record_begin(reply);
        if (r >= 0)
                r = is_per_session ? append_processes(reply, control, copy)
                                   : append_process(reply, copy, extension);
        if (r >= 0)
                r = append_state(reply, life, copy);
        if (r >= 0)
                r = append_manifest(reply, copy);
        if (r >= 0)
                r = append_endpoints(reply, copy);
        if (r >= 0 && extension)
                r = append_connections(reply, control, copy);
        if (r >= 0)
                r = append_signer(reply, copy);
        if (r >= 0)
                r = grants_append(reply, life->store, copy);
        if (r >= 0)
                r = record_put_string(reply, "path", path);
        if (r >= 0)
                r = append_message(reply, copy, extension);
        return r < 0 ? r : record_end(reply);
}

static int append_life(sd_bus_message *reply, struct control *control, const struct life *life)
{
        const struct copy *copy;
        int r;

        r = append_copy(reply, control, life, life->active);
        if (r >= 0)
                r = append_copy(reply, control, life, life->coming);
        if (r >= 0)
                r = append_copy(reply, control, life, life->next);
        list_for_each (copy, &life->leaving, link)
                if (r >= 0)
                        r = append_copy(reply, control, life, copy);
        return r;
}

int extensions_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        struct store *store = client->control->store;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const struct life *life;
        const char *word;
        int r;

        r = sd_bus_message_read(message, "s", &word);
        if (r >= 0)
                r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        list_for_each (life, &store->lives, link) {
                if (*word && store_find(store, word) != life)
                        continue;
                r = append_life(reply, client->control, life);
                if (r < 0)
                        return r;
        }
        return record_list_send(reply);
}

int extensions_explain(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *word;
        int r;

        r = sd_bus_message_read(message, "s", &word);
        if (r >= 0)
                r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        r = explain_append(reply, client->control, word);
        if (r == -ENOENT)
                return control_refuse(
                        message, r,
                        "nothing is known of \"%s\"; see netextctl extension list and "
                        "netextctl extension request",
                        word);
        return r < 0 ? r : record_list_send(reply);
}

/* --- all of them -------------------------------------------------------------------------- */

static int change_all(sd_bus_message *message, void *userdata,
                      int (*fn)(struct store *store, unsigned int *ret_n, char **ret_problem))
{
        struct client *client = userdata;
        _cleanup_free_ char *problem = NULL;
        unsigned int n;
        int r;

        r = fn(client->control->store, &n, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        return answer_number(message, n);
}

int extensions_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return change_all(message, userdata, store_reset);
}

int extensions_collect(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        return change_all(message, userdata, store_collect);
}

int extensions_get_developer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;

        return answer_number(message, client->control->store->developer);
}

static int append_policy(sd_bus_message *reply, const struct policy *policy,
                         const struct policy_file *file, const char *warning)
{
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_string(reply, "file", file->name);
        if (r >= 0)
                r = record_put_bool(reply, "in_force", file->since_ns != 0);
        if (r >= 0 && file->since_ns)
                r = record_put_uint64(reply, "since_ns", file->since_ns);
        if (r >= 0)
                r = record_put_string(reply, "problem", file->problem);
        if (r >= 0)
                r = record_put_string(reply, "warning", warning);
        return r < 0 ? r : record_end(reply);
}

/* A record for each file, or for each warning of it. */
static int append_file(sd_bus_message *reply, const struct policy *policy,
                       const struct policy_file *file)
{
        _cleanup_free_ char *conflict = policy_file_contradicts(policy, file);
        int r = 0;

        for (size_t i = 0; r >= 0 && i < file->document.n_warnings; i++)
                r = append_policy(reply, policy, file, file->document.warnings[i]);
        if (r >= 0 && (conflict || file->document.n_warnings == 0))
                r = append_policy(reply, policy, file, conflict);
        return r;
}

int extensions_list_policies(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        const struct policy *policy = client->control->store->policy;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const struct policy_file *file;
        int r;

        r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        list_for_each (file, &policy->files, link) {
                r = append_file(reply, policy, file);
                if (r < 0)
                        return r;
        }
        return record_list_send(reply);
}
