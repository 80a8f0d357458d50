/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Applying settings. They belong to the session, not to the flow channel of the
 * moment: an apply keeps its copy until netext-flowd has answered, what it accepted is
 * kept as being in force, and a new channel (the first, or that to a restarted flowd)
 * gets all of it again. So settings can be applied before there is a channel, too.
 */

#include <errno.h>

#include "sdk/provider.h"
#include "sdk/settings.h"

#define APPLIES_MAX 16

struct apply {
        struct list link; /* session.applies */
        uint64_t id;
        struct settings *settings; /* owned */
        union applied_fn fn;
        void *userdata;
};

static void apply_free(struct session *session, struct apply *apply)
{
        list_remove(&apply->link);
        session->n_applies--;
        settings_free(apply->settings);
        free(apply);
}

/* Takes settings over on success. */
static struct apply *apply_new(struct session *session, struct settings *settings)
{
        struct apply *apply = malloc(sizeof(*apply));

        if (!apply)
                return NULL;
        *apply = (struct apply){ .id = ++session->last_apply_id, .settings = settings };
        list_append(&session->applies, &apply->link);
        session->n_applies++;
        return apply;
}

int session_apply(struct session *session, const struct settings *settings, union applied_fn fn,
                  void *userdata)
{
        _cleanup_(cleanup_settings) struct settings *copy = NULL;
        struct apply *apply;
        int r;

        if (session->n_applies >= APPLIES_MAX)
                return -ENOBUFS;
        copy = settings_copy(settings);
        if (!copy)
                return -ENOMEM;
        apply = apply_new(session, copy);
        if (!apply)
                return -ENOMEM;
        take_ptr(copy);
        apply->fn = fn;
        apply->userdata = userdata;
        if (!session_is_connected(session))
                return 0;

        r = settings_send(apply->settings, &session->engine.channel, apply->id);
        if (r < 0) {
                apply_free(session, apply);
                return r;
        }
        provider_flush_soon(session->provider);
        return 0;
}

/* A proxy that has not said yet what it wants to see is asked about nothing. */
static int begin_with_settings(struct session *session)
{
        struct settings none;

        if (session->has_begun || !session->role || !session->role->begins_with_settings)
                return 0;
        settings_init(&none, NX_FILTER_ACTION_ALLOW, false);
        session->settings = settings_copy(&none);
        if (!session->settings)
                return -ENOMEM;
        session->has_begun = true;
        return 0;
}

/* What is in force goes first, as an apply that nobody asks about. */
static int queue_settings_in_force(struct session *session)
{
        struct apply *apply;
        int r;

        r = begin_with_settings(session);
        if (r < 0 || !session->settings)
                return r;
        apply = apply_new(session, session->settings);
        if (!apply)
                return -ENOMEM;
        session->settings = NULL;
        list_remove(&apply->link);
        list_append(session->applies.next, &apply->link);
        return 0;
}

int session_apply_again(struct session *session)
{
        struct apply *apply;
        int r;

        r = queue_settings_in_force(session);
        if (r < 0)
                return provider_fail(session->provider, r, "No memory for settings");
        list_for_each (apply, &session->applies, link) {
                r = settings_send(apply->settings, &session->engine.channel, apply->id);
                if (r < 0)
                        return provider_fail(session->provider, r,
                                             "No room to send settings to netext-flowd");
        }
        return 0;
}

int session_apply_done(struct session *session, uint64_t id, int result)
{
        struct apply *apply = list_first(&session->applies, struct apply, link);
        union applied_fn fn;
        void *userdata;

        if (!apply || apply->id != id)
                return provider_fail(session->provider, -EPROTO,
                                     "netext-flowd answered settings that it was not given");
        if (result >= 0) {
                settings_free(session->settings);
                session->settings = take_ptr(apply->settings);
        }
        fn = apply->fn;
        userdata = apply->userdata;
        apply_free(session, apply);
        session->role->applied(session, fn, result < 0 ? result : 0, userdata);
        return 0;
}

void session_apply_cancel(struct session *session)
{
        struct apply *apply;

        while ((apply = list_first(&session->applies, struct apply, link))) {
                union applied_fn fn = apply->fn;
                void *userdata = apply->userdata;

                apply_free(session, apply);
                session->role->applied(session, fn, -ECANCELED, userdata);
        }
}
