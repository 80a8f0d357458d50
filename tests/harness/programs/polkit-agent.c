/* SPDX-License-Identifier: Apache-2.0 */

/*
 * polkit-agent PID: what a desktop has to ask people for passwords, for one process; on the system
 * bus that DBUS_SYSTEM_BUS_ADDRESS names. It asks nobody: on SIGUSR1 root has given the password.
 * It says "ready", "begin ACTION" when somebody would be asked, and "cancel" when not any more.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define POLKIT                                                                                     \
        "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",                     \
                "org.freedesktop.PolicyKit1.Authority"
#define AGENT "/agent"

static sd_bus_message *begun; /* answered when the password was given */
static char cookie[256];

static int begin(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        const char *action, *text;
        int r;

        r = sd_bus_message_read(call, "sss", &action, NULL, NULL);
        if (r >= 0)
                r = sd_bus_message_skip(call, "a{ss}");
        if (r >= 0)
                r = sd_bus_message_read(call, "s", &text);
        if (r < 0)
                return r;
        snprintf(cookie, sizeof(cookie), "%s", text);
        begun = sd_bus_message_ref(call);
        printf("begin %s\n", action);
        return 1;
}

static int cancel(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
        puts("cancel");
        return sd_bus_reply_method_return(call, "");
}

static int is_told(sd_bus_message *answer, void *userdata, sd_bus_error *error)
{
        (void)sd_bus_reply_method_return(begun, "");
        begun = sd_bus_message_unref(begun);
        return 0;
}

static int password_is_given(sd_event_source *source, const struct signalfd_siginfo *info,
                             void *userdata)
{
        return sd_bus_call_method_async(userdata, NULL, POLKIT, "AuthenticationAgentResponse2",
                                        is_told, NULL, "us(sa{sv})", 0U, cookie, "unix-user", 1,
                                        "uid", "u", 0U);
}

static const sd_bus_vtable agent[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("BeginAuthentication", "sssa{ss}sa(sa{sv})", "", begin,
                      SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CancelAuthentication", "s", "", cancel, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int serve(sd_event *event, sd_bus *bus, uint32_t pid)
{
        int r;

        r = sd_event_add_signal(event, NULL, SIGUSR1, password_is_given, bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, event, 0);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, AGENT,
                                             "org.freedesktop.PolicyKit1.AuthenticationAgent",
                                             agent, NULL);
        if (r >= 0)
                r = sd_bus_call_method(bus, POLKIT, "RegisterAuthenticationAgent", NULL, NULL,
                                       "(sa{sv})ss", "unix-process", 2, "pid", "u", pid,
                                       "start-time", "t", UINT64_C(0), "C", AGENT);
        if (r < 0)
                return r;
        puts("ready");
        return sd_event_loop(event);
}

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
        r = argc == 2 ? sd_event_default(&event) : -EINVAL;
        if (r >= 0)
                r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = serve(event, bus, (uint32_t)atoi(argv[1]));
        fprintf(stderr, "polkit-agent: %s\n", strerror(-r));
        return 1;
}
