/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextd asks polkit when it has to, so what counts is whether polkit answers and knows our
 * actions. It is asked about this process; whether that may is no matter.
 */

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/polkit.h"

#define ANSWER_TIMEOUT_US 10000000

/* NULL: polkit answered. Caller owns. */
static char *ask(sd_bus *bus)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = sd_bus_call_method(
                bus, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization", &error, NULL,
                "(sa{sv})sa{ss}us", "unix-process", 2, "pid", "u", (uint32_t)getpid(), "start-time",
                "t", UINT64_C(0), "org.netext1.extension.activate", 0, 0U, "");
        return r < 0 ? cli_format("%s", error.message ?: strerror(-r)) : NULL;
}

static char *find_obstacle(void)
{
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r < 0)
                return cli_format("no system bus: %s", strerror(-r));
        (void)sd_bus_set_method_call_timeout(bus, ANSWER_TIMEOUT_US);
        return ask(bus);
}

json_t *polkit_find(void)
{
        _cleanup_free_ char *obstacle = find_obstacle();

        return json_pack("{ss ss ss sb ss* ss* ss*}", "mechanism", "polkit", "title",
                         "others than root may be allowed changes", "state",
                         obstacle ? "missing" : "active", "essential", 0, "using",
                         obstacle ? NULL : "polkitd on the system bus", "why", obstacle, "lost",
                         obstacle ? "only root can change anything; reading is for everybody"
                                  : NULL);
}
