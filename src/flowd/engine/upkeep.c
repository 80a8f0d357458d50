/* SPDX-License-Identifier: Apache-2.0 */

/*
 * steer/changes.h says when to look, and steer/intact.h whether a table is what we made. Policy
 * rules and routes are simply made once more: the kernel says which of them were there.
 *
 * That a BPF program was detached is told by nobody. It shows by a flow that has no record; so the
 * first flow that it fails leads to it, and nobody has to look in between.
 *
 * Between the change and our look the kernel asked nobody: what began then is not known to us, and
 * the message says so. What rules deny is denied by the hooks all the same.
 */

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/upkeep.h"
#include "steer/intact.h"

#define HOOKS_PAUSE_NS 1000000000ULL

static void remember(struct upkeep *upkeep, const char *what, const char *who)
{
        struct timespec now;
        struct tm utc;
        char when[32];

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
        snprintf(upkeep->last, sizeof(upkeep->last), "%s at %s.%03ldZ, changed by %s", what, when,
                 now.tv_nsec / 1000000, who);
}

static int put_table_back(struct engine *engine, const char *who)
{
        struct upkeep *upkeep = &engine->upkeep;
        int r;

        r = engine_apply_ruleset(engine);
        if (r < 0) {
                log_error("%s changed the table inet %s, and it cannot be put back: %s", who,
                          engine->table, strerror(-r));
                return r;
        }
        upkeep->n_tables++;
        remember(upkeep, "table", who);
        log_warning("%s changed the table inet %s: it is put back; flows that began in between "
                    "were not asked about, and passed unless a rule denies them",
                    who, engine->table);
        return 0;
}

static int keep_table(struct engine *engine, const char *who)
{
        uint64_t print;
        int r;

        r = intact_take(engine->table, &print);
        if (r < 0) {
                log_error("the table inet %s cannot be read: %s", engine->table, strerror(-r));
                return r;
        }
        return print == engine->upkeep.print ? 0 : put_table_back(engine, who);
}

static int keep_packet_table(struct engine *engine, const char *who)
{
        struct upkeep *upkeep = &engine->upkeep;
        const char *table = engine->packets.table;
        int r;

        r = packets_keep(&engine->packets);
        if (r < 0)
                log_error("%s changed the table inet %s, and it cannot be put back: %s", who, table,
                          strerror(-r));
        if (r <= 0)
                return r;
        upkeep->n_tables++;
        remember(upkeep, "table of packet filters", who);
        log_warning("%s changed the table inet %s: it is put back; no packet filter saw what was "
                    "sent or came in between, and it passed",
                    who, table);
        return 0;
}

static int keep_routes(struct engine *engine)
{
        struct upkeep *upkeep = &engine->upkeep;
        int n_added;

        n_added = route_add(&engine->route);
        if (n_added < 0)
                log_error("the policy rules of delivered flows cannot be put back: %s",
                          strerror(-n_added));
        if (n_added <= 0)
                return n_added;
        upkeep->n_routes += (unsigned int)n_added;
        remember(upkeep, "routes", "somebody");
        log_warning("somebody removed %d of the policy rules and routes by which flows are "
                    "delivered: they are put back; what was sent in between did not reach its "
                    "proxy",
                    n_added);
        return 0;
}

void upkeep_owner_missing(struct engine *engine)
{
        struct upkeep *upkeep = &engine->upkeep;
        uint64_t now = now_ns();
        int n_hooks;

        if (now < upkeep->hooks_checked_ns + HOOKS_PAUSE_NS)
                return;
        upkeep->hooks_checked_ns = now;
        n_hooks = hooks_put_back(engine->hooks);
        if (n_hooks < 0)
                log_error("BPF programs that somebody detached cannot be attached again: %s",
                          strerror(-n_hooks));
        if (n_hooks <= 0)
                return;
        upkeep->n_hooks += (unsigned int)n_hooks;
        remember(upkeep, "BPF programs", "somebody");
        log_warning("somebody detached %d of the BPF programs from the instance's cgroup: they are "
                    "put back; flows that began in between are unattributed, and rules about "
                    "programs did not hold for them",
                    n_hooks);
}

static int on_change(const char *who, void *userdata)
{
        struct engine *engine = userdata;
        int r = 0;

        if (!engine->in_force)
                return 0;
        if (!*who)
                who = "somebody";
        if (engine->ruleset.delivery.is_on)
                r = keep_routes(engine);
        if (r >= 0)
                r = keep_table(engine, who);
        return r < 0 ? r : keep_packet_table(engine, who);
}

int upkeep_open(struct upkeep *upkeep, struct engine *engine)
{
        const char *const tables[CHANGES_TABLES] = { engine->table, engine->packets.table };

        return changes_open(&upkeep->changes, &engine->loop, tables, &engine->passed, on_change,
                            engine);
}

void upkeep_close(struct upkeep *upkeep)
{
        changes_close(&upkeep->changes);
}

void upkeep_note(struct upkeep *upkeep)
{
        int r;

        r = intact_take(upkeep->changes.tables[0], &upkeep->print);
        if (r < 0)
                log_debug("the table cannot be read: %s", strerror(-r));
}
