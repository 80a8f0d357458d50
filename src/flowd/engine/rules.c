/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rules are shown as they came, for in force they are hashes. What they would decide is asked of
 * the one judge there is, session by session, and so is right also where a person who reads the
 * rules would be wrong.
 */

#include <errno.h>
#include <string.h>

#include "chain/settings.h"
#include "engine/engine.h"
#include "engine/rules.h"
#include "packet/packets.h"

static struct wire_writer *begin(struct link *link, uint64_t request, const struct session *session,
                                 uint8_t action)
{
        struct wire_writer *writer = channel_begin(&link->channel, NX_MSG_MANAGER_RULE, request);

        wire_put(writer, WIRE_ATTR_SESSION, session->slot);
        wire_put_string(writer, WIRE_ATTR_SESSION_NAME, session->name);
        wire_put(writer, WIRE_ATTR_ACTION, action);
        return writer;
}

static void put_rule(struct wire_writer *writer, const struct wire_message *rule)
{
        wire_put_copies(writer, rule, ~WIRE_HAS(ACTION));
}

static int list_rules(struct link *link, uint64_t request, const struct session *session)
{
        const struct settings *rules = session->rules;
        struct wire_message rule;
        struct wire_writer *writer;
        size_t offset = 0;

        for (uint32_t i = 1; settings_next_message(rules, &offset, &rule); i++) {
                writer = begin(link, request, session, (uint8_t)wire_get(&rule, WIRE_ATTR_ACTION));
                put_rule(writer, &rule);
                wire_put(writer, WIRE_ATTR_FLOWS, rules->counts[i]);
                (void)channel_end(&link->channel);
        }
        writer = begin(link, request, session, rules->entries[0].header.default_action);
        wire_put(writer, WIRE_ATTR_LOOPBACK, rules->entries[0].header.loopback);
        wire_put(writer, WIRE_ATTR_FLOWS, rules->counts[0]);
        return channel_end(&link->channel);
}

static void put_packet_rule(struct wire_writer *writer, const struct packet_rule *rule)
{
        if (rule->direction != NX_DIRECTION_ANY)
                wire_put(writer, WIRE_ATTR_DIRECTION, rule->direction);
        if (rule->interface[0])
                wire_put_string(writer, WIRE_ATTR_INTERFACE, rule->interface);
        if (rule->protocol)
                wire_put(writer, WIRE_ATTR_IP_PROTOCOL, rule->protocol);
        if (!rule->has_network)
                return;
        wire_put_address(writer, WIRE_ATTR_REMOTE_ADDRESS, &rule->network);
        wire_put(writer, WIRE_ATTR_REMOTE_PREFIX, rule->prefix);
}

/* Its provider is asked about what any of them is about, and all else passes. */
static int list_packet_rules(struct link *link, uint64_t request, const struct session *session)
{
        const struct packet_rules *rules = session->packets->rules;
        struct wire_writer *writer;

        for (size_t i = 0; i < rules->n; i++) {
                writer = begin(link, request, session, STEER_ASK);
                put_packet_rule(writer, &rules->rules[i]);
                (void)channel_end(&link->channel);
        }
        writer = begin(link, request, session, STEER_ALLOW);
        wire_put(writer, WIRE_ATTR_LOOPBACK, rules->loopback);
        return channel_end(&link->channel);
}

int rules_list(struct link *link, const struct wire_message *message)
{
        const struct session *session =
                chain_session(&link->engine->chain, wire_get(message, WIRE_ATTR_SESSION));

        if (!session)
                return -ENOENT;
        if (session->packets && session->packets->rules)
                return list_packet_rules(link, message->id, session);
        return session->rules ? list_rules(link, message->id, session) : 0;
}

static int read_question(struct link *link, const struct wire_message *message,
                         struct steer_question *ret_question)
{
        struct in6_addr remote = wire_get_address(message, WIRE_ATTR_REMOTE_ADDRESS);
        struct in6_addr local = wire_get_address(message, WIRE_ATTR_LOCAL_ADDRESS);
        const char *program = wire_get_string(message, WIRE_ATTR_PROGRAM);
        const char *name = wire_get_string(message, WIRE_ATTR_REMOTE_NAME);
        struct steer_question question = {
                .path_hash = program ? hooks_hash_path(link->engine->hooks, program) : 0,
                .uid = (uint32_t)wire_get(message, WIRE_ATTR_UID),
                .remote_port = (uint16_t)wire_get(message, WIRE_ATTR_REMOTE_PORT),
                .local_port = (uint16_t)wire_get(message, WIRE_ATTR_LOCAL_PORT),
                .protocol = (uint8_t)wire_get(message, WIRE_ATTR_PROTOCOL),
                .direction = (uint8_t)wire_get(message, WIRE_ATTR_DIRECTION),
                .kind = STEER_OWNER_PROGRAM,
        };

        if (name && !names_find_address(&link->engine->names, name, &remote))
                return -EADDRNOTAVAIL;
        memcpy(&question.remote, &remote, sizeof(question.remote));
        memcpy(&question.local, &local, sizeof(question.local));
        *ret_question = question;
        return 0;
}

static void put_matched(struct wire_writer *writer, const struct settings *rules, uint32_t number)
{
        struct wire_message rule;
        size_t offset = 0;

        for (uint32_t i = 1; settings_next_message(rules, &offset, &rule); i++)
                if (i == number)
                        put_rule(writer, &rule);
}

static void tell(struct link *link, uint64_t request, const struct session *session,
                 const struct steer_outcome *outcome)
{
        struct wire_writer *writer;

        writer = begin(link, request, session, outcome->verdict);
        wire_put(writer, WIRE_ATTR_KIND, session->kind);
        if (outcome->reason != STEER_REASON_NONE) /* else it has no rules at all */
                wire_put(writer, WIRE_ATTR_REASON, chain_reason(outcome));
        wire_put(writer, WIRE_ATTR_WANTS_DIGEST, outcome->wants_digest);
        if (outcome->reason == STEER_REASON_RULE && session->rules)
                put_matched(writer, session->rules, outcome->rule);
        (void)channel_end(&link->channel);
}

int rules_judge(struct link *link, const struct wire_message *message)
{
        struct chain *chain = &link->engine->chain;
        struct steer_question question;
        struct steer_outcome outcome;
        int r;

        r = read_question(link, message, &question);
        for (size_t i = 0; r >= 0 && i < chain->n_sessions; i++) {
                question.only = (uint8_t)(chain->order[i]->slot + 1);
                r = hooks_judge(link->engine->hooks, &question, &outcome);
                if (r < 0)
                        break;
                tell(link, message->id, chain->order[i], &outcome);
                if (outcome.verdict == STEER_DENY)
                        break;
        }
        return r;
}
