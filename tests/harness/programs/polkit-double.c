/* SPDX-License-Identifier: Apache-2.0 */

/*
 * polkitd as it should not be, on the system bus that DBUS_SYSTEM_BUS_ADDRESS names:
 *
 *      polkit-double hold        answers nothing; on SIGUSR1, yes to all that it was asked so far
 *      polkit-double garbage     answers what no authority says
 *
 * It says a line for each question ("check PID UID ACTION interactive|silent") and for each that is
 * withdrawn ("cancel").
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define CALLS_MAX 256

static sd_bus_message *held[CALLS_MAX];
static int n_held;

/* "unix-process" with three things in any order. */
static int read_subject(sd_bus_message *call, uint32_t *ret_pid, int32_t *ret_uid)
{
        const char *kind, *key;
        uint64_t started;
        int r;

        r = sd_bus_message_enter_container(call, 'r', "sa{sv}");
        if (r >= 0)
                r = sd_bus_message_read(call, "s", &kind);
        if (r >= 0)
                r = sd_bus_message_enter_container(call, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
                r = sd_bus_message_read(call, "s", &key);
                if (r >= 0 && strcmp(key, "pid") == 0)
                        r = sd_bus_message_read(call, "v", "u", ret_pid);
                else if (r >= 0 && strcmp(key, "uid") == 0)
                        r = sd_bus_message_read(call, "v", "i", ret_uid);
                else if (r >= 0)
                        r = sd_bus_message_read(call, "v", "t", &started);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
        }
        for (int depth = 0; depth < 2 && r >= 0; depth++)
                r = sd_bus_message_exit_container(call);
        return r;
}

/* Says what it was asked. */
static int read_question(sd_bus_message *call)
{
        const char *action;
        uint32_t pid = 0, flags;
        int32_t uid = -1;
        int r;

        r = read_subject(call, &pid, &uid);
        if (r >= 0)
                r = sd_bus_message_read(call, "s", &action);
        if (r >= 0)
                r = sd_bus_message_skip(call, "a{ss}");
        if (r >= 0)
                r = sd_bus_message_read(call, "u", &flags);
        if (r >= 0)
                printf("check %u %d %s %s\n", pid, uid, action,
                       flags & 1 ? "interactive" : "silent");
        return r;
}

static int hold(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        int r = read_question(call);

        if (r >= 0 && n_held < CALLS_MAX)
                held[n_held++] = sd_bus_message_ref(call);
        return r < 0 ? r : 1;
}

static int babble(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        int r = read_question(call);

        return r < 0 ? r : sd_bus_reply_method_return(call, "(bs)", 1, "yes, I think");
}

static int cancel(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        puts("cancel");
        return sd_bus_reply_method_return(call, "");
}

static int answer_all(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
        while (n_held > 0) {
                sd_bus_message *call = held[--n_held];

                (void)sd_bus_reply_method_return(call, "(bba{ss})", 1, 0, 0);
                sd_bus_message_unref(call);
        }
        return 0;
}

#define AUTHORITY(answer, fn)                                                                      \
        {                                                                                          \
                SD_BUS_VTABLE_START(0),                                                            \
                        SD_BUS_METHOD("CheckAuthorization", "(sa{sv})sa{ss}us", answer, fn,        \
                                      SD_BUS_VTABLE_UNPRIVILEGED),                                 \
                        SD_BUS_METHOD("CancelCheckAuthorization", "s", "", cancel,                 \
                                      SD_BUS_VTABLE_UNPRIVILEGED),                                 \
                        SD_BUS_VTABLE_END,                                                         \
        }

static const sd_bus_vtable holding[] = AUTHORITY("(bba{ss})", hold);
static const sd_bus_vtable babbling[] = AUTHORITY("(bs)", babble);

int main(int argc, char *argv[])
{
        sd_event *event = NULL;
        sd_bus *bus = NULL;
        sigset_t signals;
        int r;

        setvbuf(stdout, NULL, _IOLBF, 0);
        sigemptyset(&signals);
        sigaddset(&signals, SIGUSR1);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        r = sd_event_default(&event);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGUSR1, answer_all, NULL);
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, 0);
        if (r >= 0)
                r = sd_bus_add_object_vtable(
                        bus, NULL, "/org/freedesktop/PolicyKit1/Authority",
                        "org.freedesktop.PolicyKit1.Authority",
                        argc > 1 && strcmp(argv[1], "hold") == 0 ? holding : babbling, NULL);
        if (r >= 0)
                r = sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0);
        if (r >= 0) {
                puts("ready");
                r = sd_event_loop(event);
        }
        fprintf(stderr, "polkit-double: %s\n", strerror(-r));
        return 1;
}
