/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A connection that waits costs us a descriptor, which is charged to its user: nobody can take
 * the places of others. What it sends meanwhile stays in its socket, unread.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/cleanup.h"
#include "manager/endpoint/waiting.h"

DEFINE_CLEANUP(struct waiting *, waiting, waiting_free)

struct waiting *waiting_free(struct waiting *waiting)
{
        if (!waiting)
                return NULL;
        if (!list_is_empty(&waiting->link)) {
                waiting->endpoint->n_waiting--;
                waiting->endpoint->table->n_waiting--;
        }
        list_remove(&waiting->link);
        sd_event_source_disable_unref(waiting->source);
        caller_deinit(&waiting->caller);
        close_fd(waiting->fd);
        free(waiting);
        return NULL;
}

static int waiting_left(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        waiting_free(userdata);
        return 0;
}

static unsigned int count_in(const struct list *list, uid_t uid)
{
        struct waiting *waiting;
        unsigned int n = 0;

        list_for_each (waiting, list, link)
                n += waiting->caller.uid == uid;
        return n;
}

static unsigned int count_of_user(const struct endpoint_table *table, uid_t uid)
{
        struct endpoint *endpoint;
        unsigned int n = 0;

        list_for_each (endpoint, &table->endpoints, link)
                n += count_in(&endpoint->waiting, uid) + count_in(&endpoint->unjudged, uid);
        return n;
}

static bool has_room(struct waiting *waiting)
{
        struct endpoint *endpoint = waiting->endpoint;
        struct endpoint_table *table = endpoint->table;

        if (count_of_user(table, waiting->caller.uid) >= WAITING_PER_USER_MAX)
                endpoint_refuse(endpoint, waiting->fd, -EDQUOT,
                                "The user %u has %d connections that wait for extensions, as many "
                                "as a user may have",
                                waiting->caller.uid, WAITING_PER_USER_MAX);
        else if (table->n_waiting >= WAITING_MAX)
                endpoint_refuse(endpoint, waiting->fd, -EDQUOT,
                                "%d connections wait for extensions, as many as netextd keeps",
                                WAITING_MAX);
        else
                return true;
        return false;
}

int waiting_add(struct endpoint *endpoint, struct list *list, struct caller *caller, int fd)
{
        _cleanup_(cleanup_waiting) struct waiting *waiting = calloc(1, sizeof(*waiting));
        int r;

        if (!waiting) {
                caller_deinit(caller);
                close_fd(fd);
                return -ENOMEM;
        }
        list_init(&waiting->link);
        waiting->endpoint = endpoint;
        waiting->caller = *caller;
        *caller = (struct caller){};
        waiting->fd = fd;
        if (!has_room(waiting))
                return -EDQUOT;
        r = sd_event_add_io(endpoint->table->event, &waiting->source, fd, EPOLLRDHUP, waiting_left,
                            waiting);
        if (r < 0)
                return r;
        list_append(list, &waiting->link);
        endpoint->n_waiting++;
        endpoint->table->n_waiting++;
        (void)take_ptr(waiting);
        return 0;
}

void waiting_move(struct waiting *waiting, struct list *list)
{
        list_remove(&waiting->link);
        list_append(list, &waiting->link);
}

void waiting_refuse_all(struct endpoint *endpoint, struct list *list, int error, const char *why)
{
        struct waiting *waiting;

        while ((waiting = list_first(list, struct waiting, link))) {
                endpoint_refuse(endpoint, waiting->fd, error, "%s", why);
                waiting_free(waiting);
        }
}
