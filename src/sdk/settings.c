/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Builds settings. A rule is checked and parsed when it is added, so that what is
 * applied is right; its strings lie behind each other in one text block and the rule
 * keeps their offsets.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "sdk/check.h"
#include "sdk/settings.h"

#define DOMAIN_LENGTH_MAX       253
#define DOMAIN_LABEL_LENGTH_MAX 63
#define RULE_LABEL_LENGTH_MAX   63
#define CGROUP_NAME_LENGTH_MAX  255
#define TEAM_LENGTH_MAX         32
#define INODE_LENGTH_MAX        39 /* two numbers that fit into 64 bits */
#define LETTERS_AND_DIGITS      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define DIGEST_PREFIX           "sha256:"
#define DIGEST_DIGITS           64

void settings_init(struct settings *settings, enum nx_filter_action default_action, bool loopback)
{
        *settings = (struct settings){ .default_action = default_action, .loopback = loopback };
}

void settings_deinit(struct settings *settings)
{
        free(settings->rules);
        free(settings->text);
}

struct settings *settings_free(struct settings *settings)
{
        if (!settings)
                return NULL;
        settings_deinit(settings);
        free(settings);
        return NULL;
}

/* Room for n more items of item_size; capacity doubles. 0 or -ENOMEM. */
static int grow(void **block, size_t item_size, size_t n_items, size_t n_more, size_t *capacity)
{
        size_t wanted = *capacity ? *capacity : 16;
        void *grown;

        if (n_items + n_more <= *capacity)
                return 0;
        while (wanted < n_items + n_more)
                wanted *= 2;
        grown = realloc(*block, wanted * item_size);
        if (!grown)
                return -ENOMEM;
        *block = grown;
        *capacity = wanted;
        return 0;
}

/* Offset 0 is the empty string, which stands for none. */
static int add_text(struct settings *settings, const char *text, uint32_t *ret_offset)
{
        size_t skip = settings->text_size ? 0 : 1, size;
        int r;

        if (!text) {
                *ret_offset = 0;
                return 0;
        }
        size = strlen(text) + 1;
        r = grow((void **)&settings->text, 1, settings->text_size, skip + size,
                 &settings->text_capacity);
        if (r < 0)
                return r;
        if (skip)
                settings->text[settings->text_size++] = '\0';
        *ret_offset = (uint32_t)settings->text_size;
        memcpy(settings->text + settings->text_size, text, size);
        settings->text_size += size;
        return 0;
}

/* "Example.ORG." to "example.org". -EINVAL for what is no name. */
static int parse_domain(const char *text, char ret_domain[static DOMAIN_LENGTH_MAX + 1])
{
        size_t length = strlen(text), label_length = 0;

        if (length > 0 && text[length - 1] == '.')
                length--;
        if (length == 0 || length > DOMAIN_LENGTH_MAX)
                return -EINVAL;
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char)text[i];

                if (c == '.' && label_length == 0)
                        return -EINVAL;
                label_length = c == '.' ? 0 : label_length + 1;
                if (label_length > DOMAIN_LABEL_LENGTH_MAX)
                        return -EINVAL;
                if (c != '.' && c != '-' && c != '_' && (c >= 0x80 || !isalnum(c)))
                        return -EINVAL;
                ret_domain[i] = (char)tolower(c);
        }
        ret_domain[length] = '\0';
        return label_length > 0 ? 0 : -EINVAL;
}

/* "/a/b": names of 1 to 255 bytes. */
static bool cgroup_is_valid(const char *path)
{
        size_t n_levels = 0, size;

        if (*path != '/' || strlen(path) >= WIRE_STRING_MAX)
                return false;
        while (*path == '/') {
                size = strcspn(++path, "/");
                if (size == 0 || size > CGROUP_NAME_LENGTH_MAX)
                        return false;
                n_levels++;
                path += size;
        }
        return n_levels <= NX_RULE_CGROUP_LEVELS;
}

/* "sha256:0123…" */
static bool digest_is_valid(const char *digest)
{
        const char *digits = digest + strlen(DIGEST_PREFIX);

        return strncmp(digest, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) == 0 &&
               strlen(digits) == DIGEST_DIGITS &&
               strspn(digits, "0123456789abcdef") == DIGEST_DIGITS;
}

/* "TEAM" or "TEAM.identifier"; see netext-bundle(5). */
static bool signer_is_valid(const char *signer)
{
        size_t team = strspn(signer, LETTERS_AND_DIGITS "-");

        if (team == 0 || team > TEAM_LENGTH_MAX)
                return false;
        return signer[team] == '\0' ||
               (signer[team] == '.' && identifier_is_valid(signer + team + 1));
}

/* "DEVICE:INODE", both decimal. */
static int parse_inode(const char *text, struct rule *rule)
{
        int length = 0;

        if (!text)
                return 0;
        if (text[strspn(text, "0123456789:")] || strlen(text) > INODE_LENGTH_MAX ||
            sscanf(text, "%" SCNu64 ":%" SCNu64 "%n", &rule->device, &rule->inode, &length) != 2)
                return -EINVAL;
        return text[length] || rule->inode == 0 ? -EINVAL : 0;
}

static bool path_is_valid(const char *path)
{
        return path[0] == '/' && strlen(path) < WIRE_STRING_MAX;
}

/* "NAME.TYPE", and not "NAME.slice". */
static bool unit_is_valid(const char *unit)
{
        static const char *const types[] = { "service", "scope", "socket", "mount", "swap" };
        const char *dot = strrchr(unit, '.');

        if (!dot || dot == unit || strlen(unit) > CGROUP_NAME_LENGTH_MAX || strchr(unit, '/'))
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(dot + 1, types[i]) == 0)
                        return true;
        return false;
}

static bool protocol_is_valid(int protocol)
{
        return protocol == 0 || protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
               protocol == IPPROTO_ICMP || protocol == IPPROTO_RAW;
}

/* 0 behind the first: it is the only one. */
static bool ports_are_valid(uint16_t first, uint16_t last)
{
        return last == 0 || first <= last;
}

/* Of a program's own flow it is not known yet when the rules are asked. */
static bool local_end_is_valid(const struct nx_rule *rule)
{
        bool names_local_end =
                rule->local_network || rule->local_port_first || rule->local_port_last;

        return ports_are_valid(rule->local_port_first, rule->local_port_last) &&
               (!names_local_end || rule->direction == NX_DIRECTION_INBOUND);
}

static bool rule_is_valid(const struct nx_rule *rule)
{
        if (!options_are_known(rule, sizeof(*rule)))
                return false;
        if (rule->direction < NX_DIRECTION_ANY || rule->direction > NX_DIRECTION_OUTBOUND)
                return false;
        if (!protocol_is_valid(rule->protocol))
                return false;
        if ((rule->program && !path_is_valid(rule->program)) ||
            (rule->started_by && !path_is_valid(rule->started_by)))
                return false;
        if (rule->cgroup && !cgroup_is_valid(rule->cgroup))
                return false;
        if (rule->unit && !unit_is_valid(rule->unit))
                return false;
        if (rule->signer && !signer_is_valid(rule->signer))
                return false;
        if (rule->digest && !digest_is_valid(rule->digest))
                return false;
        if (rule->remote_set &&
            (!name_is_valid(rule->remote_set) || rule->remote_network || rule->remote_domain))
                return false;
        if (rule->label && strlen(rule->label) > RULE_LABEL_LENGTH_MAX)
                return false;
        return ports_are_valid(rule->remote_port_first, rule->remote_port_last) &&
               local_end_is_valid(rule);
}

static int parse_rule(const struct nx_rule *rule, struct rule *ret_rule,
                      char ret_domain[static DOMAIN_LENGTH_MAX + 1])
{
        struct rule parsed = {
                .direction = rule->direction,
                .protocol = rule->protocol,
                .user = rule->user,
                .has_network = rule->remote_network != NULL,
                .port_first = rule->remote_port_first,
                .port_last = rule->remote_port_last,
                .has_local_network = rule->local_network != NULL,
                .local_port_first = rule->local_port_first,
                .local_port_last = rule->local_port_last,
        };
        int r;

        if (parsed.port_last == 0)
                parsed.port_last = parsed.port_first;
        if (parsed.local_port_last == 0)
                parsed.local_port_last = parsed.local_port_first;
        r = parse_inode(rule->inode, &parsed);
        if (r >= 0 && rule->remote_network)
                r = network_parse(rule->remote_network, &parsed.network, &parsed.prefix);
        if (r >= 0 && rule->local_network)
                r = network_parse(rule->local_network, &parsed.local_network, &parsed.local_prefix);
        if (r >= 0 && rule->remote_domain)
                r = parse_domain(rule->remote_domain, ret_domain);
        if (r >= 0)
                *ret_rule = parsed;
        return r;
}

int settings_insert_rule(struct settings *settings, size_t index, enum nx_filter_action action,
                         const struct nx_rule *rule)
{
        char domain[DOMAIN_LENGTH_MAX + 1];
        size_t text_size = settings->text_size;
        struct rule parsed, *at;
        int r;

        if (!rule_is_valid(rule))
                return -EINVAL;
        if (settings->n_rules >= NX_RULES_MAX)
                return -E2BIG;
        r = parse_rule(rule, &parsed, domain);
        if (r < 0)
                return r;
        parsed.action = action;
        r = grow((void **)&settings->rules, sizeof(*settings->rules), settings->n_rules, 1,
                 &settings->rules_capacity);
        if (r >= 0)
                r = add_text(settings, rule->program, &parsed.program);
        if (r >= 0)
                r = add_text(settings, rule->digest, &parsed.digest);
        if (r >= 0)
                r = add_text(settings, rule->cgroup, &parsed.cgroup);
        if (r >= 0)
                r = add_text(settings, rule->unit, &parsed.unit);
        if (r >= 0)
                r = add_text(settings, rule->started_by, &parsed.started_by);
        if (r >= 0)
                r = add_text(settings, rule->signer, &parsed.signer);
        if (r >= 0)
                r = add_text(settings, rule->remote_domain ? domain : NULL, &parsed.domain);
        if (r >= 0)
                r = add_text(settings, rule->remote_set, &parsed.set);
        if (r >= 0)
                r = add_text(settings, rule->label, &parsed.label);
        if (r < 0) {
                settings->text_size = text_size;
                return r;
        }
        at = &settings->rules[index];
        memmove(at + 1, at, (settings->n_rules - index) * sizeof(*at));
        *at = parsed;
        settings->n_rules++;
        return 0;
}

static bool packet_rule_is_valid(const struct nx_packet_rule *rule)
{
        if (!options_are_known(rule, sizeof(*rule)))
                return false;
        if (rule->direction < NX_DIRECTION_ANY || rule->direction > NX_DIRECTION_OUTBOUND)
                return false;
        if (rule->protocol < 0 || rule->protocol > UINT8_MAX)
                return false;
        return !rule->interface || (rule->interface[0] && strlen(rule->interface) < IF_NAMESIZE);
}

int settings_add_packet_rule(struct settings *settings, const struct nx_packet_rule *rule)
{
        struct rule parsed = {};
        int r = 0;

        if (!packet_rule_is_valid(rule))
                return -EINVAL;
        if (settings->n_rules >= NX_PACKET_RULES_MAX)
                return -E2BIG;
        parsed = (struct rule){
                .action = NX_FILTER_ACTION_FILTER_DATA,
                .direction = rule->direction,
                .ip_protocol = rule->protocol,
                .user = NX_ANY_USER,
                .has_network = rule->remote_network != NULL,
        };
        if (rule->remote_network)
                r = network_parse(rule->remote_network, &parsed.network, &parsed.prefix);
        if (r >= 0)
                r = grow((void **)&settings->rules, sizeof(*settings->rules), settings->n_rules, 1,
                         &settings->rules_capacity);
        if (r >= 0)
                r = add_text(settings, rule->interface, &parsed.interface);
        if (r >= 0)
                settings->rules[settings->n_rules++] = parsed;
        return r;
}

static void *copy_block(const void *block, size_t size)
{
        void *copy = malloc(size ? size : 1);

        if (copy && size)
                memcpy(copy, block, size);
        return copy;
}

struct settings *settings_copy(const struct settings *settings)
{
        _cleanup_(cleanup_settings) struct settings *copy = NULL;

        copy = copy_block(settings, sizeof(*settings));
        if (!copy)
                return NULL;
        copy->rules = copy_block(settings->rules, settings->n_rules * sizeof(*settings->rules));
        copy->text = copy_block(settings->text, settings->text_size);
        if (!copy->rules || !copy->text)
                return NULL;
        copy->rules_capacity = copy->n_rules;
        copy->text_capacity = copy->text_size;
        return take_ptr(copy);
}

static void put_text(const struct settings *settings, struct wire_writer *writer,
                     enum wire_attribute attribute, uint32_t offset)
{
        if (offset)
                wire_put_string(writer, attribute, settings->text + offset);
}

/* What a rule does not mention is left out and matches everything. */
static void put_rule(const struct settings *settings, struct wire_writer *writer,
                     const struct rule *rule)
{
        wire_put(writer, WIRE_ATTR_ACTION, (uint64_t)rule->action);
        if (rule->direction != NX_DIRECTION_ANY)
                wire_put(writer, WIRE_ATTR_DIRECTION, (uint64_t)rule->direction);
        if (rule->protocol)
                wire_put(writer, WIRE_ATTR_PROTOCOL, (uint64_t)rule->protocol);
        if (rule->ip_protocol)
                wire_put(writer, WIRE_ATTR_IP_PROTOCOL, (uint64_t)rule->ip_protocol);
        if (rule->user != NX_ANY_USER)
                wire_put(writer, WIRE_ATTR_UID, rule->user);
        if (rule->has_network) {
                wire_put_address(writer, WIRE_ATTR_REMOTE_ADDRESS, &rule->network);
                wire_put(writer, WIRE_ATTR_REMOTE_PREFIX, rule->prefix);
        }
        if (rule->port_last) {
                wire_put(writer, WIRE_ATTR_PORT_FIRST, rule->port_first);
                wire_put(writer, WIRE_ATTR_PORT_LAST, rule->port_last);
        }
        if (rule->has_local_network) {
                wire_put_address(writer, WIRE_ATTR_LOCAL_ADDRESS, &rule->local_network);
                wire_put(writer, WIRE_ATTR_LOCAL_PREFIX, rule->local_prefix);
        }
        if (rule->local_port_last) {
                wire_put(writer, WIRE_ATTR_LOCAL_PORT_FIRST, rule->local_port_first);
                wire_put(writer, WIRE_ATTR_LOCAL_PORT_LAST, rule->local_port_last);
        }
        if (rule->inode) {
                wire_put(writer, WIRE_ATTR_PROGRAM_DEVICE, rule->device);
                wire_put(writer, WIRE_ATTR_PROGRAM_INODE, rule->inode);
        }
        put_text(settings, writer, WIRE_ATTR_PROGRAM, rule->program);
        put_text(settings, writer, WIRE_ATTR_PROGRAM_DIGEST, rule->digest);
        put_text(settings, writer, WIRE_ATTR_CGROUP, rule->cgroup);
        put_text(settings, writer, WIRE_ATTR_UNIT, rule->unit);
        put_text(settings, writer, WIRE_ATTR_STARTED_BY, rule->started_by);
        put_text(settings, writer, WIRE_ATTR_SIGNER, rule->signer);
        put_text(settings, writer, WIRE_ATTR_DOMAIN, rule->domain);
        put_text(settings, writer, WIRE_ATTR_NAME, rule->set);
        put_text(settings, writer, WIRE_ATTR_LABEL, rule->label);
        put_text(settings, writer, WIRE_ATTR_INTERFACE, rule->interface);
}

/* More than the messages can need: a rule without its strings is under 220 bytes. */
static size_t size_bound(const struct settings *settings)
{
        return (settings->n_rules + 2) * 240 + settings->text_size;
}

int settings_send(const struct settings *settings, struct channel *channel, uint64_t id)
{
        struct wire_writer *writer;
        int r;

        if (channel->backlog + channel->writer.size + size_bound(settings) > channel->backlog_max)
                return -ENOBUFS;
        writer = channel_begin(channel, NX_MSG_ENGINE_SETTINGS_BEGIN, id);
        wire_put(writer, WIRE_ATTR_ACTION, (uint64_t)settings->default_action);
        wire_put(writer, WIRE_ATTR_LOOPBACK, settings->loopback);
        if (settings->udp_idle_s)
                wire_put(writer, WIRE_ATTR_UDP_IDLE_S, settings->udp_idle_s);
        r = channel_end(channel);
        for (size_t i = 0; i < settings->n_rules && r >= 0; i++) {
                writer = channel_begin(channel, NX_MSG_ENGINE_SETTINGS_RULE, id);
                put_rule(settings, writer, &settings->rules[i]);
                r = channel_end(channel);
        }
        if (r < 0)
                return r;
        channel_begin(channel, NX_MSG_ENGINE_SETTINGS_COMMIT, id);
        return channel_end(channel);
}
