/* SPDX-License-Identifier: Apache-2.0 */

/*
 * steer/changes.h says when to look, and steer/intact.h whether the table is what we made. Policy
 * rules and routes are simply made once more: the kernel says which of them were there.
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

static void remember(struct upkeep *upkeep, const char *what, const char *who)
{
        time_t now = time(NULL);
        struct tm utc;
        char when[32];

        gmtime_r(&now, &utc);
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
        snprintf(upkeep->last, sizeof(upkeep->last), "%s at %s, changed by %s", what, when, who);
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

static int on_change(const char *who, void *userdata)
{
        struct engine *engine = userdata;
        int r = 0;

        if (!engine->in_force)
                return 0;
        if (engine->ruleset.delivery.is_on)
                r = keep_routes(engine);
        return r < 0 ? r : keep_table(engine, *who ? who : "somebody");
}

int upkeep_open(struct upkeep *upkeep, struct engine *engine)
{
        return changes_open(&upkeep->changes, &engine->loop, engine->table, &engine->passed,
                            on_change, engine);
}

void upkeep_close(struct upkeep *upkeep)
{
        changes_close(&upkeep->changes);
}

void upkeep_note(struct upkeep *upkeep)
{
        int r;

        r = intact_take(upkeep->changes.table, &upkeep->print);
        if (r < 0)
                log_debug("the table cannot be read: %s", strerror(-r));
}
