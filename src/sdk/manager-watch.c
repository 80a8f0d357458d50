/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Watching flows: a subscription that lasts as long as the call. We poll ourselves
 * because sd_bus_wait() hides signals, which must end the watch.
 */

#include <errno.h>
#include <poll.h>

#include "sdk/manager.h"
#include "sdk/public.h"

struct watch {
        struct nx_manager *manager;
        nx_flow_event_fn *fn;
        void *userdata;
        int result; /* non-zero: the watch is over */
};

static int watch_on_event(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct watch *watch = userdata;
        struct nx_properties flow;
        int r;

        if (watch->result)
                return 0;
        r = properties_read(&flow, message);
        if (r < 0) {
                watch->result = manager_fail_bus(watch->manager, r);
                return 0;
        }
        if (watch->manager->wants_packages)
                r = manager_add_packages(&flow, 1);
        watch->result = r < 0 ? manager_fail_bus(watch->manager, r)
                              : watch->fn(&flow, watch->userdata);
        properties_deinit(&flow);
        return 0;
}

static int watch_enable(struct nx_manager *manager, bool enable)
{
        return manager_ask(manager, "WatchFlows", NULL, NULL, "b", enable);
}

static int watch_wait(struct nx_manager *manager)
{
        struct pollfd poll_fd = {
                .fd = sd_bus_get_fd(manager->bus),
                .events = (short)sd_bus_get_events(manager->bus),
        };

        return poll(&poll_fd, 1, -1) < 0 ? -errno : 0;
}

static int watch_run(struct nx_manager *manager, const struct watch *watch)
{
        int r;

        while (watch->result == 0) {
                r = sd_bus_process(manager->bus, NULL);
                if (r == 0)
                        r = watch_wait(manager);
                if (r == -EINTR)
                        return manager_fail(manager, r, "Interrupted by a signal");
                if (r < 0)
                        return manager_fail_bus(manager, r);
        }
        return watch->result;
}

_public_ int nx_manager_watch_flows(struct nx_manager *manager, nx_flow_event_fn *fn,
                                    void *userdata)
{
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        struct watch watch = { .manager = manager, .fn = fn, .userdata = userdata };
        int result, r;

        r = sd_bus_match_signal(manager->bus, &slot, NULL, MANAGER_OBJECT, MANAGER_INTERFACE,
                                "FlowEvent", watch_on_event, &watch);
        if (r < 0)
                return manager_fail_bus(manager, r);
        r = watch_enable(manager, true);
        if (r < 0)
                return r;
        result = watch_run(manager, &watch);
        /* Events that are still on their way are for nobody; of a lost connection the
         * result tells already. */
        if (sd_bus_is_open(manager->bus) > 0)
                (void)watch_enable(manager, false);
        return result;
}
