/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Applying settings. They belong to the session, not to the flow channel of the
 * moment: an apply keeps its copy until netext-flowd has answered, what it accepted is
 * kept as being in force, and a new channel (the first, or that to a restarted flowd)
 * gets all of it again. So settings can be applied before there is a channel, too.
 */

#include <errno.h>

#include "sdk/filter-settings.h"
#include "sdk/provider.h"
#include "sdk/public.h"

#define APPLIES_MAX 16

struct filter_apply {
        struct list link; /* nx_filter.applies */
        uint64_t id;
        struct nx_filter_settings *settings; /* owned */
        nx_filter_applied_fn *fn;            /* or NULL */
        void *userdata;
};

static void filter_apply_free(struct nx_filter *filter, struct filter_apply *apply)
{
        list_remove(&apply->link);
        filter->n_applies--;
        nx_filter_settings_free(apply->settings);
        free(apply);
}

/* Takes settings over on success. */
static struct filter_apply *filter_apply_new(struct nx_filter *filter,
                                             struct nx_filter_settings *settings)
{
        struct filter_apply *apply = malloc(sizeof(*apply));

        if (!apply)
                return NULL;
        *apply = (struct filter_apply){ .id = ++filter->last_apply_id, .settings = settings };
        list_append(&filter->applies, &apply->link);
        filter->n_applies++;
        return apply;
}

_public_ int nx_filter_apply(struct nx_filter *filter, const struct nx_filter_settings *settings,
                             nx_filter_applied_fn *fn, void *userdata)
{
        _cleanup_(cleanup_settings) struct nx_filter_settings *copy = NULL;
        struct filter_apply *apply;
        int r;

        if (!settings)
                return -EINVAL;
        if (filter->n_applies >= APPLIES_MAX)
                return -ENOBUFS;
        copy = filter_settings_copy(settings);
        if (!copy)
                return -ENOMEM;
        apply = filter_apply_new(filter, copy);
        if (!apply)
                return -ENOMEM;
        take_ptr(copy);
        apply->fn = fn;
        apply->userdata = userdata;
        if (!filter_is_connected(filter))
                return 0;

        r = filter_settings_send(apply->settings, &filter->engine.channel, apply->id);
        if (r < 0) {
                filter_apply_free(filter, apply);
                return r;
        }
        provider_flush_soon(filter->provider);
        return 0;
}

/* What is in force goes first, as an apply that nobody asks about. */
int filter_apply_again(struct nx_filter *filter)
{
        struct filter_apply *apply;
        int r;

        if (filter->settings) {
                apply = filter_apply_new(filter, filter->settings);
                if (!apply)
                        return provider_fail(filter->provider, -ENOMEM, "No memory for settings");
                filter->settings = NULL;
                list_remove(&apply->link);
                list_append(filter->applies.next, &apply->link);
        }
        list_for_each (apply, &filter->applies, link) {
                r = filter_settings_send(apply->settings, &filter->engine.channel, apply->id);
                if (r < 0)
                        return provider_fail(filter->provider, r,
                                             "No room to send settings to netext-flowd");
        }
        return 0;
}

int filter_apply_done(struct nx_filter *filter, uint64_t id, int result)
{
        struct filter_apply *apply = list_first(&filter->applies, struct filter_apply, link);
        nx_filter_applied_fn *fn;
        void *userdata;

        if (!apply || apply->id != id)
                return provider_fail(filter->provider, -EPROTO,
                                     "netext-flowd answered settings that it was not given");
        if (result >= 0) {
                nx_filter_settings_free(filter->settings);
                filter->settings = take_ptr(apply->settings);
        }
        fn = apply->fn;
        userdata = apply->userdata;
        filter_apply_free(filter, apply);
        if (fn)
                fn(filter, result < 0 ? result : 0, userdata);
        return 0;
}

void filter_apply_cancel(struct nx_filter *filter)
{
        struct filter_apply *apply;

        while ((apply = list_first(&filter->applies, struct filter_apply, link))) {
                nx_filter_applied_fn *fn = apply->fn;
                void *userdata = apply->userdata;

                filter_apply_free(filter, apply);
                if (fn)
                        fn(filter, -ECANCELED, userdata);
        }
}
