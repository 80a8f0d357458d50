/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A bundle's report and facts, to messages and back. Facts are told by their key, one line of
 * a table each; lists are told item by item, an endpoint before its peers.
 */

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "bundle/answer.h"

#define FACTS_MAX 8192

enum fact_type {
        FACT_TEXT,   /* char *, perhaps NULL */
        FACT_DIGEST, /* char[BUNDLE_DIGEST_SIZE] */
        FACT_U64,
        FACT_U32,
        FACT_BOOL,
};

static const struct fact {
        const char *key;
        enum fact_type type;
        size_t offset;
} facts[] = {
#define FACT(key, type, member)                                                                    \
        {                                                                                          \
                key, type, offsetof(struct bundle, member)                                         \
        }
        FACT("identifier", FACT_TEXT, manifest.identifier),
        FACT("version", FACT_TEXT, manifest.version),
        FACT("short_version", FACT_TEXT, manifest.short_version),
        FACT("team", FACT_TEXT, manifest.team),
        FACT("requires_netext", FACT_TEXT, manifest.requires_netext),
        FACT("name", FACT_TEXT, manifest.name),
        FACT("vendor", FACT_TEXT, manifest.vendor),
        FACT("usage_description", FACT_TEXT, manifest.usage_description),
        FACT("icon", FACT_TEXT, manifest.icon),
        FACT("category", FACT_U32, manifest.category),
        FACT("scope", FACT_U32, manifest.scope),
        FACT("kinds", FACT_U32, manifest.kinds),
        FACT("capabilities", FACT_U32, manifest.capabilities),
        FACT("grace_time", FACT_U32, manifest.grace_time),
        FACT("executable", FACT_TEXT, manifest.executable),
        FACT("signer.team", FACT_TEXT, signer.team),
        FACT("signer.name", FACT_TEXT, signer.name),
        FACT("signer.root", FACT_TEXT, signer.root),
        FACT("signer.identity", FACT_TEXT, signer.identity),
        FACT("signer.certificate", FACT_DIGEST, signer.certificate),
        FACT("signer.signed_at", FACT_U64, signer.signed_at),
        FACT("signer.valid_until", FACT_U64, signer.valid_until),
        FACT("signer.is_trusted", FACT_BOOL, signer.is_trusted),
        FACT("digest", FACT_DIGEST, digest),
        FACT("size", FACT_U64, size),
        FACT("n_files", FACT_U64, n_files),
#undef FACT
};

static_assert(sizeof(enum manifest_category) == sizeof(uint32_t) &&
                      sizeof(enum manifest_scope) == sizeof(uint32_t),
              "they travel as one");

/* --- the worker's side ----------------------------------------------------------------- */

static int send_check(struct channel *channel, const struct bundle_finding *finding)
{
        struct wire_writer *writer = channel_begin(channel, NX_MSG_MANAGER_BUNDLE_CHECK, 0);

        wire_put_string(writer, WIRE_ATTR_NAME, bundle_check_name(finding->check));
        wire_put(writer, WIRE_ATTR_CHECK_RESULT, finding->result);
        wire_put_string(writer, WIRE_ATTR_FILE, finding->file);
        wire_put_string(writer, WIRE_ATTR_KEY, finding->key);
        wire_put_string(writer, WIRE_ATTR_TEXT, finding->text);
        return channel_end(channel);
}

static int send_text(struct channel *channel, const char *key, const char *text)
{
        struct wire_writer *writer;

        if (!text)
                return 0;
        writer = channel_begin(channel, NX_MSG_MANAGER_BUNDLE_FACT, 0);
        wire_put_string(writer, WIRE_ATTR_KEY, key);
        wire_put_string(writer, WIRE_ATTR_TEXT, text);
        return channel_end(channel);
}

/* 0 is what is not said. */
static int send_count(struct channel *channel, const char *key, uint64_t count)
{
        struct wire_writer *writer;

        if (count == 0)
                return 0;
        writer = channel_begin(channel, NX_MSG_MANAGER_BUNDLE_FACT, 0);
        wire_put_string(writer, WIRE_ATTR_KEY, key);
        wire_put(writer, WIRE_ATTR_COUNT, count);
        return channel_end(channel);
}

static int send_fact(struct channel *channel, const struct fact *fact, const struct bundle *bundle)
{
        const char *at = (const char *)bundle + fact->offset;

        switch (fact->type) {
        case FACT_TEXT:
                return send_text(channel, fact->key, *(char *const *)(const void *)at);
        case FACT_DIGEST:
                return send_text(channel, fact->key, *at ? at : NULL);
        case FACT_U64:
                return send_count(channel, fact->key, *(const uint64_t *)(const void *)at);
        case FACT_U32:
                return send_count(channel, fact->key, *(const uint32_t *)(const void *)at);
        default:
                return send_count(channel, fact->key, *(const bool *)(const void *)at);
        }
}

static int send_endpoint(struct channel *channel, const struct manifest_endpoint *endpoint)
{
        int r = send_text(channel, "endpoint", endpoint->name ?: "");

        for (size_t i = 0; i < endpoint->n_peers && r >= 0; i++)
                r = send_text(channel, manifest_peer_kind_name(endpoint->peers[i].kind),
                              endpoint->peers[i].value ?: "");
        for (char **word = endpoint->activation; word && *word && r >= 0; word++)
                r = send_text(channel, "activation", *word);
        return r;
}

int bundle_answer_send(struct channel *channel, const struct bundle *bundle, int result,
                       const char *problem)
{
        const struct bundle_report *report = &bundle->report;
        const struct manifest *manifest = &bundle->manifest;
        struct wire_writer *writer;
        int r = 0;

        for (size_t i = 0; i < report->n_findings && r >= 0; i++)
                r = send_check(channel, &report->findings[i]);
        for (size_t i = 0; i < ARRAY_SIZE(facts) && r >= 0; i++)
                r = send_fact(channel, &facts[i], bundle);
        for (size_t i = 0; i < manifest->n_endpoints && r >= 0; i++)
                r = send_endpoint(channel, &manifest->endpoints[i]);
        for (size_t i = 0; i < manifest->n_groups && r >= 0; i++)
                r = send_text(channel, "shared-group", manifest->groups[i]);
        if (r < 0)
                return r;
        writer = channel_begin(channel, NX_MSG_MANAGER_BUNDLE_DONE, 0);
        wire_put(writer, WIRE_ATTR_RESULT, (uint64_t)(int64_t)result);
        wire_put_string(writer, WIRE_ATTR_TEXT, problem);
        r = channel_end(channel);
        return r < 0 ? r : channel_flush(channel);
}

/* --- netextd's side -------------------------------------------------------------------- */

void bundle_answer_deinit(struct bundle_answer *answer)
{
        bundle_deinit(&answer->bundle);
        free(answer->problem);
        *answer = (struct bundle_answer){};
}

static int take_check(struct bundle_answer *answer, const struct wire_message *message)
{
        struct bundle_finding finding = {
                .result = (enum wire_check_result)wire_get(message, WIRE_ATTR_CHECK_RESULT),
                .file = (char *)wire_get_string(message, WIRE_ATTR_FILE),
                .key = (char *)wire_get_string(message, WIRE_ATTR_KEY),
                .text = (char *)wire_get_string(message, WIRE_ATTR_TEXT),
        };
        int check = bundle_check_from_name(wire_get_string(message, WIRE_ATTR_NAME));

        if (check < 0)
                return -EBADMSG;
        finding.check = (enum bundle_check)check;
        return bundle_report_add(&answer->bundle.report, &finding);
}

static int set_text(char **target, const char *text)
{
        char *copy = text ? strdup(text) : NULL;

        if (!text)
                return -EBADMSG;
        if (!copy)
                return -ENOMEM;
        free(*target);
        *target = copy;
        return 0;
}

static int set_digest(char *target, const char *text)
{
        if (!text || strlen(text) != BUNDLE_DIGEST_SIZE - 1 ||
            strspn(text, "0123456789abcdef") != BUNDLE_DIGEST_SIZE - 1)
                return -EBADMSG;
        memcpy(target, text, BUNDLE_DIGEST_SIZE);
        return 0;
}

static int take_value(struct bundle *bundle, const struct fact *fact,
                      const struct wire_message *message)
{
        void *at = (char *)bundle + fact->offset;
        const char *text = wire_get_string(message, WIRE_ATTR_TEXT);
        uint64_t count = wire_get(message, WIRE_ATTR_COUNT);

        switch (fact->type) {
        case FACT_TEXT:
                return set_text(at, text);
        case FACT_DIGEST:
                return set_digest(at, text);
        case FACT_U64:
                *(uint64_t *)at = count;
                return 0;
        case FACT_U32:
                *(uint32_t *)at = (uint32_t)count;
                return 0;
        default:
                *(bool *)at = count != 0;
                return 0;
        }
}

/* Room for one more item behind n, and a zero behind that. */
static int grow(void *array, size_t n, size_t max, size_t item_size)
{
        char **items = array;
        char *grown;

        if (n >= max)
                return -E2BIG;
        grown = realloc(*items, (n + 2) * item_size);
        if (!grown)
                return -ENOMEM;
        memset(grown + n * item_size, 0, 2 * item_size);
        *items = grown;
        return 0;
}

static int take_endpoint(struct manifest *manifest, const char *text)
{
        int r = grow(&manifest->endpoints, manifest->n_endpoints, MANIFEST_ENDPOINTS_MAX,
                     sizeof(*manifest->endpoints));

        return r < 0 ? r : set_text(&manifest->endpoints[manifest->n_endpoints++].name, text);
}

static int take_group(struct manifest *manifest, const char *text)
{
        int r = grow(&manifest->groups, manifest->n_groups, MANIFEST_GROUPS_MAX, sizeof(char *));

        return r < 0 ? r : set_text(&manifest->groups[manifest->n_groups++], text);
}

static int take_activation(struct manifest_endpoint *endpoint, const char *text)
{
        size_t n = 0;
        int r;

        while (endpoint->activation && endpoint->activation[n])
                n++;
        r = grow(&endpoint->activation, n, MANIFEST_ACTIVATION_MAX, sizeof(char *));
        return r < 0 ? r : set_text(&endpoint->activation[n], text);
}

static int take_peer(struct manifest_endpoint *endpoint, enum manifest_peer_kind kind,
                     const char *text)
{
        struct manifest_peer *peer;
        int r = grow(&endpoint->peers, endpoint->n_peers, MANIFEST_PEERS_MAX,
                     sizeof(*endpoint->peers));

        if (r < 0)
                return r;
        peer = &endpoint->peers[endpoint->n_peers++];
        peer->kind = kind;
        return kind == MANIFEST_PEER_EVERYONE ? 0 : set_text(&peer->value, text);
}

static int take_item(struct manifest *manifest, const char *key, const char *text)
{
        struct manifest_endpoint *endpoint;

        if (!text)
                return -EBADMSG;
        if (strcmp(key, "endpoint") == 0)
                return take_endpoint(manifest, text);
        if (strcmp(key, "shared-group") == 0)
                return take_group(manifest, text);
        if (manifest->n_endpoints == 0)
                return -EBADMSG;
        endpoint = &manifest->endpoints[manifest->n_endpoints - 1];
        if (strcmp(key, "activation") == 0)
                return take_activation(endpoint, text);
        for (unsigned int kind = 0; kind < _MANIFEST_PEER_MAX; kind++)
                if (strcmp(manifest_peer_kind_name(kind), key) == 0)
                        return take_peer(endpoint, kind, text);
        return -EBADMSG;
}

/* "team" is a manifest's value as well as a peer's kind: values come before the first endpoint. */
static int take_fact(struct bundle_answer *answer, const struct wire_message *message)
{
        struct manifest *manifest = &answer->bundle.manifest;
        const char *key = wire_get_string(message, WIRE_ATTR_KEY);

        if (++answer->n_facts > FACTS_MAX)
                return -E2BIG;
        for (size_t i = 0; i < ARRAY_SIZE(facts) && manifest->n_endpoints == 0; i++)
                if (strcmp(facts[i].key, key) == 0)
                        return take_value(&answer->bundle, &facts[i], message);
        return take_item(manifest, key, wire_get_string(message, WIRE_ATTR_TEXT));
}

static int take_done(struct bundle_answer *answer, const struct wire_message *message)
{
        const char *problem = wire_get_string(message, WIRE_ATTR_TEXT);

        answer->is_done = true;
        answer->result = wire_get_i32(message, WIRE_ATTR_RESULT);
        return problem ? set_text(&answer->problem, problem) : 0;
}

int bundle_answer_take(struct bundle_answer *answer, const struct wire_message *message)
{
        if (answer->is_done)
                return -EBADMSG;
        switch (message->type) {
        case NX_MSG_MANAGER_BUNDLE_CHECK:
                return take_check(answer, message);
        case NX_MSG_MANAGER_BUNDLE_FACT:
                return take_fact(answer, message);
        case NX_MSG_MANAGER_BUNDLE_DONE:
                return take_done(answer, message);
        default:
                return -EBADMSG;
        }
}

static bool has_all(const struct bundle *bundle)
{
        return manifest_is_sound(&bundle->manifest) && *bundle->digest && bundle->signer.identity;
}

bool bundle_answer_is_good(const struct bundle_answer *answer)
{
        return answer->is_done && answer->result == 0 &&
               bundle_report_is_good(&answer->bundle.report) &&
               (answer->n_facts == 0 || has_all(&answer->bundle));
}

bool bundle_answer_is_bundle(const struct bundle_answer *answer)
{
        return bundle_answer_is_good(answer) && answer->n_facts > 0;
}
