/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Replacement: the successor starts beside the incumbent, says hello, and flowd starts the
 * sessions' providers in it. When all run it takes its turn, in one message, and the incumbent
 * leaves: it keeps its flows, and the questions of its
 * endpoints' apps, until they are over, or their time is. Until the turn nothing has
 * changed, so a successor that dies or is late takes nothing with it but itself.
 *
 *      COMING ──all ready──▶ INCUMBENT ──replaced──▶ LEAVING ──drained, or late──▶ ended
 *         └──── died, late ──▶ ended; the reason is kept
 *
 * An incumbent that dies meanwhile is not started again: its successor is on its way. What was
 * decided is written down before flowd is told, and it is told again by the next netextd.
 */

#include <string.h>

#include "base/log.h"
#include "manager/engine/engine.h"
#include "manager/extension/parts.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"

#define LEAVING_MAX        256   /* processes of one extension */
#define GRACE_TIME_DEFAULT 86400 /* seconds */

static bool is_same_text(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same(const struct extension_spec *a, const struct extension_spec *b)
{
        return is_same_text(a->digest, b->digest) && is_same_text(a->version, b->version) &&
               is_same_text(a->executable, b->executable);
}

unsigned int extension_count_leaving(const struct extension *extension)
{
        unsigned int n = 0;
        struct run *run;

        list_for_each (run, &extension->runs, link)
                n += run->role == RUN_LEAVING;
        return n;
}

/* --- the start ---------------------------------------------------------------------------- */

static int start_successor(struct extension *extension, char **ret_problem)
{
        struct run *run;
        int r;

        if (extension_count_leaving(extension) >= LEAVING_MAX)
                return text_problem(ret_problem, -EBUSY,
                                    "%d earlier processes of %s have flows that are not over; try "
                                    "again in a while",
                                    LEAVING_MAX, extension->name);
        r = run_start(extension, RUN_COMING, &run, ret_problem);
        if (r < 0)
                return r;
        extension->unsettled = true;
        log_debug("%s: its successor (pid %d) starts", extension->name, run->process.pid);
        extension_changed(extension);
        return 0;
}

/* Without an incumbent that serves there is nothing to go on beside. */
static int start_again(struct extension *extension, const struct extension_spec *spec)
{
        struct extension_spec copy;
        int r;

        r = extension_spec_copy(&copy, spec);
        if (r < 0)
                return r;
        extension_spec_deinit(&extension->spec);
        extension->spec = copy;
        extension->unsettled = true;
        extension->struggling = false;
        extension->vouched = true;
        extension_start_soon(extension);
        return 0;
}

static int replace(struct extension *extension, const struct extension_spec *spec,
                   char **ret_problem)
{
        int r;

        if (extension->removing)
                return text_problem(ret_problem, -ESHUTDOWN, "%s is being removed",
                                    extension->name);
        if (extension_find_run(extension, RUN_COMING))
                return text_problem(ret_problem, -EBUSY, "%s is being replaced already",
                                    extension->name);
        if (!extension_incumbent(extension))
                return start_again(extension, spec);
        extension_spec_deinit(&extension->coming);
        r = extension_spec_copy(&extension->coming, spec);
        return r < 0 ? r : start_successor(extension, ret_problem);
}

int extension_replace(struct extension *extension, char **ret_problem)
{
        return replace(extension, &extension->spec, ret_problem);
}

static int start_new(struct extension_table *table, const struct extension_spec *spec,
                     char **ret_problem)
{
        struct extension *extension;
        int r;

        r = extension_new(table, spec->identifier, spec, &extension);
        if (r == -ENOSPC)
                return text_problem(ret_problem, r, "%d extensions are there already; remove one",
                                    EXTENSIONS_MAX);
        if (r < 0)
                return r;
        extension->vouched = true;
        extension_start_soon(extension);
        return 0;
}

/* It waits to be tried again. */
static bool is_down(const struct extension *extension)
{
        return extension->state == EXTENSION_FAILED && !extension_incumbent(extension);
}

static int put(struct extension *extension, const struct extension_spec *spec, char **ret_problem)
{
        if (is_same(&extension->spec, spec) && !extension_find_run(extension, RUN_COMING) &&
            !is_down(extension))
                return -EALREADY;
        return replace(extension, spec, ret_problem);
}

static int put_in_sessions(struct extension_table *table, struct extension_spec spec,
                           char **ret_problem)
{
        struct extension *extension = NULL;
        int result = -EALREADY, r;

        while ((extension = extension_table_next(table, spec.identifier, extension))) {
                if (extension->removing)
                        continue;
                spec.state_folder = extension->spec.state_folder;
                r = put(extension, &spec, ret_problem);
                if (r < 0 && r != -EALREADY)
                        return r;
                if (r >= 0)
                        result = 0;
        }
        return result;
}

int extension_table_put(struct extension_table *table, const struct extension_spec *spec,
                        char **ret_problem)
{
        struct extension *extension;

        if (!spec->identifier || !spec->team || !spec->executable || *spec->executable != '/')
                return -EINVAL;
        if (spec->per_session)
                return put_in_sessions(table, *spec, ret_problem);
        extension = extension_table_find(table, spec->identifier);
        if (!extension)
                return start_new(table, spec, ret_problem);
        extension->lasting = false; /* it is there for the store too */
        return put(extension, spec, ret_problem);
}

/* --- the turn ----------------------------------------------------------------------------- */

static bool all_are_ready(const struct extension *extension)
{
        struct extension_client *client;

        list_for_each (client, &extension->clients, link)
                if (!client->ops->is_ready(client))
                        return false;
        return true;
}

static uint64_t slots_of(const struct extension *extension)
{
        struct extension_client *client;
        uint64_t slots = 0;

        list_for_each (client, &extension->clients, link)
                slots |= client->slot;
        return slots;
}

static bool is_over(const struct run *run)
{
        return !run->leaving_slots && !run->has_peers;
}

static void end_if_over(struct run *run)
{
        if (run->role == RUN_LEAVING && is_over(run))
                run_let_end(run);
}

static void leave(struct run *run, uint64_t slots, uint32_t grace_time)
{
        struct wire_writer *message = run_begin(run, NX_MSG_EXTENSION_ENDPOINTS_LEAVE);

        run->late_at_ms = clock_now_ms() + (grace_time ?: GRACE_TIME_DEFAULT) * 1000ULL;
        run->role = RUN_LEAVING;
        run->leaving_slots = slots;
        run->has_peers = message && run_send(run, -1) >= 0;
        run_wait_for_flows(run);
        end_if_over(run);
}

static void take_turn(struct extension *extension, struct run *successor)
{
        struct run *incumbent = extension_incumbent(extension);
        uint32_t grace_time = extension->spec.grace_time;
        struct extension_client *client;

        extension_spec_deinit(&extension->spec);
        extension->spec = extension->coming;
        extension->coming = (struct extension_spec){};
        successor->role = RUN_INCUMBENT;
        run_stop_waiting(successor);
        if (incumbent)
                leave(incumbent, slots_of(extension), grace_time);
        extension_set_ready(extension);
        extension->struggling = false;
        list_for_each (client, &extension->clients, link)
                client->ops->turned(client, successor);
        extension_changed(extension);
        extension_tell_turn(extension);
        log_info("%s: pid %d has taken over", extension->name, successor->process.pid);
        extension_tell_ready(extension);
}

void extension_try_turn(struct extension *extension)
{
        struct run *successor = extension_find_run(extension, RUN_COMING);

        if (successor && successor->greeted && !successor->ending && all_are_ready(extension))
                take_turn(extension, successor);
}

void extension_tell_turn(struct extension *extension)
{
        struct run *incumbent = extension_incumbent(extension);

        if (incumbent && slots_of(extension))
                (void)engine_turn_sessions(extension->table->engine, slots_of(extension),
                                           incumbent->number);
}

void extension_roll_back(struct extension *extension, int failure, const char *problem,
                         const char *how)
{
        extension_spec_deinit(&extension->coming);
        text_set(&extension->message, "it was not replaced: %s%s",
                 problem ? "" : "the successor was gone before it was ready: ", problem ?: how);
        log_warning("%s: %s", extension->name, extension->message);
        extension_changed(extension);
        extension_settle(extension, failure ?: -ECHILD);
        if (!extension_incumbent(extension))
                extension_restart(extension);
}

/* --- the end of the one that was replaced ------------------------------------------------- */

void extension_drained(struct run *run, uint64_t slots)
{
        run->leaving_slots &= ~slots;
        end_if_over(run);
}

void extension_peers_left(struct run *run)
{
        run->has_peers = false;
        end_if_over(run);
}

void extension_left_one_is_back(struct run *run)
{
        if (is_over(run))
                run_end(run); /* it need not wait for sessions that will never come */
        else
                run_wait_for_flows(run);
}
