/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One name: its socket, and the way of a connection from accept(2) to the extension's process.
 *
 *      accepted → who is it? → listed? → the process takes it, or it waits for one
 *                              │ └ no: told so          └ failed: told why
 *                              └ not known yet: it waits until users and groups were looked for
 *
 * Not one byte of it is read here. A socket appears under its name by rename(2), ready to be
 * connected to: the name is never gone for a moment, also not while a restarted netextd takes
 * over.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "manager/endpoint/admission.h"
#include "manager/endpoint/endpoint.h"
#include "manager/endpoint/waiting.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/socket-folder.h"
#include "wire/frame.h"

#define ACCEPTS_PER_ROUND 16
#define ACCEPT_PAUSE_MS   100 /* no descriptor is left: no endless round */
#define IN_FLIGHT_MAX     8
#define LOG_INTERVAL_MS   1000
#define LOOK_INTERVAL_MS  10000

DEFINE_CLEANUP(struct endpoint *, endpoint, endpoint_free)

void endpoint_refuse(struct endpoint *endpoint, int fd, int error, const char *format, ...)
{
        struct frame frame = { .type = FRAME_REFUSED, .value = error };
        char why[1024];
        va_list args;

        va_start(args, format);
        vsnprintf(why, sizeof(why), format, args);
        va_end(args);
        frame.payload = why;
        frame.size = strlen(why);
        (void)frame_send(fd, &frame);
        endpoint->n_refused++;
}

/* Who may not connect can try as often as it likes: one line a second is enough of it. */
static void log_refusal(struct endpoint *endpoint, const char *who)
{
        uint64_t now_ms = clock_now_ms();

        if (now_ms - endpoint->logged_ms < LOG_INTERVAL_MS) {
                endpoint->n_not_logged++;
                return;
        }
        if (endpoint->n_not_logged > 0)
                log_warning("endpoint %s: %u more were refused", endpoint->full_name,
                            endpoint->n_not_logged);
        endpoint->n_not_logged = 0;
        endpoint->logged_ms = now_ms;
        log_warning("endpoint %s: %s was refused: it is none of its peers", endpoint->full_name,
                    who);
}

static void refuse_unlisted(struct endpoint *endpoint, int fd, const struct caller *caller)
{
        _cleanup_free_ char *peers = declaration_describe_peers(&endpoint->declaration);
        _cleanup_free_ char *who = admission_describe(caller);

        endpoint_refuse(endpoint, fd, -EACCES, "The endpoint %s is for %s, and not for %s",
                        endpoint->full_name, peers ?: "others", who ?: "this program");
        log_refusal(endpoint, who ?: "a program");
}

static bool is_listed(const struct endpoint *endpoint, const struct caller *caller)
{
        struct endpoint_table *table = endpoint->table;
        const char *team = table->host->team_of(caller->uid, table->userdata);

        return admission_allows(&endpoint->declaration, caller, team);
}

/*
 * 0; -EAGAIN: it has to wait; or it was refused. A process gets as many as it can take: others
 * would pile up in its control channel, which carries more than endpoints.
 */
static int hand_over(struct endpoint *endpoint, const struct caller *caller, int fd)
{
        struct endpoint_table *table = endpoint->table;
        _cleanup_free_ char *why = NULL;
        int r;

        if (endpoint->n_in_flight >= IN_FLIGHT_MAX)
                return -EAGAIN;
        r = table->host->hand_over(endpoint->extension, endpoint->declaration.name, caller, fd,
                                   &why, table->userdata);
        if (r >= 0) {
                endpoint->n_connections++;
                endpoint->n_in_flight++;
                activation_met(&endpoint->activation);
        } else if (r == -EHOSTDOWN) {
                endpoint_refuse(endpoint, fd, r, "The extension %s does not run: %s",
                                endpoint->extension, why ?: "it failed");
        } else if (r != -EAGAIN) {
                endpoint_refuse(endpoint, fd, r,
                                "Handing the connection to the extension %s failed: %s",
                                endpoint->extension, strerror(-r));
        }
        return r;
}

void endpoint_hand_over_waiting(struct endpoint *endpoint)
{
        struct waiting *waiting;

        while ((waiting = list_first(&endpoint->waiting, struct waiting, link))) {
                if (hand_over(endpoint, &waiting->caller, waiting->fd) == -EAGAIN)
                        return;
                waiting_free(waiting);
        }
}

/* It stays where it is while it may still turn out to be listed. */
static void judge(struct waiting *waiting)
{
        struct endpoint *endpoint = waiting->endpoint;

        if (is_listed(endpoint, &waiting->caller)) {
                waiting_move(waiting, &endpoint->waiting);
        } else if (endpoint->names.n_looked_for == 0) {
                refuse_unlisted(endpoint, waiting->fd, &waiting->caller);
                waiting_free(waiting);
        }
}

static void judge_all(struct endpoint *endpoint)
{
        struct waiting *waiting, *following;

        list_for_each_safe (waiting, following, &endpoint->unjudged, link)
                judge(waiting);
        endpoint_hand_over_waiting(endpoint);
}

static void names_are_changed(void *userdata)
{
        struct endpoint *endpoint = userdata;

        judge_all(endpoint);
        if (endpoint->wants_peer)
                endpoint_activate(endpoint);
}

static void look_for_names(struct endpoint *endpoint)
{
        int r = names_look(&endpoint->names, endpoint->table->event);

        endpoint->looked_ms = clock_now_ms();
        if (r < 0)
                log_warning("endpoint %s: some users and groups are not looked for now: %s",
                            endpoint->full_name, strerror(-r));
}

void endpoint_activate(struct endpoint *endpoint)
{
        endpoint->wants_peer = endpoint->names.n_looked_for > 0;
        if (!endpoint->wants_peer)
                activation_run(&endpoint->activation, &endpoint->declaration, endpoint->full_name);
}

/* Users that came after the activation are looked for now and then. */
static bool may_be_listed(struct endpoint *endpoint)
{
        if (clock_now_ms() - endpoint->looked_ms >= LOOK_INTERVAL_MS)
                look_for_names(endpoint);
        return endpoint->names.n_looked_for > 0;
}

static void admit(struct endpoint *endpoint, int fd)
{
        _cleanup_(caller_deinit) struct caller caller = {};
        _cleanup_fd_ int owned_fd = fd;
        int r;

        r = caller_identify(fd, &caller);
        if (r < 0) {
                endpoint_refuse(endpoint, fd, r, "netextd cannot find out who connects: %s",
                                strerror(-r));
                return;
        }
        if (!is_listed(endpoint, &caller)) {
                if (may_be_listed(endpoint))
                        (void)waiting_add(endpoint, &endpoint->unjudged, &caller,
                                          take_fd(&owned_fd));
                else
                        refuse_unlisted(endpoint, fd, &caller);
                return;
        }
        /* In their order: nobody overtakes those that wait. */
        r = list_is_empty(&endpoint->waiting) ? hand_over(endpoint, &caller, fd) : -EAGAIN;
        if (r == -EAGAIN)
                (void)waiting_add(endpoint, &endpoint->waiting, &caller, take_fd(&owned_fd));
}

static int accept_again(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct endpoint *endpoint = userdata;

        timer_stop(&endpoint->pause);
        (void)sd_event_source_set_enabled(endpoint->source, SD_EVENT_ON);
        return 0;
}

static void pause_accepting(struct endpoint *endpoint)
{
        log_error("endpoint %s: cannot accept a connection: %s", endpoint->full_name,
                  strerror(errno));
        if (timer_start(endpoint->table->event, &endpoint->pause, ACCEPT_PAUSE_MS, accept_again,
                        endpoint) >= 0)
                (void)sd_event_source_set_enabled(endpoint->source, SD_EVENT_OFF);
}

static int endpoint_dispatch(sd_event_source *source, int listen_fd, uint32_t events,
                             void *userdata)
{
        struct endpoint *endpoint = userdata;

        for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd >= 0)
                        admit(endpoint, fd);
                else if (errno == EAGAIN)
                        break;
                else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
                         errno == ENOBUFS) {
                        pause_accepting(endpoint);
                        break;
                }
        }
        return 0;
}

struct endpoint *endpoint_free(struct endpoint *endpoint)
{
        struct waiting *waiting;

        if (!endpoint)
                return NULL;
        while ((waiting = list_first(&endpoint->waiting, struct waiting, link)))
                waiting_free(waiting);
        while ((waiting = list_first(&endpoint->unjudged, struct waiting, link)))
                waiting_free(waiting);
        names_forget(&endpoint->names);
        activation_deinit(&endpoint->activation);
        list_remove(&endpoint->link);
        sd_event_source_disable_unref(endpoint->source);
        timer_stop(&endpoint->pause);
        close_fd(endpoint->listen_fd);
        declaration_deinit(&endpoint->declaration);
        free(endpoint->extension);
        free(endpoint->full_name);
        free(endpoint);
        return NULL;
}

void endpoint_withdraw(struct endpoint *endpoint)
{
        char why[256];

        snprintf(why, sizeof(why), "The extension %s was deactivated", endpoint->extension);
        waiting_refuse_all(endpoint, &endpoint->waiting, -ENOENT, why);
        waiting_refuse_all(endpoint, &endpoint->unjudged, -ENOENT, why);
        socket_folder_remove(endpoint->table->folder, endpoint->full_name);
        endpoint_free(endpoint);
}

int endpoint_redeclare(struct endpoint *endpoint, const struct manifest_endpoint *declaration)
{
        struct endpoint_declaration copy;
        int r;

        if (declaration_is_of(&endpoint->declaration, declaration))
                return 0;
        r = declaration_make(&copy, declaration);
        if (r < 0)
                return r;
        activation_forget(&endpoint->activation);
        names_forget(&endpoint->names);
        declaration_deinit(&endpoint->declaration);
        endpoint->declaration = copy;
        look_for_names(endpoint);
        judge_all(endpoint);
        return 0;
}

static int endpoint_listen(struct endpoint *endpoint)
{
        struct endpoint_table *table = endpoint->table;
        int r;

        endpoint->listen_fd = socket_folder_listen(table->folder, endpoint->full_name);
        if (endpoint->listen_fd < 0)
                return endpoint->listen_fd;
        r = sd_event_add_io(table->event, &endpoint->source, endpoint->listen_fd, EPOLLIN,
                            endpoint_dispatch, endpoint);
        if (r < 0)
                socket_folder_remove(table->folder, endpoint->full_name);
        return r;
}

static int endpoint_new(struct endpoint **ret, struct endpoint_table *table, const char *extension,
                        const char *team, const struct manifest_endpoint *declaration)
{
        _cleanup_(cleanup_endpoint) struct endpoint *endpoint = calloc(1, sizeof(*endpoint));
        int r;

        if (!endpoint)
                return -ENOMEM;
        list_init(&endpoint->link);
        list_init(&endpoint->waiting);
        list_init(&endpoint->unjudged);
        endpoint->table = table;
        endpoint->listen_fd = -1;
        names_init(&endpoint->names, &endpoint->declaration, names_are_changed, endpoint);
        activation_init(&endpoint->activation, table->event);
        endpoint->extension = strdup(extension);
        if (asprintf(&endpoint->full_name, "%s.%s.%s", team, extension, declaration->name) < 0)
                endpoint->full_name = NULL;
        if (!endpoint->extension || !endpoint->full_name)
                return -ENOMEM;
        r = declaration_make(&endpoint->declaration, declaration);
        if (r < 0)
                return r;
        *ret = take_ptr(endpoint);
        return 0;
}

int endpoint_open(struct endpoint_table *table, const char *extension, const char *team,
                  const struct manifest_endpoint *declaration, char **ret_problem)
{
        _cleanup_(cleanup_endpoint) struct endpoint *endpoint = NULL;
        int r;

        r = endpoint_new(&endpoint, table, extension, team, declaration);
        if (r >= 0)
                r = endpoint_listen(endpoint);
        if (r < 0)
                return text_problem(ret_problem, r, "The endpoint %s of %s cannot be opened: %s",
                                    declaration->name, extension, strerror(-r));
        look_for_names(endpoint);
        list_append(&table->endpoints, &endpoint->link);
        (void)take_ptr(endpoint);
        return 0;
}
