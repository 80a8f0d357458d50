/* SPDX-License-Identifier: Apache-2.0 */

/*
 * sd-bus waits for the bus's socket to be there, and for somebody behind it, by itself
 * (sd_bus_set_watch_bind()). A connection that is lost is made anew after a moment.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "footprint/footprint.h"
#include "manager/bus/bus.h"
#include "manager/bus/guest.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"

#define BUS_NAME    "org.netext1"
#define BUS_ADDRESS "unix:path=/run/dbus/system_bus_socket"
#define RETRY_MS    1000

static int reconnect(sd_event_source *source, uint64_t usec, void *userdata);

static void leave(struct system_bus *system_bus)
{
        struct guest *guest;

        while ((guest = list_first(&system_bus->guests, struct guest, link)))
                guest_free(guest);
        system_bus->bus = sd_bus_close_unref(system_bus->bus);
}

static int lost(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct system_bus *system_bus = userdata;

        log_info("the system bus is gone");
        leave(system_bus);
        (void)timer_start(system_bus->event, &system_bus->retry, RETRY_MS, reconnect, system_bus);
        return 0;
}

static int named(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const sd_bus_error *error = sd_bus_message_get_error(message);
        struct system_bus *system_bus = userdata;
        _cleanup_free_ char *said = error ? text_clean(error->message) : NULL;

        if (error)
                log_warning("nobody finds us as %s on the system bus: %s", system_bus->name,
                            said ?: error->name);
        return 0;
}

/* Whichever object is called: the guest's connection knows which there are. */
static int called(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct system_bus *system_bus = userdata;
        const char *sender = sd_bus_message_get_sender(message);
        struct guest *guest = NULL;
        int r;

        if (!sender || !sd_bus_message_is_method_call(message, NULL, NULL))
                return 0;
        r = guest_find(system_bus, sender, &guest);
        if (r >= 0)
                r = guest_call(guest, message);
        if (r < 0)
                (void)sd_bus_reply_method_errno(message, r, NULL);
        return 1;
}

static int join(struct system_bus *system_bus, sd_bus *bus)
{
        const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        int r;

        r = sd_bus_set_address(bus, address ?: BUS_ADDRESS);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_set_watch_bind(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r >= 0)
                r = sd_bus_add_filter(bus, NULL, called, system_bus);
        if (r >= 0)
                r = sd_bus_match_signal(bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected", lost,
                                        system_bus);
        if (r >= 0)
                r = sd_bus_request_name_async(bus, NULL, system_bus->name, 0, named, system_bus);
        return r < 0 ? r : sd_bus_attach_event(bus, system_bus->event, 0);
}

static int connect_bus(struct system_bus *system_bus)
{
        int r;

        r = sd_bus_new(&system_bus->bus);
        if (r >= 0)
                r = join(system_bus, system_bus->bus);
        if (r < 0)
                leave(system_bus);
        return r;
}

static int reconnect(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct system_bus *system_bus = userdata;

        if (connect_bus(system_bus) < 0)
                (void)timer_start(system_bus->event, &system_bus->retry, RETRY_MS, reconnect,
                                  system_bus);
        return 0;
}

int system_bus_open(struct system_bus *system_bus, sd_event *event, struct control *control,
                    const char *instance)
{
        bool is_main = strcmp(instance, FOOTPRINT_MAIN) == 0;

        *system_bus = (struct system_bus){ .event = event, .control = control };
        list_init(&system_bus->guests);
        text_set(&system_bus->name, BUS_NAME "%s%s", is_main ? "" : ".", is_main ? "" : instance);
        return system_bus->name ? connect_bus(system_bus) : -ENOMEM;
}

void system_bus_close(struct system_bus *system_bus)
{
        if (!system_bus->event)
                return;
        leave(system_bus);
        timer_stop(&system_bus->retry);
        free(system_bus->name);
        *system_bus = (struct system_bus){};
}
