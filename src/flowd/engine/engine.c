/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Puts the parts together and passes news between them: a decided flow is counted and
 * shown, a changed fail policy reaches the guard chain, a session's state reaches netextd.
 *
 * A restarted flowd changes nothing in the kernel until netextd has told it all sessions
 * (FLOWD_SYNC): until then the earlier programs, rules and held packets stand.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "chain/identify.h"
#include "engine/engine.h"
#include "engine/older.h"
#include "steer/guarded.h"
#include "steer/receivers.h"
#include "steer/sockets.h"

static void on_flow_held(struct flow *flow, void *userdata)
{
        struct engine *engine = userdata;

        link_tell_flow(&engine->link, flow, WIRE_EVENT_HELD);
}

static void on_flow_decided(struct flow *flow, void *userdata)
{
        struct engine *engine = userdata;

        if (flow->verdict == NX_VERDICT_ALLOW)
                engine->counters.allowed++;
        else if (flow->verdict == NX_VERDICT_CLAIM)
                engine->counters.claimed++;
        else if (flow->verdict == NX_VERDICT_DROP)
                engine->counters.dropped++;
        else
                engine->counters.refused++;
        if (wire_reason_is_fallback(flow->reason))
                engine->counters.fallbacks++;
        if (flow->reason == WIRE_REASON_PROGRAM_QUOTA)
                engine->counters.over_quota++;
        callers_decided(&engine->callers, flow);
        groups_decided(&engine->groups, flow);
        reports_decided(&engine->chain.reports, flow);
        link_tell_flow(&engine->link, flow, WIRE_EVENT_DECIDED);
}

static void on_flow_closed(struct flow *flow, void *userdata)
{
        struct engine *engine = userdata;

        callers_closed(&engine->callers, flow);
        groups_closed(&engine->groups, flow);
        reports_closed(&engine->chain.reports, flow);
        link_tell_flow(&engine->link, flow, WIRE_EVENT_CLOSED);
}

static void on_owner_missing(void *userdata)
{
        upkeep_owner_missing(userdata);
}

static bool is_watched(void *userdata)
{
        struct engine *engine = userdata;

        return engine->link.watched;
}

static void on_session_changed(struct session *session, int error, const char *text, void *userdata)
{
        struct engine *engine = userdata;

        link_tell_session(&engine->link, session, error, text);
}

static void on_session_drained(struct session *session, void *userdata)
{
        struct engine *engine = userdata;

        link_tell_drained(&engine->link, session);
}

static void on_flow_abandoned(struct flow *flow, void *userdata)
{
        delivery_abandon(flow);
}

static void on_flow_strayed(struct flow *flow, void *userdata)
{
        delivery_stray(flow);
}

static void on_open_executable(uint64_t request, uint32_t pid, void *userdata)
{
        struct engine *engine = userdata;

        link_ask_executable(&engine->link, request, pid);
}

static void on_digest_settled(uint64_t request, bool is_known, void *userdata)
{
        struct engine *engine = userdata;

        identify_settled(&engine->chain, request, is_known);
        link_digest_settled(&engine->link, request);
}

/* The way of claimed flows stands while there is somebody who can claim, or flows that use it. */
static bool wants_delivery(const struct engine *engine)
{
        return chain_delivers(&engine->chain) ||
               (engine->ruleset.delivery.is_on && engine->deliveries.n_open > 0);
}

/* Connections that came in can be inspected. */
static bool receives(const struct ruleset_config *ruleset)
{
        return ruleset->delivery.is_on && ruleset->inbound != INBOUND_OFF;
}

static bool asks_groups(const struct ruleset_config *ruleset)
{
        return ruleset->asks_groups && ruleset->inbound != INBOUND_OFF;
}

/* Where that cannot be, flows that are inspected and claimed say that they come from this host. */
static void pretend(struct engine *engine, bool pretending)
{
        int r;

        r = hooks_set_pretending(engine->hooks, pretending);
        if (r < 0)
                log_debug("sockets cannot say whose flow they carry: %s", strerror(-r));
}

uint64_t engine_count_guarded(const struct engine *engine)
{
        uint64_t packets = 0;
        int r;

        r = guarded_count(engine->table, &packets);
        if (r < 0)
                log_debug("the packets of fail policies cannot be counted: %s", strerror(-r));
        return hooks_state(engine->hooks)->guarded + packets;
}

int engine_apply_ruleset(struct engine *engine)
{
        struct ruleset_config wanted = engine->ruleset;
        uint64_t n_guarded = engine_count_guarded(engine);
        int r;

        wanted.closed = chain_is_closed(&engine->chain);
        wanted.inbound = chain_inbound(&engine->chain);
        wanted.delivery.is_on = wants_delivery(engine);
        pretend(engine, wanted.delivery.is_on);
        r = hooks_set_delivering(engine->hooks, wanted.delivery.is_on);
        if (r >= 0)
                r = hooks_set_receiving(engine->hooks, receives(&wanted));
        if (r >= 0)
                r = hooks_set_telling_members(engine->hooks, asks_groups(&wanted));
        if (r >= 0 && wanted.delivery.is_on)
                r = route_add(&engine->route);
        if (r >= 0)
                r = ruleset_apply(&wanted);
        if (r < 0)
                return r;
        engine->ruleset = wanted;
        hooks_state(engine->hooks)->guarded = n_guarded; /* new rules count from 0 */
        if (!wanted.delivery.is_on)
                route_remove(&engine->route);
        upkeep_note(&engine->upkeep);
        return 0;
}

static uint64_t get_udp_patience_ns(void *userdata)
{
        const struct engine *engine = userdata;

        return chain_udp_patience_ns(&engine->chain);
}

static void on_policy_changed(void *userdata)
{
        struct engine *engine = userdata;
        int r;

        if (!engine->in_force)
                return;
        engine->is_running_out = engine->ruleset.delivery.is_on && !chain_delivers(&engine->chain);
        if (chain_is_closed(&engine->chain) == engine->ruleset.closed &&
            chain_inbound(&engine->chain) == engine->ruleset.inbound &&
            wants_delivery(engine) == engine->ruleset.delivery.is_on)
                return;
        r = engine_apply_ruleset(engine);
        if (r < 0) {
                engine->is_running_out = false; /* not once more in each round */
                log_error("the nft ruleset cannot be changed: %s", strerror(-r));
        }
}

/* A place in the cgroup hierarchy, as nft's socket expression wants it. */
static int find_cgroup(const char *cgroup, uint64_t *ret_id, uint32_t *ret_level)
{
        _cleanup_free_ char *path = realpath(cgroup, NULL);
        struct stat st, root;
        uint32_t level = 0;
        char *end;

        if (!path || stat(path, &st) < 0)
                return -errno;
        /* The root of the hierarchy is the last folder upwards on the same file system. */
        while ((end = strrchr(path, '/')) && end != path) {
                *end = '\0';
                if (stat(path, &root) < 0 || root.st_dev != st.st_dev)
                        break;
                level++;
        }
        *ret_id = st.st_ino;
        *ret_level = level;
        return 0;
}

static int open_queue(struct engine *engine)
{
        struct steer_state *state = hooks_state(engine->hooks);
        const char *instance = engine->config.instance;
        uint64_t seed = 5381;
        int r;

        for (size_t i = 0; instance[i]; i++)
                seed = seed * 33 + (unsigned char)instance[i];
        if (engine->config.queue_fd >= 0 && state->queue)
                return queue_adopt(&engine->queue, engine->config.queue_fd, (uint16_t)state->queue,
                                   state->last_packet, state->last_answer,
                                   engine->config.mark_mask);
        close_fd(engine->config.queue_fd);
        r = queue_open(&engine->queue, seed, engine->config.mark_mask);
        if (r >= 0)
                state->queue = queue_hold_number(engine->queue);
        return r;
}

static int open_kernel(struct engine *engine, const char **ret_problem)
{
        struct hooks_config config = {
                .cgroup_path = engine->config.cgroup_path,
                .extension_cgroup_path = engine->config.extension_cgroup_path,
                .pin_dir = engine->config.pin_dir,
                .mark_mask = engine->config.mark_mask,
        };
        int r;

        r = find_cgroup(config.cgroup_path, &engine->ruleset.cgroup_id,
                        &engine->ruleset.cgroup_level);
        if (r >= 0)
                r = find_cgroup(config.extension_cgroup_path, &engine->ruleset.extension_cgroup_id,
                                &engine->ruleset.extension_cgroup_level);
        if (r < 0) {
                *ret_problem = "the instance's cgroup cannot be read";
                return r;
        }
        config.cgroup_id = engine->ruleset.cgroup_id;
        config.cgroup_level = engine->ruleset.cgroup_level;
        r = hooks_open(&engine->hooks, &config, ret_problem);
        if (r < 0)
                return r;
        r = addresses_open(&engine->addresses, &engine->loop, engine->hooks);
        if (r < 0) {
                *ret_problem = "the host's addresses cannot be read";
                return r;
        }
        r = passed_open(&engine->passed, engine->table);
        if (r < 0) {
                *ret_problem = "netlink cannot be opened";
                return r;
        }
        r = upkeep_open(&engine->upkeep, engine);
        if (r < 0) {
                *ret_problem = "changes that others make to the ruleset cannot be listened to";
                return r;
        }
        r = leftovers_open(&engine->leftovers, &engine->passed);
        if (r < 0) {
                *ret_problem = "what the kernel remembers of UDP flows cannot be read";
                return r;
        }
        if (hooks_are_fresh(engine->hooks))
                leftovers_forget_all(&engine->leftovers);
        r = open_queue(engine);
        if (r < 0) {
                *ret_problem = "no packet queue (NFQUEUE) can be bound";
                return r;
        }
        engine->deliveries.loop = &engine->loop;
        engine->deliveries.mark_mask = engine->config.mark_mask;
        engine->deliveries.hold_queue = queue_hold_number(engine->queue);
        r = deliveries_open(&engine->deliveries);
        if (r < 0)
                *ret_problem = "the sockets for proxied flows cannot be opened";
        return r;
}

static int init_tables(struct engine *engine)
{
        const struct digests_listener listener = {
                .open_executable = on_open_executable,
                .settled = on_digest_settled,
                .userdata = engine,
        };
        int r;

        r = owners_init(&engine->owners, engine->hooks, engine->config.launchers);
        if (r >= 0)
                r = names_init(&engine->names, engine->hooks);
        if (r >= 0)
                r = sets_init(&engine->sets, engine->hooks, &engine->names);
        if (r >= 0)
                r = digests_init(&engine->digests, &engine->loop, engine->hooks, &listener);
        if (r >= 0)
                r = groups_init(&engine->groups);
        if (r >= 0)
                r = quota_init(&engine->quota);
        if (r >= 0)
                r = flow_table_init(&engine->flows, &engine->owners,
                                    &hooks_state(engine->hooks)->last_flow);
        return r;
}

static void wire_parts(struct engine *engine)
{
        engine->ruleset.table = engine->table;
        engine->ruleset.asks_groups = receivers_are_told(engine->hooks);
        engine->ruleset.cuts = !sockets_can_destroy();
        engine->ruleset.mark_mask = engine->config.mark_mask;
        engine->ruleset.hold_queue = queue_hold_number(engine->queue);
        engine->ruleset.answers_queue = queue_answers_number(engine->queue);
        engine->ruleset.watch_queue = watch_number(engine->deliveries.watch);
        engine->ruleset.delivery.port4 = listener_port4(&engine->deliveries.listener);
        engine->ruleset.delivery.port6 = listener_port6(&engine->deliveries.listener);
        quota_set_descriptors(&engine->quota, (uint32_t)engine->deliveries.listener.n_fds_max);
        engine->route = (struct route_config){
                .table = FOOTPRINT_ROUTE_TABLE + engine->ruleset.hold_queue,
                .mark = mark_bits(MARK_TO_LO_BITS, engine->config.mark_mask),
                .mark_mask = mark_bits(MARK_TO_LO_BITS, engine->config.mark_mask),
        };
        engine->deliveries.chain = &engine->chain;
        engine->deliveries.hooks = engine->hooks;
        engine->deliveries.passed = &engine->passed;
        engine->deliveries.onward_mark = mark_bits(MARK_ONWARD, engine->config.mark_mask);
        engine->deliveries.own_mark = mark_bits(MARK_OWN, engine->config.mark_mask);
        engine->deliveries.relay_mark = mark_bits(MARK_RELAY, engine->config.mark_mask);
        engine->chain = (struct chain){
                .loop = &engine->loop,
                .hooks = engine->hooks,
                .queue = engine->queue,
                .passed = &engine->passed,
                .leftovers = &engine->leftovers,
                .owners = &engine->owners,
                .names = &engine->names,
                .sets = &engine->sets,
                .digests = &engine->digests,
                .flows = &engine->flows,
                .packets = &engine->packets,
                .quota = &engine->quota,
                .deliveries = &engine->deliveries,
                .deliverer = &deliverer,
                .cuts = engine->ruleset.cuts,
                .listener = {
                        .flow_held = on_flow_held,
                        .flow_decided = on_flow_decided,
                        .flow_closed = on_flow_closed,
                        .session_changed = on_session_changed,
                        .session_drained = on_session_drained,
                        .policy_changed = on_policy_changed,
                        .userdata = engine,
                },
        };
        chain_init(&engine->chain);
        engine->intake = (struct intake){
                .loop = &engine->loop,
                .hooks = engine->hooks,
                .queue = engine->queue,
                .owners = &engine->owners,
                .names = &engine->names,
                .flows = &engine->flows,
                .chain = &engine->chain,
                .passed = &engine->passed,
                .leftovers = &engine->leftovers,
                .groups = &engine->groups,
                .resolvers = &engine->resolvers,
                .mark_mask = engine->config.mark_mask,
                .is_watched = is_watched,
                .flow_closed = on_flow_closed,
                .flow_abandoned = on_flow_abandoned,
                .flow_strayed = on_flow_strayed,
                .owner_missing = on_owner_missing,
                .userdata = engine,
        };
        intake_init(&engine->intake);
        engine->resolvers.hooks = engine->hooks;
        engine->resolvers.owners = &engine->owners;
        askers_init(&engine->resolvers.askers);
        engine->groups.hooks = engine->hooks;
        engine->groups.queue = engine->queue;
        engine->groups.passed = &engine->passed;
        engine->groups.look_for_members = intake_look_for_members;
        engine->groups.userdata = &engine->intake;
        engine->callers = (struct callers){
                .loop = &engine->loop,
                .hooks = engine->hooks,
                .passed = &engine->passed,
                .flows = &engine->flows,
                .flow_closed = on_flow_closed,
                .userdata = engine,
        };
        callers_init(&engine->callers);
        leftovers_watch(&engine->leftovers, &engine->loop, get_udp_patience_ns, engine);
}

/* Answers of one round leave together: verdicts first, a program waits for them. */
static int on_round_over(void *userdata)
{
        struct engine *engine = userdata;

        queue_flush(engine->queue);
        deliveries_flush(&engine->deliveries);
        deliveries_catch_up(&engine->deliveries);
        if (engine->is_running_out)
                on_policy_changed(engine);
        chain_flush(&engine->chain);
        link_flush(&engine->link);
        intake_go_on(&engine->intake);
        return 0;
}

int engine_init(struct engine *engine, const struct engine_config *config, const char **ret_problem)
{
        int r;

        *engine =
                (struct engine){ .config = *config, .passed = PASSED_NULL, .upkeep = UPKEEP_NULL };
        footprint_table(config->instance, engine->table);
        *ret_problem = "memory is short";
        r = loop_init(&engine->loop);
        if (r < 0)
                return r;
        r = open_kernel(engine, ret_problem);
        if (r < 0)
                return r;
        r = init_tables(engine);
        if (r < 0)
                return r;
        wire_parts(engine);
        *ret_problem = "the threads for packets cannot be started";
        r = packets_init(&engine->packets, &engine->loop, &engine->ruleset);
        if (r < 0)
                return r;
        loop_set_after_round(&engine->loop, on_round_over, engine);
        *ret_problem = "the link to netextd cannot be opened";
        return link_init(&engine->link, engine);
}

void engine_deinit(struct engine *engine)
{
        link_deinit(&engine->link);
        intake_stop(&engine->intake);
        packets_deinit(&engine->packets);
        deliveries_close(&engine->deliveries);
        callers_deinit(&engine->callers);
        groups_deinit(&engine->groups);
        askers_deinit(&engine->resolvers.askers);
        flow_table_deinit(&engine->flows);
        quota_deinit(&engine->quota);
        digests_deinit(&engine->digests);
        sets_deinit(&engine->sets);
        names_deinit(&engine->names);
        owners_deinit(&engine->owners);
        engine->queue = queue_close(engine->queue);
        addresses_close(&engine->addresses);
        engine->hooks = hooks_close(engine->hooks);
        leftovers_close(&engine->leftovers);
        upkeep_close(&engine->upkeep);
        passed_close(&engine->passed);
        loop_deinit(&engine->loop);
}

int engine_put_in_force(struct engine *engine, const char **ret_problem)
{
        int r;

        if (engine->in_force)
                return 0;
        chain_put_in_force(&engine->chain);
        r = hooks_attach(engine->hooks, ret_problem);
        if (r < 0)
                return r;
        r = engine_apply_ruleset(engine);
        if (r < 0) {
                *ret_problem = "the nft ruleset cannot be put in place";
                return r;
        }
        *ret_problem = "the nft rules of packet filters cannot be taken over";
        r = packets_put_in_force(&engine->packets, hooks_are_fresh(engine->hooks));
        if (r < 0)
                return r;
        *ret_problem = "the queue cannot be read";
        r = deliveries_start(&engine->deliveries);
        if (r >= 0)
                r = intake_start(&engine->intake);
        if (r < 0)
                return r;
        if (hooks_are_fresh(engine->hooks))
                older_find(&engine->intake);
        engine->in_force = true;
        return 0;
}

void engine_quit(struct engine *engine)
{
        int r;

        engine->in_force = false; /* what ends in this round puts nothing back */
        chain_deinit(&engine->chain);
        packets_remove(&engine->packets);
        queue_flush(engine->queue);
        deliveries_flush(&engine->deliveries);
        route_remove(&engine->route);
        r = ruleset_remove(engine->table);
        if (r < 0)
                log_error("the table inet %s cannot be removed: %s", engine->table, strerror(-r));
        loop_stop(&engine->loop);
}
