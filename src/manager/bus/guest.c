/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What it calls before the bus has said whose it is, waits. Nothing may be sent earlier: to know
 * whether descriptors can be, sd-bus would wait for the other end, which is this loop.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "manager/bus/bus.h"
#include "manager/bus/guest.h"
#include "manager/control/control.h"

/* Towards the bus, of all guests: beyond it is one who does not keep up. */
#define QUEUED_MAX  4096
#define WAITING_MAX 64

struct call {
        struct list link; /* guest.calls */
        struct guest *guest;
        sd_bus_message *message;
        sd_bus_slot *slot;
};

static struct call *call_free(struct call *call)
{
        if (!call)
                return NULL;
        list_remove(&call->link);
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->message);
        free(call);
        return NULL;
}
DEFINE_CLEANUP(struct call *, call, call_free)

struct guest *guest_free(struct guest *guest)
{
        struct call *call;

        if (!guest)
                return NULL;
        while ((call = list_first(&guest->calls, struct call, link))) {
                (void)sd_bus_reply_method_errno(call->message, guest->error, NULL);
                call_free(call);
        }
        list_remove(&guest->link);
        sd_bus_slot_unref(guest->user);
        sd_bus_track_unref(guest->leaving);
        sd_bus_close_unref(guest->bus);
        close_fd(guest->admitted_fd);
        free(guest->name);
        free(guest);
        return NULL;
}
DEFINE_CLEANUP(struct guest *, guest, guest_free)

/* --- back to the bus ----------------------------------------------------------------------- */

static int pass_on(sd_bus_message *from, sd_bus_message *to)
{
        int r;

        r = sd_bus_message_copy(to, from, true);
        return r < 0 ? r : sd_bus_send(NULL, to, NULL);
}

static int answer_call(const struct call *call, sd_bus_message *answer)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *copy = NULL;
        int r;

        if (sd_bus_message_is_method_error(answer, NULL))
                return sd_bus_reply_method_error(call->message, sd_bus_message_get_error(answer));
        r = sd_bus_message_new_method_return(call->message, &copy);
        return r < 0 ? r : pass_on(answer, copy);
}

static int answered(sd_bus_message *answer, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(cleanup_call) struct call *call = userdata;
        int r;

        r = answer_call(call, answer);
        if (r < 0)
                (void)sd_bus_reply_method_errno(call->message, r, NULL);
        return 0;
}

static int tell(struct guest *guest, sd_bus_message *signal)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *copy = NULL;
        int r;

        r = sd_bus_message_new_signal(
                guest->system_bus->bus, &copy, sd_bus_message_get_path(signal),
                sd_bus_message_get_interface(signal), sd_bus_message_get_member(signal));
        if (r >= 0)
                r = sd_bus_message_set_destination(copy, guest->name);
        return r < 0 ? r : pass_on(signal, copy);
}

static bool keeps_up(const struct guest *guest)
{
        uint64_t n = 0;

        (void)sd_bus_get_n_queued_write(guest->system_bus->bus, &n);
        return n < QUEUED_MAX;
}

static int told(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct guest *guest = userdata;

        if (!sd_bus_message_is_signal(message, CONTROL_INTERFACE, NULL))
                return 0;
        if (!keeps_up(guest) || tell(guest, message) < 0) {
                log_warning("the system bus does not take what is for %s", guest->name);
                guest_free(guest);
        }
        return 1;
}

/* The call may be gone after this. */
static void send_call(struct call *call);

static int opened(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct guest *guest = userdata;
        struct call *call, *following;

        guest->is_open = true;
        list_for_each_safe (call, following, &guest->calls, link)
                send_call(call);
        return 0;
}

/* The control API has closed the connection. */
static int closed(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        guest_free(userdata);
        return 0;
}

/* --- who it is ----------------------------------------------------------------------------- */

static int admit(struct guest *guest, sd_bus_message *answer)
{
        struct caller caller = {};
        uint32_t uid;
        int r;

        r = sd_bus_message_read(answer, "u", &uid);
        if (r >= 0)
                r = caller_on_bus(uid, guest->name, &caller);
        return r < 0 ? r
                     : control_admit(guest->system_bus->control, &caller,
                                     take_fd(&guest->admitted_fd));
}

static int has_user(sd_bus_message *answer, void *userdata, sd_bus_error *ret_error)
{
        struct guest *guest = userdata;
        int r = -EACCES;

        guest->user = sd_bus_slot_unref(guest->user);
        if (!sd_bus_message_is_method_error(answer, NULL))
                r = admit(guest, answer);
        if (r < 0) {
                guest->error = r;
                guest_free(guest);
        }
        return 0;
}

static int left(sd_bus_track *track, void *userdata)
{
        guest_free(userdata);
        return 0;
}

static int ask_who(struct guest *guest)
{
        sd_bus *bus = guest->system_bus->bus;
        int r;

        r = sd_bus_track_new(bus, &guest->leaving, left, guest);
        if (r >= 0)
                r = sd_bus_track_add_name(guest->leaving, guest->name);
        if (r < 0)
                return r;
        return sd_bus_call_method_async(bus, &guest->user, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                        "GetConnectionUnixUser", has_user, guest, "s", guest->name);
}

/* --- its connection ------------------------------------------------------------------------ */

static int open_connection(struct guest *guest)
{
        int pair[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
                return -errno;
        guest->admitted_fd = pair[1];
        r = sd_bus_new(&guest->bus);
        if (r >= 0)
                r = sd_bus_set_fd(guest->bus, pair[0], pair[0]);
        if (r < 0) {
                close_fd(pair[0]);
                return r;
        }
        r = sd_bus_set_connected_signal(guest->bus, true);
        if (r >= 0)
                r = sd_bus_start(guest->bus);
        if (r >= 0)
                r = sd_bus_match_signal(guest->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Connected", opened, guest);
        if (r >= 0)
                r = sd_bus_add_filter(guest->bus, NULL, told, guest);
        if (r >= 0)
                r = sd_bus_match_signal(guest->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
                                        "org.freedesktop.DBus.Local", "Disconnected", closed,
                                        guest);
        return r < 0 ? r : sd_bus_attach_event(guest->bus, guest->system_bus->event, 0);
}

static int guest_new(struct system_bus *system_bus, const char *name, struct guest **ret)
{
        _cleanup_(cleanup_guest) struct guest *guest = calloc(1, sizeof(*guest));
        int r;

        if (!guest)
                return -ENOMEM;
        guest->system_bus = system_bus;
        guest->admitted_fd = -1;
        guest->error = -ECONNRESET;
        list_init(&guest->calls);
        list_append(&system_bus->guests, &guest->link);
        guest->name = strdup(name);
        if (!guest->name)
                return -ENOMEM;
        r = open_connection(guest);
        if (r >= 0)
                r = ask_who(guest);
        if (r < 0)
                return r;
        *ret = take_ptr(guest);
        return 0;
}

int guest_find(struct system_bus *system_bus, const char *name, struct guest **ret)
{
        struct guest *guest;

        list_for_each (guest, &system_bus->guests, link) {
                if (strcmp(guest->name, name) == 0) {
                        *ret = guest;
                        return 0;
                }
        }
        return guest_new(system_bus, name, ret);
}

/* --- to the control API -------------------------------------------------------------------- */

static int copy_call(struct guest *guest, sd_bus_message *message, sd_bus_message **ret_copy)
{
        int r;

        r = sd_bus_message_new_method_call(
                guest->bus, ret_copy, NULL, sd_bus_message_get_path(message),
                sd_bus_message_get_interface(message), sd_bus_message_get_member(message));
        if (r >= 0)
                r = sd_bus_message_copy(*ret_copy, message, true);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(
                        *ret_copy, sd_bus_message_get_allow_interactive_authorization(message));
        return r;
}

static int try_send(struct call *call)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *copy = NULL;
        int r;

        r = copy_call(call->guest, call->message, &copy);
        if (r < 0)
                return r;
        if (sd_bus_message_get_expect_reply(call->message) > 0)
                return sd_bus_call_async(call->guest->bus, &call->slot, copy, answered, call,
                                         UINT64_MAX);
        r = sd_bus_send(call->guest->bus, copy, NULL);
        if (r >= 0)
                call_free(call);
        return r;
}

static void send_call(struct call *call)
{
        int r;

        r = try_send(call);
        if (r < 0) {
                (void)sd_bus_reply_method_errno(call->message, r, NULL);
                call_free(call);
        }
}

int guest_call(struct guest *guest, sd_bus_message *message)
{
        struct call *call;

        if (!guest->is_open && guest->n_waiting == WAITING_MAX)
                return -EBUSY;
        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        call->guest = guest;
        call->message = sd_bus_message_ref(message);
        list_append(&guest->calls, &call->link);
        if (guest->is_open)
                send_call(call);
        else
                guest->n_waiting++;
        return 0;
}
