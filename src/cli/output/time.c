/* SPDX-License-Identifier: Apache-2.0 */

/* Points in time and lengths of time, for people. */

#include <inttypes.h>
#include <time.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL

static struct tm local_time(uint64_t realtime_ns)
{
        time_t seconds = (time_t)(realtime_ns / NS_PER_S);
        struct tm local = {};

        localtime_r(&seconds, &local);
        return local;
}

char *time_of_day(uint64_t realtime_ns)
{
        struct tm local = local_time(realtime_ns);

        return cli_format("%02d:%02d:%02d.%03u", local.tm_hour, local.tm_min, local.tm_sec,
                          (unsigned int)(realtime_ns % NS_PER_S / NS_PER_MS));
}

char *time_and_date(uint64_t realtime_ns)
{
        struct tm local = local_time(realtime_ns);
        _cleanup_free_ char *clock = time_of_day(realtime_ns);

        return cli_format("%04d-%02d-%02d %s", local.tm_year + 1900, local.tm_mon + 1,
                          local.tm_mday, clock);
}

char *time_span(uint64_t ns)
{
        uint64_t seconds = ns / NS_PER_S;

        if (seconds >= 3600)
                return cli_format("%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
                                  seconds / 60 % 60);
        if (seconds >= 60)
                return cli_format("%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
        if (seconds >= 1)
                return cli_format("%.3g s", (double)ns / NS_PER_S);
        return cli_format("%.3g ms", (double)ns / NS_PER_MS);
}
