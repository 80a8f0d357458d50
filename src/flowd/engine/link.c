/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One request, one answer with its id. Lists are sent piece by piece, whenever little is
 * waiting to be sent, so that a hundred thousand flows take no more memory than a thousand.
 */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "chain/successor.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "flow/record.h"
#include "engine/link.h"
#include "engine/kill.h"
#include "engine/rules.h"

#define LISTING_PIECE   256
#define LISTING_BACKLOG (256 * 1024)
#define DIGEST_NS       2000000000ULL
#define WATCH_BACKLOG   (2 * 1024 * 1024)

static int adopt_channel(struct link *link, int fd);

static void put_flow(struct link *link, struct wire_writer *writer, const struct flow *flow)
{
        record_put_identity(writer, flow, &link->engine->owners, &link->engine->names);
        record_put_sender(writer, flow, &link->engine->owners);
        record_put_decision(writer, flow);
}

static void tell_done(struct link *link, uint64_t request, int result, const char *text)
{
        struct wire_writer *writer;

        writer = channel_begin(&link->channel, NX_MSG_MANAGER_DONE, request);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)result);
        wire_put_string(writer, WIRE_ATTR_TEXT, text);
        (void)channel_end(&link->channel);
}

void link_tell_flow(struct link *link, const struct flow *flow, enum wire_flow_event event)
{
        struct wire_writer *writer;

        if (!link->watched || link->channel.fd < 0)
                return;
        if (link->channel.backlog > WATCH_BACKLOG) {
                link->events_lost++;
                return;
        }
        writer = channel_begin(&link->channel, NX_MSG_MANAGER_FLOW, 0);
        wire_put(writer, WIRE_ATTR_EVENT, event);
        put_flow(link, writer, flow);
        (void)channel_end(&link->channel);
}

void link_tell_session(struct link *link, const struct session *session, int error,
                       const char *text)
{
        enum wire_session_state state = error ? WIRE_SESSION_FAILED : WIRE_SESSION_RUNNING;
        struct wire_writer *writer;

        if (link->channel.fd < 0)
                return;
        writer = channel_begin(&link->channel, NX_MSG_MANAGER_SESSION_STATE, 0);
        wire_put(writer, WIRE_ATTR_SESSION, session->slot);
        wire_put(writer, WIRE_ATTR_RUN, session->process);
        wire_put(writer, WIRE_ATTR_SESSION_STATE, state);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)error);
        wire_put_string(writer, WIRE_ATTR_TEXT, text);
        (void)channel_end(&link->channel);
}

void link_tell_drained(struct link *link, const struct session *session)
{
        struct wire_writer *writer;

        if (link->channel.fd < 0)
                return; /* netextd ends it when its time is over */
        writer = channel_begin(&link->channel, NX_MSG_MANAGER_SESSION_DRAINED, 0);
        wire_put(writer, WIRE_ATTR_SESSION, session->slot);
        wire_put(writer, WIRE_ATTR_RUN, session->process);
        (void)channel_end(&link->channel);
}

/* Flow numbers are dense, so the list is walked by number: flows may come and go meanwhile. */
static void send_piece(struct link *link, struct listing *listing)
{
        for (int i = 0; i < LISTING_PIECE && listing->next <= listing->last; i++) {
                struct flow *flow = flow_table_find(&link->engine->flows, listing->next++);
                struct wire_writer *writer;

                if (!flow)
                        continue;
                writer = channel_begin(&link->channel, NX_MSG_MANAGER_FLOW, listing->request);
                put_flow(link, writer, flow);
                (void)channel_end(&link->channel);
                listing->found = true;
        }
        if (listing->next <= listing->last)
                return;
        tell_done(link, listing->request, listing->found ? 0 : -ENOENT, NULL);
        listing->request = 0;
}

static bool continue_listings(struct link *link)
{
        bool more = false;

        for (size_t i = 0; i < LISTINGS_MAX; i++) {
                struct listing *listing = &link->listings[i];

                if (listing->digest_request)
                        continue;
                if (listing->request && link->channel.backlog < LISTING_BACKLOG)
                        send_piece(link, listing);
                more |= listing->request != 0;
        }
        return more;
}

void link_digest_settled(struct link *link, uint64_t request)
{
        for (size_t i = 0; i < LISTINGS_MAX; i++) {
                struct listing *listing = &link->listings[i];
                struct flow *flow;

                if (!listing->digest_request || listing->digest_request != request)
                        continue;
                listing->digest_request = 0;
                flow = flow_table_find(&link->engine->flows, listing->next);
                if (flow && flow->process)
                        digests_recall(&link->engine->digests, flow->process);
        }
}

/* Whoever waits gets what is known. */
static int on_digest_timeout(void *userdata)
{
        struct link *link = userdata;

        for (size_t i = 0; i < LISTINGS_MAX; i++)
                link->listings[i].digest_request = 0;
        return 0;
}

/* Who asks about one flow wants to know all, also what is in its program; that has to be read. */
static void ask_for_digest(struct link *link, struct listing *listing)
{
        struct flow *flow = flow_table_find(&link->engine->flows, listing->next);

        if (flow && flow->process && !flow->process->digest_text &&
            digests_identify(&link->engine->digests, flow->process, &listing->digest_request) ==
                    DIGESTS_E_COMING)
                loop_timer_start(&link->engine->loop, &link->digest_timer, now_ns() + DIGEST_NS);
}

static void on_list(struct link *link, const struct wire_message *message)
{
        struct flow_table *flows = &link->engine->flows;
        uint64_t limit = wire_get(message, WIRE_ATTR_COUNT);
        struct flow *oldest = list_first(&flows->ages, struct flow, age);
        struct listing listing = { .request = message->id, .last = *flows->last_id, .found = true };

        if (wire_has(message, WIRE_ATTR_FLOW)) {
                listing.next = listing.last = wire_get(message, WIRE_ATTR_FLOW);
                listing.found = false;
                ask_for_digest(link, &listing);
        } else {
                listing.next = oldest ? oldest->id : listing.last + 1;
                if (limit && listing.last >= limit && listing.next < listing.last - limit + 1)
                        listing.next = listing.last - limit + 1;
        }
        for (size_t i = 0; i < LISTINGS_MAX; i++)
                if (!link->listings[i].request) {
                        link->listings[i] = listing;
                        return;
                }
        tell_done(link, message->id, -EBUSY, "too many lists are being sent; try again");
}

static void put_fact(struct link *link, uint64_t request, const char *key, uint64_t count)
{
        struct wire_writer *writer = channel_begin(&link->channel, NX_MSG_MANAGER_STATUS, request);

        wire_put_string(writer, WIRE_ATTR_KEY, key);
        wire_put(writer, WIRE_ATTR_COUNT, count);
        (void)channel_end(&link->channel);
}

static void put_text_fact(struct link *link, uint64_t request, const char *key, const char *text)
{
        struct wire_writer *writer = channel_begin(&link->channel, NX_MSG_MANAGER_STATUS, request);

        wire_put_string(writer, WIRE_ATTR_KEY, key);
        wire_put_string(writer, WIRE_ATTR_TEXT, text);
        (void)channel_end(&link->channel);
}

static uint64_t count_waiting(const struct list *flows)
{
        uint64_t n_waiting = 0;
        struct flow *flow;

        list_for_each (flow, flows, waiting)
                n_waiting++;
        return n_waiting;
}

static uint64_t count_held_by(const struct session *session)
{
        return count_waiting(&session->starting) + count_waiting(&session->asked) +
               count_waiting(&session->paused) + count_waiting(&session->opening);
}

static uint64_t count_held(const struct chain *chain)
{
        uint64_t n_held = count_waiting(&chain->unidentified);
        struct session *session;

        for (size_t i = 0; i < chain->n_sessions; i++)
                n_held += count_held_by(chain->order[i]);
        list_for_each (session, &chain->beside, beside)
                n_held += count_held_by(session);
        return n_held;
}

static void on_status(struct link *link, uint64_t request)
{
        struct engine *engine = link->engine;
        struct steer_counters *kernel = &hooks_state(engine->hooks)->counters;
        struct intake_counters *intake = &engine->intake.counters;
        struct gate_counters packets = packets_count(&engine->packets);

        put_text_fact(link, request, "queue", queue_mechanism_to_string(engine->ruleset.mechanism));
        put_fact(link, request, "queue_number", engine->ruleset.hold_queue);
        put_text_fact(link, request, "table", engine->table);
        put_fact(link, request, "flows_kept", engine->flows.n_flows);
        put_fact(link, request, "flows_held", count_held(&engine->chain));
        put_fact(link, request, "flows_allowed", engine->counters.allowed);
        put_fact(link, request, "flows_claimed", engine->counters.claimed);
        put_fact(link, request, "flows_not_delivered",
                 engine->deliveries.n_given_up + engine->deliveries.listener.n_refused);
        put_fact(link, request, "connections_without_flow", engine->deliveries.n_strangers);
        put_fact(link, request, "flows_refused", engine->counters.refused);
        put_fact(link, request, "flows_dropped", engine->counters.dropped);
        put_fact(link, request, "flows_by_fail_policy",
                 engine->counters.fallbacks + intake->fallbacks);
        put_fact(link, request, "flows_over_quota", engine->counters.over_quota);
        put_fact(link, request, "packets_by_fail_policy", engine_count_guarded(engine));
        put_fact(link, request, "flows_unattributed", intake->unattributed);
        put_fact(link, request, "packets_shown", packets.shown);
        put_fact(link, request, "packets_allowed", packets.allowed);
        put_fact(link, request, "packets_dropped", packets.dropped);
        put_fact(link, request, "packets_delayed", packets.delayed);
        put_fact(link, request, "packets_not_judged", packets.by_fail_policy);
        put_fact(link, request, "packets_unreadable", intake->packets_unreadable);
        put_fact(link, request, "packets_over_limit", intake->packets_over_limit);
        put_fact(link, request, "datagrams_asked_again", intake->asked_again);
        put_fact(link, request, "flows_not_recorded", kernel->events_lost + intake->table_full);
        put_fact(link, request, "owners_lost", kernel->owners_lost + intake->nameless);
        put_fact(link, request, "attaches_refused", kernel->attaches_refused);
        put_fact(link, request, "updates_refused", engine->chain.n_updates_refused);
        put_fact(link, request, "watch_events_lost", link->events_lost);
        put_fact(link, request, "names_known", engine->names.n_entries);
        put_fact(link, request, "tables_put_back", engine->upkeep.n_tables);
        put_fact(link, request, "routes_put_back", engine->upkeep.n_routes);
        put_fact(link, request, "hooks_put_back", engine->upkeep.n_hooks);
        if (engine->upkeep.last[0])
                put_text_fact(link, request, "put_back_last", engine->upkeep.last);
        tell_done(link, request, 0, NULL);
}

static void on_end(struct link *link, const struct wire_message *message)
{
        uint64_t n_ended = 0;
        int r;

        r = kill_flows(&link->engine->chain, message, &n_ended);
        put_fact(link, message->id, "flows_ended", n_ended);
        tell_done(link, message->id, r, NULL);
}

static int rejudge(void *userdata)
{
        struct link *link = userdata;
        struct rejudging *rejudging = &link->rejudging;

        if (rejudge_go_on(rejudging, &link->engine->chain)) {
                loop_timer_start(&link->engine->loop, &link->rejudge_timer, now_ns());
                return 0;
        }
        put_fact(link, rejudging->request, "flows_allowed", rejudging->n_allowed);
        put_fact(link, rejudging->request, "flows_asked", rejudging->n_asked);
        put_fact(link, rejudging->request, "flows_ended", rejudging->n_ended);
        put_fact(link, rejudging->request, "flows_not_ended", rejudging->n_not_ended);
        tell_done(link, rejudging->request, 0, NULL);
        rejudging->request = 0;
        return 0;
}

static void on_rejudge(struct link *link, uint64_t request)
{
        if (link->rejudging.request) {
                tell_done(link, request, -EBUSY, "flows are being judged again already");
                return;
        }
        rejudge_begin(&link->rejudging, &link->engine->intake, request);
        (void)rejudge(link);
}

static void on_sync(struct link *link, uint64_t request)
{
        const char *problem = NULL;
        int r;

        r = engine_put_in_force(link->engine, &problem);
        if (r < 0)
                log_error("%s: %s", problem, strerror(-r));
        tell_done(link, request, r, r < 0 ? problem : NULL);
}

static void on_quit(struct link *link, uint64_t request)
{
        engine_quit(link->engine);
        tell_done(link, request, 0, NULL);
}

void link_ask_executable(struct link *link, uint64_t request, uint32_t pid)
{
        struct wire_writer *writer;

        if (link->channel.fd < 0)
                return; /* asked again when there is a netextd */
        writer = channel_begin(&link->channel, NX_MSG_MANAGER_EXECUTABLE_OPEN, request);
        wire_put(writer, WIRE_ATTR_PID, pid);
        (void)channel_end(&link->channel);
}

static int on_channel(struct link *link, const struct wire_message *message, int *fd)
{
        struct session *session;

        session = chain_session(&link->engine->chain, wire_get(message, WIRE_ATTR_SESSION));
        if (!session)
                return -EBADMSG;
        session_set_channel(session, take_fd(fd), (uint32_t)wire_get(message, WIRE_ATTR_RUN),
                            wire_get(message, WIRE_ATTR_MAY_INSPECT));
        return 0;
}

static int on_successor(struct link *link, const struct wire_message *message, int *fd)
{
        struct session *session;
        int r;

        session = chain_session(&link->engine->chain, wire_get(message, WIRE_ATTR_SESSION));
        if (!session)
                return -EBADMSG;
        r = successor_add(session, take_fd(fd), (uint32_t)wire_get(message, WIRE_ATTR_RUN),
                          wire_get(message, WIRE_ATTR_MAY_INSPECT));
        if (r < 0)
                log_error("session %s: no successor can be made: %s", session->name, strerror(-r));
        return 0; /* its provider sees that the channel is closed */
}

static int on_set_entry(struct link *link, const struct wire_message *message)
{
        struct in6_addr address = wire_get_address(message, WIRE_ATTR_REMOTE_ADDRESS);
        const char *domain = wire_get_string(message, WIRE_ATTR_DOMAIN);

        if (domain)
                return sets_add_domain(&link->engine->sets, domain);
        if (!wire_has(message, WIRE_ATTR_REMOTE_ADDRESS) ||
            !wire_has(message, WIRE_ATTR_REMOTE_PREFIX))
                return -EBADMSG;
        return sets_add_network(&link->engine->sets, &address,
                                (unsigned int)wire_get(message, WIRE_ATTR_REMOTE_PREFIX));
}

/* netextd asks later what became of it; see FLOWD_SET_CHECK. */
static int on_set_commit(struct link *link)
{
        int r = sets_commit(&link->engine->sets);

        if (r == -EBADMSG)
                return r;
        if (r < 0)
                log_error("a set of destinations keeps its old content: %s", strerror(-r));
        return 0;
}

static int on_set_message(struct link *link, const struct wire_message *message)
{
        const char *name = wire_get_string(message, WIRE_ATTR_NAME);
        struct sets *sets = &link->engine->sets;

        switch (message->type) {
        case NX_MSG_FLOWD_SET_BEGIN:
                return sets_begin(sets, name);
        case NX_MSG_FLOWD_SET_ENTRY:
                return on_set_entry(link, message);
        case NX_MSG_FLOWD_SET_COMMIT:
                return on_set_commit(link);
        case NX_MSG_FLOWD_SET_REMOVE:
                sets_remove(sets, name);
                return 0;
        case NX_MSG_FLOWD_SETS_KEEP:
                sets_keep(sets);
                return 0;
        case NX_MSG_FLOWD_SET_CHECK:
                tell_done(link, message->id, sets_check(sets, name), NULL);
                return 0;
        default:
                return -EBADMSG;
        }
}

static int on_signed_file(struct link *link, const struct wire_message *message, int fd)
{
        const char *signer = wire_get_string(message, WIRE_ATTR_SIGNER);
        int r = signers_add(&link->engine->owners.signers, fd, signer);

        if (r == -EBADMSG)
                return r;
        if (r < 0)
                log_error("rules do not know a program of %s: %s", signer, strerror(-r));
        return 0;
}

static int on_message(const struct wire_message *message, int *fd, void *userdata)
{
        struct link *link = userdata;
        struct chain *chain = &link->engine->chain;

        switch (message->type) {
        case NX_MSG_FLOWD_SESSION_ADD:
                return chain_add(chain, message);
        case NX_MSG_FLOWD_SESSION_CHANNEL:
                return on_channel(link, message, fd);
        case NX_MSG_FLOWD_SESSION_SUCCESSOR:
                return on_successor(link, message, fd);
        case NX_MSG_FLOWD_SESSIONS_TURN:
                successor_turn(chain, wire_get(message, WIRE_ATTR_SLOTS),
                               (uint32_t)wire_get(message, WIRE_ATTR_RUN));
                return 0;
        case NX_MSG_FLOWD_SESSION_REMOVE:
                chain_remove(chain, (unsigned int)wire_get(message, WIRE_ATTR_SESSION),
                             (enum nx_provider_stop_reason)wire_get(message, WIRE_ATTR_COUNT));
                return 0;
        case NX_MSG_FLOWD_FLOW_LIST:
                events_catch_up(&link->engine->intake);
                events_find_local_ends(&link->engine->intake);
                on_list(link, message);
                return 0;
        case NX_MSG_FLOWD_FLOWS_END:
                events_catch_up(&link->engine->intake);
                events_find_local_ends(&link->engine->intake);
                on_end(link, message);
                return 0;
        case NX_MSG_FLOWD_FLOWS_REJUDGE:
                on_rejudge(link, message->id);
                return 0;
        case NX_MSG_FLOWD_FLOW_WATCH:
                link->watched = wire_get(message, WIRE_ATTR_ENABLE);
                return 0;
        case NX_MSG_FLOWD_STATUS_GET:
                events_catch_up(&link->engine->intake);
                on_status(link, message->id);
                return 0;
        case NX_MSG_FLOWD_RULES_LIST:
                tell_done(link, message->id, rules_list(link, message), NULL);
                return 0;
        case NX_MSG_FLOWD_RULES_JUDGE:
                tell_done(link, message->id, rules_judge(link, message), NULL);
                return 0;
        case NX_MSG_FLOWD_EXECUTABLE:
                digests_take(&link->engine->digests, message->id, take_fd(fd));
                return 0;
        case NX_MSG_FLOWD_EXECUTABLE_FAILED:
                digests_fail(&link->engine->digests, message->id,
                             wire_get_i32(message, WIRE_ATTR_RESULT));
                return 0;
        case NX_MSG_FLOWD_SIGNED_FILE:
                return on_signed_file(link, message, *fd);
        case NX_MSG_FLOWD_SIGNED_FILES_KEEP:
                signers_keep(&link->engine->owners.signers);
                return 0;
        case NX_MSG_FLOWD_SYNC:
                on_sync(link, message->id);
                return 0;
        case NX_MSG_FLOWD_QUIT:
                on_quit(link, message->id);
                return 0;
        default:
                return on_set_message(link, message);
        }
}

static void drop_channel(struct link *link)
{
        loop_remove(&link->engine->loop, &link->io);
        channel_deinit(&link->channel);
        memset(link->listings, 0, sizeof(link->listings));
        loop_timer_stop(&link->digest_timer);
        loop_timer_stop(&link->rejudge_timer);
        link->rejudging.request = 0;
        link->watched = false;
        link->wants_write = false;
}

static int on_io(uint32_t events, void *userdata)
{
        struct link *link = userdata;
        int r = 0;

        if (events & EPOLLOUT)
                r = channel_flush(&link->channel);
        while (r >= 0 && link->channel.fd >= 0) {
                link->channel.problem = NULL;
                r = channel_receive(&link->channel, on_message, link);
        }
        if (r == -EAGAIN)
                return 0;
        if (r == -EPIPE)
                log_notice("netextd is gone; flows and verdicts go on without it");
        else
                log_error("netextd broke the protocol: %s",
                          link->channel.problem ? link->channel.problem : strerror(-r));
        drop_channel(link);
        return 0;
}

static int on_listen(uint32_t events, void *userdata)
{
        struct link *link = userdata;
        int fd, r;

        fd = accept4(link->listen_io.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
                return 0;
        if (link->channel.fd >= 0) {
                close_fd(fd); /* one netextd at a time; its end is met before a second one comes */
                return 0;
        }
        r = adopt_channel(link, fd);
        if (r < 0)
                log_error("netextd came back, but the link cannot be opened: %s", strerror(-r));
        return 0;
}

static void tell_state(struct link *link, const struct session *session)
{
        if (session->provider == PROVIDER_RUNNING)
                link_tell_session(link, session, 0, NULL);
        else if (session->provider == PROVIDER_FAILED)
                link_tell_session(link, session, -ECANCELED,
                                  "the filter failed while netextd was away");
}

/* What a netextd that was away may have missed. */
static void tell_sessions(struct link *link)
{
        struct chain *chain = &link->engine->chain;
        struct session *session;

        for (size_t i = 0; i < chain->n_sessions; i++)
                tell_state(link, chain->order[i]);
        list_for_each (session, &chain->beside, beside)
                tell_state(link, session);
}

static int tell_ready(struct link *link)
{
        struct wire_writer *writer;
        int r;

        writer = channel_begin(&link->channel, NX_MSG_MANAGER_READY, 0);
        wire_put(writer, WIRE_ATTR_VERSION, WIRE_VERSION);
        r = channel_end(&link->channel);
        if (r < 0)
                return r;
        (void)channel_begin(&link->channel, NX_MSG_MANAGER_KEEP, 0);
        r = channel_end_with_copy(&link->channel, queue_fd(link->engine->queue));
        if (r < 0)
                return r;
        tell_sessions(link);
        digests_ask_again(&link->engine->digests);
        return channel_flush(&link->channel);
}

static int adopt_channel(struct link *link, int fd)
{
        int r;

        sets_expect(&link->engine->sets);
        signers_expect(&link->engine->owners.signers);
        r = channel_init(&link->channel, fd);
        if (r >= 0)
                r = loop_add(&link->engine->loop, &link->io, fd, EPOLLIN, on_io, link);
        link->channel.may_lack_fds = true;
        return r < 0 ? r : tell_ready(link);
}

int link_init(struct link *link, struct engine *engine)
{
        int r;

        *link = (struct link){
                .engine = engine,
                .channel = CHANNEL_NULL,
                .io = LOOP_IO_NULL,
                .listen_io = LOOP_IO_NULL,
        };
        loop_timer_init(&link->digest_timer, on_digest_timeout, link);
        loop_timer_init(&link->rejudge_timer, rejudge, link);
        r = loop_add(&engine->loop, &link->listen_io, engine->config.listen_fd, EPOLLIN, on_listen,
                     link);
        return r < 0 ? r : adopt_channel(link, engine->config.link_fd);
}

void link_deinit(struct link *link)
{
        if (!link->engine)
                return;
        drop_channel(link);
        loop_remove(&link->engine->loop, &link->listen_io);
}

void link_flush(struct link *link)
{
        bool wants_write;

        if (link->channel.fd < 0)
                return;
        wants_write = continue_listings(link);
        if (channel_flush(&link->channel) < 0)
                return; /* the end of the channel is met when it is read */
        wants_write |= channel_wants_write(&link->channel);
        if (wants_write == link->wants_write)
                return;
        link->wants_write = wants_write;
        (void)loop_modify(&link->engine->loop, &link->io,
                          wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
}
