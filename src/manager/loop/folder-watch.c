/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Where the folder is not there, the way is walked from the root down, and each part is watched before
 * the next one is looked for: whatever comes after that is an event.
 *
 * All watches are for the same events: those of one folder share what they get, and sd-event (252)
 * goes round for ever with an event that only a watch wanted which is gone.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/loop/folder-watch.h"
#include "manager/loop/timer.h"

#define RETRY_MS 1000

#define COME_EVENTS (IN_CREATE | IN_MOVED_TO)
#define GONE_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)
#define ALL_EVENTS                                                                                 \
        (COME_EVENTS | GONE_EVENTS | IN_DELETE | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_ATTRIB)

static int on_event(sd_event_source *source, const struct inotify_event *event, void *userdata);

/* The first `length` bytes of the path, instead of what is watched so far. */
static int watch_part(struct folder_watch *watch, size_t length)
{
        _cleanup_free_ char *part = strndup(watch->path, length);
        sd_event_source *source;
        int r;

        if (!part)
                return -ENOMEM;
        r = sd_event_add_inotify(watch->event, &source, part, ALL_EVENTS | IN_ONLYDIR, on_event,
                                 watch);
        if (r < 0)
                return r;
        sd_event_source_disable_unref(watch->source);
        watch->source = source;
        return 0;
}

static void watch_way(struct folder_watch *watch);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct folder_watch *watch = userdata;

        timer_stop(&watch->retry);
        watch_way(watch);
        return watch->is_there ? watch->fn(NULL, watch->userdata) : 0;
}

static void watch_way(struct folder_watch *watch)
{
        size_t length = 1;
        int r;

        watch->source = sd_event_source_disable_unref(watch->source);
        watch->is_there = watch_part(watch, strlen(watch->path)) >= 0;
        if (watch->is_there)
                return;
        r = watch_part(watch, length);
        for (const char *rest = watch->path + length; *rest; rest = watch->path + length) {
                length += strcspn(rest + 1, "/") + 1;
                r = watch_part(watch, length);
        }
        watch->is_there = r >= 0;
        if (!watch->source)
                (void)timer_start(watch->event, &watch->retry, RETRY_MS, on_retry, watch);
}

static int on_event(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
        struct folder_watch *watch = userdata;
        bool was_there = watch->is_there;

        if (was_there && !(event->mask & GONE_EVENTS))
                return watch->fn(event, watch->userdata);
        if (!was_there && !(event->mask & (COME_EVENTS | GONE_EVENTS | IN_Q_OVERFLOW)))
                return 0;
        watch_way(watch);
        return was_there || watch->is_there ? watch->fn(NULL, watch->userdata) : 0;
}

int folder_watch_start(struct folder_watch *watch, sd_event *event, const char *path,
                       folder_watch_fn *fn, void *userdata)
{
        *watch = (struct folder_watch){
                .event = event,
                .path = strdup(path),
                .fn = fn,
                .userdata = userdata,
        };
        if (!watch->path)
                return -ENOMEM;
        watch_way(watch);
        return 0;
}

void folder_watch_stop(struct folder_watch *watch)
{
        watch->source = sd_event_source_disable_unref(watch->source);
        timer_stop(&watch->retry);
        free(take_ptr(watch->path));
}
