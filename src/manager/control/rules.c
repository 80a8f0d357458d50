/* SPDX-License-Identifier: Apache-2.0 */

/* A rule is shown as what it says: its action is a word, its network one text. */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <netext/filter.h>

#include "base/endpoint.h"
#include "manager/control/answer.h"
#include "manager/control/record.h"
#include "manager/control/rules.h"
#include "manager/loop/text.h"

static const struct wire_name actions[] = {
        { NX_FILTER_ACTION_ALLOW, "allow" },
        { NX_FILTER_ACTION_DROP, "deny" },
        { NX_FILTER_ACTION_FILTER_DATA, "ask" },
        {},
};

static int put_network(sd_bus_message *record, const char *key, const struct wire_message *rule,
                       enum wire_attribute address_attribute, enum wire_attribute prefix_attribute)
{
        struct in6_addr network = wire_get_address(rule, address_attribute);
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(&network);
        uint64_t prefix = wire_has(rule, prefix_attribute) ? wire_get(rule, prefix_attribute) : 128;
        char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 8];

        address_to_string(&network, address);
        if (prefix == 128)
                snprintf(text, sizeof(text), "%s", address);
        else if (is_v4 && prefix >= 96)
                snprintf(text, sizeof(text), "%s/%u", address, (unsigned int)prefix - 96);
        else
                snprintf(text, sizeof(text), "%s/%u", address, (unsigned int)prefix);
        return record_put_string(record, key, text);
}

static int put_rule(sd_bus_message *record, const struct wire_message *rule)
{
        struct wire_message rest = *rule;
        int r;

        rest.present &=
                ~(WIRE_HAS(SESSION) | WIRE_HAS(ACTION) | WIRE_HAS(NAME) | WIRE_HAS(REMOTE_ADDRESS) |
                  WIRE_HAS(REMOTE_PREFIX) | WIRE_HAS(LOCAL_ADDRESS) | WIRE_HAS(LOCAL_PREFIX));
        r = record_put_string(record, "action",
                              wire_name_to_string(actions, (int)wire_get(rule, WIRE_ATTR_ACTION)));
        if (r >= 0)
                r = record_put_string(record, "set", wire_get_string(rule, WIRE_ATTR_NAME));
        if (r >= 0 && wire_has(rule, WIRE_ATTR_REMOTE_ADDRESS))
                r = put_network(record, "network", rule, WIRE_ATTR_REMOTE_ADDRESS,
                                WIRE_ATTR_REMOTE_PREFIX);
        if (r >= 0 && wire_has(rule, WIRE_ATTR_LOCAL_ADDRESS))
                r = put_network(record, "local_network", rule, WIRE_ATTR_LOCAL_ADDRESS,
                                WIRE_ATTR_LOCAL_PREFIX);
        return r < 0 ? r : record_put_attributes(record, &rest);
}

static int append_rule(struct control *control, sd_bus_message *record,
                       const struct wire_message *rule, const struct wire_message *asked)
{
        return put_rule(record, rule);
}

/* Where the session would ask people, an answer may be there already. */
static int append_judged(struct control *control, sd_bus_message *record,
                         const struct wire_message *judged, const struct wire_message *asked)
{
        const char *session = wire_get_string(judged, WIRE_ATTR_SESSION_NAME) ?: "";
        const struct kept_answer *kept = NULL;
        int r;

        r = put_rule(record, judged);
        if (asked && wire_get(judged, WIRE_ATTR_ACTION) == NX_FILTER_ACTION_FILTER_DATA)
                kept = kept_find(&control->questions->kept, session, asked);
        if (r < 0 || !kept)
                return r;
        r = record_put_uint64(record, "answer", kept_get_number(kept));
        return r < 0 ? r
                     : record_put_string(record, "answer_verdict",
                                         wire_name_to_string(wire_verdicts,
                                                             (int)wire_get(&kept->entry->message,
                                                                           WIRE_ATTR_VERDICT)));
}

int rules_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        struct session *session;
        uint8_t buffer[64];
        struct wire_writer writer;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        session = session_table_find(client->control->sessions, name);
        if (!session || !session->announced)
                return control_refuse(message, -ENOENT, "there is no session \"%s\"", name);
        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_FLOWD_RULES_LIST, 0);
        wire_put(&writer, WIRE_ATTR_SESSION, session->slot);
        (void)wire_end(&writer);
        return answer_list(client, message, NX_MSG_FLOWD_RULES_LIST, letter_from(&writer),
                           append_rule);
}

/* --- what they would decide --------------------------------------------------------------- */

static int put_host(struct wire_writer *writer, const char *host)
{
        char name[256];
        struct in6_addr address;

        if (address_from_string(host, &address) == 0) {
                wire_put_address(writer, WIRE_ATTR_REMOTE_ADDRESS, &address);
                return 0;
        }
        if (!*host || strlen(host) >= sizeof(name))
                return -EINVAL;
        for (size_t i = 0; i <= strlen(host); i++)
                name[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 'a' - 'A' : host[i]);
        wire_put_string(writer, WIRE_ATTR_REMOTE_NAME, name);
        return 0;
}

static int put_local_address(struct wire_writer *writer, const char *text)
{
        struct in6_addr address;

        if (address_from_string(text, &address) < 0)
                return -EINVAL;
        wire_put_address(writer, WIRE_ATTR_LOCAL_ADDRESS, &address);
        return 0;
}

static int read_text(sd_bus_message *message, const char *key, struct wire_writer *writer)
{
        const char *word;
        int r, value;

        r = sd_bus_message_read(message, "v", "s", &word);
        if (r < 0)
                return r;
        if (strcmp(key, "host") == 0)
                return put_host(writer, word);
        if (strcmp(key, "local_address") == 0)
                return put_local_address(writer, word);
        if (strcmp(key, "program") == 0) {
                wire_put_string(writer, WIRE_ATTR_PROGRAM, word);
                return 0;
        }
        value = wire_name_from_string(
                strcmp(key, "protocol") == 0 ? wire_protocols : wire_directions, word);
        if (value < 0)
                return -EINVAL;
        wire_put(writer, strcmp(key, "protocol") == 0 ? WIRE_ATTR_PROTOCOL : WIRE_ATTR_DIRECTION,
                 (uint64_t)value);
        return 0;
}

static int read_entry(sd_bus_message *message, struct wire_writer *writer)
{
        static const struct {
                const char *key;
                enum wire_attribute attribute;
        } numbers[] = { { "port", WIRE_ATTR_REMOTE_PORT },
                        { "local_port", WIRE_ATTR_LOCAL_PORT },
                        { "user", WIRE_ATTR_UID } };
        static const char *const texts[] = { "host", "program", "protocol", "direction",
                                             "local_address" };
        const char *key;
        uint32_t number;
        int r;

        r = sd_bus_message_read(message, "s", &key);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (strcmp(key, texts[i]) == 0)
                        return read_text(message, key, writer);
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
                if (strcmp(key, numbers[i].key) != 0)
                        continue;
                r = sd_bus_message_read(message, "v", "u", &number);
                if (r >= 0)
                        wire_put(writer, numbers[i].attribute, number);
                return r;
        }
        return -EINVAL;
}

/* NULL: it is none. */
static struct letter *read_flow(sd_bus_message *message)
{
        uint8_t buffer[4096];
        struct wire_writer writer;
        int r;

        wire_writer_init(&writer, buffer, sizeof(buffer));
        wire_begin(&writer, NX_MSG_FLOWD_RULES_JUDGE, 0);
        wire_put(&writer, WIRE_ATTR_PROGRAM_TRUSTED, true);
        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_entry(message, &writer);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
        }
        return r < 0 || wire_end(&writer) < 0 ? NULL : letter_from(&writer);
}

int rules_judge(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct letter *flow = read_flow(message);

        if (!flow)
                return control_refuse(message, -EINVAL,
                                      "a flow to judge has program, host, port, user, protocol, "
                                      "direction, and perhaps local_address and local_port");
        return answer_list(userdata, message, NX_MSG_FLOWD_RULES_JUDGE, flow, append_judged);
}
