/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A flow's record has room for an errno; the sentence goes to the session's, with the
 * flow's number. A busy machine makes thousands of flows while an upstream is away, so
 * the same complaint is not repeated for each.
 */

#include <stdio.h>
#include <string.h>

#include "relay/clock.h"
#include "relay/complaint.h"

#define REPEAT_MS 60000 /* the same again */
#define QUIET_MS  1000  /* after anything */

void complaints_forget(struct complaints *complaints)
{
        complaints->n = 0;
}

/* NULL where it was never complained about, and there is no room to begin. */
static struct complaint *find(struct complaints *complaints, const char *name, bool add)
{
        struct complaint *complaint;

        for (size_t i = 0; i < complaints->n; i++)
                if (strcmp(complaints->each[i].name, name) == 0)
                        return &complaints->each[i];
        if (!add || complaints->n == UPSTREAMS_MAX)
                return NULL;
        complaint = &complaints->each[complaints->n++];
        *complaint = (struct complaint){ .told_ms = clock_now_ms() - REPEAT_MS };
        snprintf(complaint->name, sizeof(complaint->name), "%s", name);
        return complaint;
}

static bool is_due(const struct complaint *complaint, enum cause cause)
{
        int64_t quiet_ms = clock_now_ms() - complaint->told_ms;

        return quiet_ms >= (complaint->cause == cause ? REPEAT_MS : QUIET_MS);
}

void complaints_add(struct complaints *complaints, struct nx_proxy *proxy, const char *name,
                    uint64_t flow, enum cause cause, int error)
{
        struct complaint *complaint;

        if (cause_info(cause)->blame == BLAME_DESTINATION)
                return;
        complaint = find(complaints, name, true);
        if (!complaint || !is_due(complaint, cause))
                return;
        complaint->cause = cause;
        complaint->told_ms = clock_now_ms();
        nx_proxy_report(proxy, NX_LEVEL_WARNING, "upstream %s %s%s%s (flow %llu)", name,
                        cause_info(cause)->text, error ? ": " : "", error ? strerror(-error) : "",
                        (unsigned long long)flow);
}

void complaints_settle(struct complaints *complaints, struct nx_proxy *proxy, const char *name)
{
        struct complaint *complaint = find(complaints, name, false);

        if (!complaint || complaint->cause == CAUSE_NONE || !is_due(complaint, CAUSE_NONE))
                return;
        if (cause_info(complaint->cause)->blame != BLAME_UPSTREAM)
                return;
        complaint->cause = CAUSE_NONE;
        complaint->told_ms = clock_now_ms();
        nx_proxy_report(proxy, NX_LEVEL_INFO, "upstream %s works again", name);
}
