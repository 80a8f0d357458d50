/* SPDX-License-Identifier: Apache-2.0 */

/* Translates one message to one rule of the kernel's engine; see bpf/judge.bpf.h. */

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "chain/settings.h"
#include "names/names.h"
#include "names/sets.h"
#include <netext/filter.h>
#include "steer/hooks.h"

_Static_assert(NX_RULES_MAX == STEER_RULES_MAX, "the SDK promises what the kernel takes");
_Static_assert(NX_RULE_CGROUP_LEVELS == STEER_CGROUP_LEVELS, "the SDK promises that as well");
_Static_assert(NX_RULE_ANCESTORS == STEER_ANCESTORS_MAX, "and that");
_Static_assert(NX_FILTER_ACTION_ALLOW == (int)STEER_ALLOW, "one set of numbers");
_Static_assert(NX_FILTER_ACTION_DROP == (int)STEER_DENY, "one set of numbers");
_Static_assert(NX_FILTER_ACTION_FILTER_DATA == (int)STEER_ASK, "one set of numbers");

static bool is_action(uint64_t action)
{
        return action == STEER_ALLOW || action == STEER_DENY || action == STEER_ASK;
}

DEFINE_CLEANUP(struct settings *, settings, settings_free)

int settings_begin(struct settings **ret_settings, const struct wire_message *message,
                   struct hooks *hooks, struct names *names, struct sets *sets)
{
        _cleanup_(cleanup_settings) struct settings *settings = calloc(1, sizeof(*settings));
        uint64_t action = wire_get(message, WIRE_ATTR_ACTION);

        if (!settings)
                return -ENOMEM;
        settings->udp_idle_s = (uint32_t)wire_get(message, WIRE_ATTR_UDP_IDLE_S);
        if (!is_action(action) || settings->udp_idle_s > WIRE_UDP_IDLE_S_MAX)
                return -EBADMSG;
        settings->id = message->id;
        settings->hooks = hooks;
        settings->names = names;
        settings->sets = sets;
        settings->entries = calloc(1, sizeof(*settings->entries));
        settings->counts = calloc(1, sizeof(*settings->counts));
        if (!settings->entries || !settings->counts)
                return -ENOMEM;
        settings->entries[0].header.default_action = (uint8_t)action;
        settings->entries[0].header.loopback = wire_get(message, WIRE_ATTR_LOOPBACK) != 0;
        *ret_settings = take_ptr(settings);
        return 0;
}

static struct steer_address prefix_mask(unsigned int prefix)
{
        struct steer_address mask = {};

        if (prefix > 64)
                mask.low = htobe64(~0ULL << (128 - prefix));
        if (prefix > 0)
                mask.high = prefix >= 64 ? ~0ULL : htobe64(~0ULL << (64 - prefix));
        return mask;
}

static int set_remote(struct steer_rule *rule, const struct wire_message *message)
{
        struct in6_addr address = wire_get_address(message, WIRE_ATTR_REMOTE_ADDRESS);
        unsigned int prefix = 128;

        if (!wire_has(message, WIRE_ATTR_REMOTE_ADDRESS))
                return 0;
        if (wire_has(message, WIRE_ATTR_REMOTE_PREFIX))
                prefix = (unsigned int)wire_get(message, WIRE_ATTR_REMOTE_PREFIX);
        if (prefix > 128)
                return -EBADMSG;
        memcpy(&rule->remote, &address, sizeof(rule->remote));
        rule->mask = prefix_mask(prefix);
        rule->remote.high &= rule->mask.high;
        rule->remote.low &= rule->mask.low;
        return 0;
}

/* Where a flow of a program's own begins is not known yet when it is judged. */
static int set_local(struct steer_rule *rule, const struct wire_message *message)
{
        struct in6_addr address = wire_get_address(message, WIRE_ATTR_LOCAL_ADDRESS);
        uint64_t prefix = 0;

        if (wire_has(message, WIRE_ATTR_LOCAL_ADDRESS))
                prefix = wire_has(message, WIRE_ATTR_LOCAL_PREFIX)
                                 ? wire_get(message, WIRE_ATTR_LOCAL_PREFIX)
                                 : 128;
        memcpy(&rule->local, &address, sizeof(rule->local));
        rule->local_prefix = (uint8_t)prefix;
        rule->local_port_first = (uint16_t)wire_get(message, WIRE_ATTR_LOCAL_PORT_FIRST);
        rule->local_port_last = (uint16_t)wire_get(message, WIRE_ATTR_LOCAL_PORT_LAST);
        if (rule->local_port_last == 0)
                rule->local_port_last = rule->local_port_first;
        if ((rule->local_prefix || rule->local_port_last) &&
            rule->direction != NX_DIRECTION_INBOUND)
                return -EBADMSG;
        return prefix > 128 || rule->local_port_first > rule->local_port_last ? -EBADMSG : 0;
}

static int set_ports(struct steer_rule *rule, const struct wire_message *message)
{
        rule->port_first = (uint16_t)wire_get(message, WIRE_ATTR_PORT_FIRST);
        rule->port_last = (uint16_t)wire_get(message, WIRE_ATTR_PORT_LAST);
        if (rule->port_last == 0)
                rule->port_last = rule->port_first;
        return rule->port_first > rule->port_last ? -EBADMSG : 0;
}

/* A set has networks and domains of its own, so a rule has one or the other. */
static int set_destinations(struct settings *settings, struct steer_rule *rule,
                            const struct wire_message *message)
{
        const char *domain = wire_get_string(message, WIRE_ATTR_DOMAIN);
        const char *set = wire_get_string(message, WIRE_ATTR_NAME);

        if (set && (domain || wire_has(message, WIRE_ATTR_REMOTE_ADDRESS)))
                return -EBADMSG;
        if (domain) {
                rule->domain = names_use_domains(settings->names, &domain, 1);
                return rule->domain ? 0 : -ENOMEM;
        }
        if (set) {
                rule->set = sets_use(settings->sets, set);
                return rule->set ? 0 : -ENOMEM;
        }
        return 0;
}

/* "sha256:" and 64 hexadecimal digits. */
static bool parse_digest(const char *text, uint8_t ret_digest[static STEER_DIGEST_SIZE])
{
        static const char prefix[] = "sha256:";

        if (strncmp(text, prefix, strlen(prefix)) != 0)
                return false;
        text += strlen(prefix);
        if (strlen(text) != 2 * STEER_DIGEST_SIZE || text[strspn(text, "0123456789abcdef")])
                return false;
        for (size_t i = 0; i < STEER_DIGEST_SIZE; i++)
                (void)sscanf(text + 2 * i, "%2hhx", &ret_digest[i]);
        return true;
}

/* The kernel's number of a device is composed in another way. */
static void set_file(struct steer_rule *rule, const struct wire_message *message)
{
        uint64_t device = wire_get(message, WIRE_ATTR_PROGRAM_DEVICE);

        rule->inode = wire_get(message, WIRE_ATTR_PROGRAM_INODE);
        rule->device = major(device) << 20 | minor(device);
}

/* The program, by its path, its content, its place, whose it is, and who started it. */
static int set_program(struct settings *settings, struct steer_rule *rule,
                       const struct wire_message *message)
{
        const char *program = wire_get_string(message, WIRE_ATTR_PROGRAM);
        const char *text = wire_get_string(message, WIRE_ATTR_PROGRAM_DIGEST);
        const char *cgroup = wire_get_string(message, WIRE_ATTR_CGROUP);
        const char *unit = wire_get_string(message, WIRE_ATTR_UNIT);
        const char *started_by = wire_get_string(message, WIRE_ATTR_STARTED_BY);
        const char *signer = wire_get_string(message, WIRE_ATTR_SIGNER);
        uint8_t digest[STEER_DIGEST_SIZE];

        if ((cgroup || unit) && !hooks_have_cgroup_levels(settings->hooks))
                return -EOPNOTSUPP;
        set_file(rule, message);
        if (program)
                rule->program = hooks_hash_path(settings->hooks, program);
        if (started_by)
                rule->ancestor = hooks_hash_path(settings->hooks, started_by);
        if (signer)
                rule->signer = hooks_hash_signer(settings->hooks, signer);
        if (text) {
                if (!parse_digest(text, digest))
                        return -EBADMSG;
                rule->digest = hooks_hash_digest(settings->hooks, digest);
        }
        if (cgroup) {
                rule->cgroup = hooks_hash_cgroup(settings->hooks, cgroup);
                if (!rule->cgroup)
                        return -EBADMSG;
        }
        if (unit && strlen(unit) >= STEER_NAME_MAX)
                return -EBADMSG;
        if (unit)
                rule->unit = hooks_hash_unit(settings->hooks, unit);
        return 0;
}

static int fill_rule(struct settings *settings, struct steer_rule *rule,
                     const struct wire_message *message)
{
        uint64_t action = wire_get(message, WIRE_ATTR_ACTION);
        int r;

        *rule = (struct steer_rule){ .action = (uint8_t)action, .uid = ~0U };
        if (!is_action(action))
                return -EBADMSG;
        r = set_remote(rule, message);
        if (r >= 0)
                r = set_ports(rule, message);
        if (r < 0)
                return r;
        rule->protocol = (uint8_t)wire_get(message, WIRE_ATTR_PROTOCOL);
        rule->direction = (uint8_t)wire_get(message, WIRE_ATTR_DIRECTION);
        r = set_local(rule, message);
        if (r < 0)
                return r;
        if (wire_has(message, WIRE_ATTR_UID))
                rule->uid = (uint32_t)wire_get(message, WIRE_ATTR_UID);
        r = set_program(settings, rule, message);
        if (r < 0)
                return r;
        return set_destinations(settings, rule, message);
}

/* Grows by doubling, so that a thousand rules are ten allocations. */
static int reserve(struct settings *settings)
{
        uint32_t n = settings->n_rules;
        void *entries, *labels, *counts;

        if (n >= STEER_RULES_MAX)
                return -E2BIG;
        if (n & (n - 1))
                return 0;
        entries = reallocarray(settings->entries, 2 * n + 2, sizeof(*settings->entries));
        if (!entries)
                return -ENOMEM;
        settings->entries = entries;
        labels = reallocarray(settings->labels, 2 * n + 2, sizeof(*settings->labels));
        if (!labels)
                return -ENOMEM;
        settings->labels = labels;
        counts = reallocarray(settings->counts, 2 * n + 2, sizeof(*settings->counts));
        if (!counts)
                return -ENOMEM;
        settings->counts = counts;
        return 0;
}

/* What a rule is made of; of what else a provider puts there, nobody is shown anything. */
static const wire_attributes rule_attributes =
        WIRE_HAS(ACTION) | WIRE_HAS(DIRECTION) | WIRE_HAS(PROTOCOL) | WIRE_HAS(REMOTE_ADDRESS) |
        WIRE_HAS(REMOTE_PREFIX) | WIRE_HAS(DOMAIN) | WIRE_HAS(NAME) | WIRE_HAS(PORT_FIRST) |
        WIRE_HAS(PORT_LAST) | WIRE_HAS(LOCAL_ADDRESS) | WIRE_HAS(LOCAL_PREFIX) |
        WIRE_HAS(LOCAL_PORT_FIRST) | WIRE_HAS(LOCAL_PORT_LAST) | WIRE_HAS(UID) | WIRE_HAS(PROGRAM) |
        WIRE_HAS(PROGRAM_DIGEST) | WIRE_HAS(PROGRAM_DEVICE) | WIRE_HAS(PROGRAM_INODE) |
        WIRE_HAS(SIGNER) | WIRE_HAS(STARTED_BY) | WIRE_HAS(CGROUP) | WIRE_HAS(UNIT) |
        WIRE_HAS(LABEL);

/* What people are shown: a rule that is in force is known by hashes. */
static int keep_message(struct settings *settings, const struct wire_message *message)
{
        uint8_t buffer[8192]; /* more than its strings can be */
        struct wire_writer writer;
        size_t wanted;
        uint8_t *grown;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_ENGINE_SETTINGS_RULE, 0);
        wire_put_copies(&writer, message, rule_attributes);
        if (wire_end(&writer) < 0)
                return -EBADMSG;
        wanted = settings->messages_size + writer.size;
        if (wanted > settings->messages_capacity) {
                grown = realloc(settings->messages, 2 * wanted);
                if (!grown)
                        return -ENOMEM;
                settings->messages = grown;
                settings->messages_capacity = 2 * wanted;
        }
        memcpy(settings->messages + settings->messages_size, buffer, writer.size);
        settings->messages_size = wanted;
        return 0;
}

/* The first of them is named. */
static void refuse(struct settings *settings, const char *label)
{
        if (settings->error)
                return;
        settings->error = -EOPNOTSUPP;
        if (label)
                snprintf(settings->refused, sizeof(settings->refused), "%s", label);
        else
                snprintf(settings->refused, sizeof(settings->refused), "number %u",
                         settings->n_rules + 1);
}

int settings_add(struct settings *settings, const struct wire_message *message)
{
        const char *label = wire_get_string(message, WIRE_ATTR_LABEL);
        size_t messages_size = settings->messages_size;
        uint32_t n = settings->n_rules;
        int r;

        r = reserve(settings);
        if (r >= 0)
                r = keep_message(settings, message);
        if (r < 0)
                return r;
        r = fill_rule(settings, &settings->entries[n + 1].rule, message);
        if (r < 0)
                settings->messages_size = messages_size;
        if (r == -EOPNOTSUPP) {
                refuse(settings, label);
                return 0;
        }
        if (r < 0)
                return r;
        snprintf(settings->labels[n], FLOW_RULE_MAX, "%s", label ? label : "");
        if (label && settings->entries[n + 1].rule.action == STEER_ASK)
                settings->has_asking_labels = true;
        settings->counts[n + 1] = 0;
        settings->n_rules = n + 1;
        settings->entries[0].header.n_rules = n + 1;
        if (settings->entries[n + 1].rule.direction == NX_DIRECTION_INBOUND)
                settings->entries[0].header.inbound = true;
        return 0;
}

struct settings *settings_free(struct settings *settings)
{
        if (!settings)
                return NULL;
        for (uint32_t i = 1; i <= settings->n_rules; i++) {
                const struct steer_rule *rule = &settings->entries[i].rule;

                if (rule->domain)
                        names_drop_domain(settings->names, rule->domain);
                if (rule->set)
                        sets_drop(settings->sets, rule->set);
        }
        free(settings->entries);
        free(settings->labels);
        free(settings->counts);
        free(settings->messages);
        free(settings);
        return NULL;
}

bool settings_next_message(const struct settings *settings, size_t *offset,
                           struct wire_message *ret_message)
{
        const char *problem;

        return *offset < settings->messages_size &&
               wire_parse(settings->messages, settings->messages_size, offset, ret_message,
                          &problem) >= 0;
}

/* And not by the rules that were in force before. */
static bool was_judged_by(const struct settings *settings, const struct steer_outcome *outcome)
{
        return outcome->rule <= settings->n_rules && outcome->generation >= settings->generation;
}

const char *settings_label(const struct settings *settings, const struct steer_outcome *outcome)
{
        if (!settings || outcome->rule == 0 || !was_judged_by(settings, outcome))
                return "";
        return settings->labels[outcome->rule - 1];
}

void settings_count(struct settings *settings, const struct steer_outcome *outcome)
{
        if (was_judged_by(settings, outcome))
                settings->counts[outcome->rule]++;
}

void settings_keep_counts(struct settings *settings, const struct settings *before)
{
        size_t start = 0, end = 0;
        struct wire_message rule;
        uint32_t n = 0;

        while (settings_next_message(settings, &end, &rule) && end <= before->messages_size &&
               memcmp(settings->messages + start, before->messages + start, end - start) == 0) {
                n++;
                settings->counts[n] = before->counts[n];
                start = end;
        }
        if (n == settings->n_rules && n == before->n_rules)
                settings->counts[0] = before->counts[0];
}
