/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The manifest from its JSON. Every key has a line in a table and a function that reads it;
 * what is wrong is said with the key's place, and the rest is read all the same, so that one
 * look shows everything that there is to mend.
 */

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <netext/netext.h>

#include "base/cleanup.h"
#include "bundle/manifest.h"
#include "bundle/text.h"
#include "bundle/version.h"

#define KEY_SIZE  160 /* of "endpoints[31].peers[63].executable" and of what is odd, cut */
#define KINDS_MAX 32

struct parser {
        struct manifest *manifest;
        struct bundle_report *report;
};

/* Complaints of the manifest: parser, check without its prefix, key, sentence. */
#define fail(parser, check, key, ...)                                                              \
        bundle_report_fail((parser)->report, BUNDLE_CHECK_##check, MANIFEST_FILE, key, __VA_ARGS__)
#define warn(parser, check, key, ...)                                                              \
        bundle_report_warn((parser)->report, BUNDLE_CHECK_##check, MANIFEST_FILE, key, __VA_ARGS__)

static const char *type_name(const json_t *value)
{
        switch (json_typeof(value)) {
        case JSON_OBJECT:
                return "an object";
        case JSON_ARRAY:
                return "a list";
        case JSON_STRING:
                return "a string";
        case JSON_INTEGER:
        case JSON_REAL:
                return "a number";
        case JSON_NULL:
                return "null";
        default:
                return "true or false";
        }
}

/* The string, or NULL after a complaint. */
static const char *read_string(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = json_string_value(value);

        if (!text)
                fail(parser, MANIFEST_TYPE, key, "has to be a string, and is %s", type_name(value));
        else if (strlen(text) > MANIFEST_TEXT_MAX)
                fail(parser, MANIFEST_TEXT, key, "is too long: at most %d bytes",
                     MANIFEST_TEXT_MAX);
        else if (!text_is_printable(text))
                fail(parser, MANIFEST_TEXT, key,
                     "has characters in it that are not shown, or change how others are: control "
                     "characters, line ends, directions");
        else
                return text;
        return NULL;
}

static bool is_type(struct parser *parser, const char *key, const json_t *value, json_type type,
                    const char *expected)
{
        if (json_typeof(value) == type)
                return true;
        fail(parser, MANIFEST_TYPE, key, "has to be %s, and is %s", expected, type_name(value));
        return false;
}

static void keep(struct parser *parser, char **target, const char *text)
{
        free(*target);
        *target = strdup(text);
        if (!*target)
                parser->report->incomplete = true;
}

/* --- strings --------------------------------------------------------------------------- */

#define TEAM_FORM_SENTENCE                                                                         \
        "'%s' is no team: expected letters, digits and dashes, at most 32, as in the "             \
        "certificate's OU"
#define VERSION_FORM_SENTENCE "'%s' is no version: expected one to three numbers, such as 1.4.2"

static void read_identifier(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (text && manifest_is_identifier(text))
                keep(parser, &parser->manifest->identifier, text);
        else if (text)
                fail(parser, IDENTIFIER_FORM, key,
                     "'%s' is no identifier: expected a reversed domain of letters, digits and "
                     "dashes, such as com.example.filter, at most %d characters",
                     text, MANIFEST_IDENTIFIER_MAX);
}

static void read_version(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (text && manifest_is_version(text))
                keep(parser, &parser->manifest->version, text);
        else if (text)
                fail(parser, VERSION_FORM, key, VERSION_FORM_SENTENCE, text);
}

static void read_short_version(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (text && manifest_is_version(text))
                keep(parser, &parser->manifest->short_version, text);
        else if (text)
                fail(parser, SHORT_VERSION_FORM, key, VERSION_FORM_SENTENCE, text);
}

static void read_team(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (text && manifest_is_team(text))
                keep(parser, &parser->manifest->team, text);
        else if (text)
                fail(parser, TEAM_FORM, key, TEAM_FORM_SENTENCE, text);
}

static void read_requires_netext(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (!text)
                return;
        if (!manifest_is_version(text)) {
                fail(parser, REQUIRES_NETEXT_FORM, key, VERSION_FORM_SENTENCE, text);
                return;
        }
        keep(parser, &parser->manifest->requires_netext, text);
        if (version_compare(text, NETEXT_VERSION) > 0)
                fail(parser, REQUIRES_NETEXT_LATER, key,
                     "is %s, and this netext is %s: install a later netext", text, NETEXT_VERSION);
}

static void read_name(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (text && *text)
                keep(parser, &parser->manifest->name, text);
        else if (text)
                fail(parser, NAME_MISSING, key, "is empty: people are asked about it by its name");
}

static void read_vendor(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (text)
                keep(parser, &parser->manifest->vendor, text);
}

static void read_usage_description(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (text && *text)
                keep(parser, &parser->manifest->usage_description, text);
        else if (text)
                fail(parser, USAGE_MISSING, key,
                     "is empty: people read it when they are asked to approve the extension");
}

static void read_icon(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);
        const char *problem = text ? path_problem(text) : NULL;

        if (problem)
                fail(parser, ICON_PATH, key, "'%s' %s", text, problem);
        else if (text)
                keep(parser, &parser->manifest->icon, text);
}

static void read_executable(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);
        const char *problem = text ? path_problem(text) : NULL;

        if (problem)
                fail(parser, EXECUTABLE_PATH, key, "'%s' %s", text, problem);
        else if (text)
                keep(parser, &parser->manifest->executable, text);
}

static void read_category(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (!text)
                return;
        for (unsigned int i = 0; i < _MANIFEST_CATEGORY_MAX; i++)
                if (strcmp(text, manifest_category_name(i)) == 0) {
                        parser->manifest->category = i;
                        return;
                }
        fail(parser, CATEGORY_UNKNOWN, key,
             "'%s' is no category: there are network, endpoint-security, driver and camera", text);
}

static void read_scope(struct parser *parser, const char *key, const json_t *value)
{
        const char *text = read_string(parser, key, value);

        if (!text)
                return;
        for (unsigned int i = 0; i < _MANIFEST_SCOPE_MAX; i++)
                if (strcmp(text, manifest_scope_name(i)) == 0) {
                        parser->manifest->scope = i;
                        return;
                }
        fail(parser, SCOPE_UNKNOWN, key,
             "'%s' is no scope: there are system (one process for all its sessions) and session "
             "(a process for each)",
             text);
}

/* --- lists ----------------------------------------------------------------------------- */

static void read_provider(struct parser *parser, const char *key, const char *text)
{
        uint32_t *kinds = &parser->manifest->kinds;

        for (unsigned int kind = 0; kind < KINDS_MAX; kind++) {
                const char *name = manifest_provider_name(kind);

                if (!name || strcmp(name, text) != 0)
                        continue;
                if (*kinds & 1U << kind)
                        fail(parser, PROVIDERS_DUPLICATE, key, "'%s' is there twice", text);
                *kinds |= 1U << kind;
                return;
        }
        fail(parser, PROVIDERS_UNKNOWN, key,
             "'%s' is no provider that this netext knows: there are filter, transparent-proxy, "
             "app-proxy and packet-filter",
             text);
}

static void read_capability(struct parser *parser, const char *key, const char *text)
{
        uint32_t *capabilities = &parser->manifest->capabilities;

        for (unsigned int i = 0; i < _MANIFEST_CAPABILITY_MAX; i++) {
                if (strcmp(manifest_capability_name(i), text) != 0)
                        continue;
                if (*capabilities & 1U << i)
                        fail(parser, CAPABILITIES_DUPLICATE, key, "'%s' is there twice", text);
                *capabilities |= 1U << i;
                return;
        }
        fail(parser, CAPABILITIES_UNKNOWN, key,
             "'%s' is no capability that this netext can give: netext-bundle(5) lists them", text);
}

static void read_words(struct parser *parser, const char *key, const json_t *value,
                       void (*read)(struct parser *parser, const char *key, const char *text))
{
        const json_t *item;
        size_t i;

        if (!is_type(parser, key, value, JSON_ARRAY, "a list of strings"))
                return;
        json_array_foreach(value, i, item)
        {
                char place[KEY_SIZE];
                const char *text;

                snprintf(place, sizeof(place), "%s[%zu]", key, i);
                text = read_string(parser, place, item);
                if (text)
                        read(parser, place, text);
        }
}

static void read_providers(struct parser *parser, const char *key, const json_t *value)
{
        read_words(parser, key, value, read_provider);
}

static void read_capabilities(struct parser *parser, const char *key, const json_t *value)
{
        read_words(parser, key, value, read_capability);
}

static void read_group(struct parser *parser, const char *key, const char *text)
{
        struct manifest *manifest = parser->manifest;

        if (!manifest_is_name(text)) {
                fail(parser, GROUPS_FORM, key,
                     "'%s' is no group: expected letters, digits, dashes, dots and underscores, "
                     "at most %d",
                     text, MANIFEST_NAME_MAX);
                return;
        }
        for (size_t i = 0; i < manifest->n_groups; i++)
                if (strcmp(manifest->groups[i], text) == 0) {
                        fail(parser, GROUPS_DUPLICATE, key, "'%s' is there twice", text);
                        return;
                }
        keep(parser, &manifest->groups[manifest->n_groups], text);
        manifest->n_groups += manifest->groups[manifest->n_groups] != NULL;
}

static void read_groups(struct parser *parser, const char *key, const json_t *value)
{
        if (json_array_size(value) > MANIFEST_GROUPS_MAX) {
                fail(parser, GROUPS_COUNT, key, "has %zu groups: there can be %d",
                     json_array_size(value), MANIFEST_GROUPS_MAX);
                return;
        }
        parser->manifest->groups = calloc(MANIFEST_GROUPS_MAX + 1, sizeof(char *));
        if (parser->manifest->groups)
                read_words(parser, key, value, read_group);
        else
                parser->report->incomplete = true;
}

/* --- endpoints ------------------------------------------------------------------------- */

/* {"user": "alice"}: one key. */
static void read_peer_object(struct parser *parser, const char *key, const json_t *value,
                             struct manifest_peer *peer)
{
        const char *kind = json_object_iter_key(json_object_iter((json_t *)value));
        char place[KEY_SIZE];
        const char *text, *problem;

        if (json_object_size(value) != 1) {
                fail(parser, ENDPOINTS_PEERS, key,
                     "has %zu keys: expected one of user, group, team and executable",
                     json_object_size(value));
                return;
        }
        for (unsigned int i = 0; i < MANIFEST_PEER_EVERYONE; i++) {
                if (strcmp(manifest_peer_kind_name(i), kind) != 0)
                        continue;
                snprintf(place, sizeof(place), "%.100s.%.50s", key, kind);
                text = read_string(parser, place, json_object_get(value, kind));
                problem = text ? manifest_peer_problem(i, text) : NULL;
                if (problem)
                        fail(parser, ENDPOINTS_PEERS, place, "'%s' %s", text, problem);
                if (!text || problem)
                        return;
                peer->kind = i;
                keep(parser, &peer->value, text);
                return;
        }
        fail(parser, ENDPOINTS_PEERS, key,
             "'%.40s' is no kind of peer: expected user, group, team or executable", kind);
}

static void read_peer(struct parser *parser, const char *key, const json_t *value,
                      struct manifest_endpoint *endpoint)
{
        struct manifest_peer *peer = &endpoint->peers[endpoint->n_peers];

        if (json_is_object(value))
                read_peer_object(parser, key, value, peer);
        else if (json_is_string(value) && strcmp(json_string_value(value), "everyone") == 0)
                peer->kind = MANIFEST_PEER_EVERYONE;
        else
                fail(parser, ENDPOINTS_PEERS, key,
                     "is no peer: expected an object such as {\"user\": \"alice\"}, or "
                     "\"everyone\"");
        endpoint->n_peers += peer->value || peer->kind == MANIFEST_PEER_EVERYONE;
}

static void read_peers(struct parser *parser, const char *key, const json_t *value,
                       struct manifest_endpoint *endpoint)
{
        const json_t *item;
        size_t i;

        if (!is_type(parser, key, value, JSON_ARRAY, "a list of peers"))
                return;
        if (json_array_size(value) == 0 || json_array_size(value) > MANIFEST_PEERS_MAX) {
                fail(parser, ENDPOINTS_PEERS, key,
                     "has %zu peers: expected 1 to %d, or [\"everyone\"]", json_array_size(value),
                     MANIFEST_PEERS_MAX);
                return;
        }
        endpoint->peers = calloc(json_array_size(value), sizeof(*endpoint->peers));
        if (!endpoint->peers) {
                parser->report->incomplete = true;
                return;
        }
        json_array_foreach(value, i, item)
        {
                char place[KEY_SIZE];

                snprintf(place, sizeof(place), "%s[%zu]", key, i);
                read_peer(parser, place, item, endpoint);
        }
}

static void read_activation(struct parser *parser, const char *key, const json_t *value,
                            struct manifest_endpoint *endpoint)
{
        size_t n = json_array_size(value), n_words = 0;
        _cleanup_(cleanup_free) char **words = NULL;

        if (!is_type(parser, key, value, JSON_ARRAY, "a list: a program and its arguments"))
                return;
        words = calloc(MANIFEST_ACTIVATION_MAX + 1, sizeof(*words));
        if (!words) {
                parser->report->incomplete = true;
                return;
        }
        for (size_t i = 0; i < n && i < MANIFEST_ACTIVATION_MAX; i++) {
                char place[KEY_SIZE];
                const char *text;

                snprintf(place, sizeof(place), "%s[%zu]", key, i);
                text = read_string(parser, place, json_array_get(value, i));
                if (text)
                        keep(parser, &words[n_words++], text);
        }
        endpoint->activation = take_ptr(words);
        if (n == 0 || n > MANIFEST_ACTIVATION_MAX)
                fail(parser, ENDPOINTS_ACTIVATION, key, "has %zu words: expected 1 to %d", n,
                     MANIFEST_ACTIVATION_MAX);
        else if (n_words > 0 && endpoint->activation[0] && endpoint->activation[0][0] != '/')
                fail(parser, ENDPOINTS_ACTIVATION, key,
                     "'%s' is no absolute path: the program to start comes first",
                     endpoint->activation[0]);
}

static void read_endpoint_name(struct parser *parser, const char *key, const json_t *value,
                               struct manifest_endpoint *endpoint)
{
        const char *text = read_string(parser, key, value);

        if (text && !manifest_is_name(text))
                fail(parser, ENDPOINTS_NAME, key,
                     "'%s' is no name: expected letters, digits, dashes, dots and underscores, "
                     "at most %d",
                     text, MANIFEST_NAME_MAX);
        else if (text)
                keep(parser, &endpoint->name, text);
}

static const struct endpoint_key {
        const char *name;
        void (*read)(struct parser *parser, const char *key, const json_t *value,
                     struct manifest_endpoint *endpoint);
} endpoint_keys[] = {
        { "name", read_endpoint_name },
        { "peers", read_peers },
        { "activation", read_activation },
};

static const struct endpoint_key *find_endpoint_key(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(endpoint_keys); i++)
                if (strcmp(endpoint_keys[i].name, name) == 0)
                        return &endpoint_keys[i];
        return NULL;
}

/* The user that an activation command runs as; NULL: none is listed. */
static const char *find_user(const struct manifest_endpoint *endpoint)
{
        for (size_t i = 0; i < endpoint->n_peers; i++)
                if (endpoint->peers[i].kind == MANIFEST_PEER_USER)
                        return endpoint->peers[i].value;
        return NULL;
}

static bool is_root(const char *user)
{
        return strcmp(user, "root") == 0 || strspn(user, "0") == strlen(user);
}

static void check_activation(struct parser *parser, const char *key,
                             const struct manifest_endpoint *endpoint)
{
        const char *user = find_user(endpoint);
        char place[KEY_SIZE];

        if (!endpoint->activation)
                return;
        snprintf(place, sizeof(place), "%.100s.activation", key);
        if (!user)
                warn(parser, ENDPOINTS_ACTIVATION, place,
                     "is never run: it runs as the first user among the peers, and there is none; "
                     "add one, such as {\"user\": \"alice\"}");
        else if (is_root(user))
                warn(parser, ENDPOINTS_ACTIVATION, place,
                     "is never run: the first user among the peers, as whom it runs, is root; put "
                     "another one before it");
}

static void check_endpoint(struct parser *parser, const char *key, const json_t *value,
                           size_t number)
{
        const struct manifest_endpoint *endpoints = parser->manifest->endpoints;

        if (!json_object_get(value, "name"))
                fail(parser, ENDPOINTS_NAME, key, "has no name: apps connect by it");
        if (!json_object_get(value, "peers"))
                fail(parser, ENDPOINTS_PEERS, key,
                     "does not say who may connect: add \"peers\", a list such as "
                     "[{\"group\": \"users\"}], or [\"everyone\"]");
        for (size_t i = 0; i < number; i++)
                if (endpoints[i].name && endpoints[number].name &&
                    strcmp(endpoints[i].name, endpoints[number].name) == 0)
                        fail(parser, ENDPOINTS_DUPLICATE, key, "'%s' is there twice",
                             endpoints[i].name);
        check_activation(parser, key, &endpoints[number]);
}

static void read_endpoint(struct parser *parser, const char *key, const json_t *value,
                          size_t number)
{
        struct manifest_endpoint *endpoint = &parser->manifest->endpoints[number];
        const char *name;
        json_t *item;

        if (!is_type(parser, key, value, JSON_OBJECT, "an object with name and peers"))
                return;
        json_object_foreach((json_t *)value, name, item)
        {
                const struct endpoint_key *known = find_endpoint_key(name);
                char place[KEY_SIZE];

                snprintf(place, sizeof(place), "%.100s.%.50s", key, name);
                if (known)
                        known->read(parser, place, item, endpoint);
                else
                        warn(parser, MANIFEST_KEY, place, "is not known, and ignored");
        }
        check_endpoint(parser, key, value, number);
}

static void read_endpoints(struct parser *parser, const char *key, const json_t *value)
{
        struct manifest *manifest = parser->manifest;
        const json_t *item;
        size_t i;

        if (!is_type(parser, key, value, JSON_ARRAY, "a list of objects"))
                return;
        if (json_array_size(value) > MANIFEST_ENDPOINTS_MAX) {
                fail(parser, ENDPOINTS_COUNT, key, "has %zu endpoints: there can be %d",
                     json_array_size(value), MANIFEST_ENDPOINTS_MAX);
                return;
        }
        manifest->endpoints = calloc(json_array_size(value) + 1, sizeof(*manifest->endpoints));
        if (!manifest->endpoints) {
                parser->report->incomplete = true;
                return;
        }
        manifest->n_endpoints = json_array_size(value);
        json_array_foreach(value, i, item)
        {
                char place[KEY_SIZE];

                snprintf(place, sizeof(place), "%s[%zu]", key, i);
                read_endpoint(parser, place, item, i);
        }
}

/* --- the grace time -------------------------------------------------------------------- */

static void read_grace_time(struct parser *parser, const char *key, const json_t *value)
{
        json_int_t seconds = json_integer_value(value);

        if (!is_type(parser, key, value, JSON_INTEGER, "a whole number of seconds"))
                return;
        if (seconds < 1 || seconds > MANIFEST_GRACE_TIME_MAX)
                fail(parser, GRACE_TIME_RANGE, key,
                     "is %" JSON_INTEGER_FORMAT " seconds: expected 1 to %d, which is a week",
                     seconds, MANIFEST_GRACE_TIME_MAX);
        else
                parser->manifest->grace_time = (uint32_t)seconds;
}

/* --- the whole ------------------------------------------------------------------------- */

static const struct key {
        const char *name;
        void (*read)(struct parser *parser, const char *key, const json_t *value);
        int missing; /* the check that fails where it is left out, or -1 */
        const char *why;
} keys[] = {
        { "identifier", read_identifier, BUNDLE_CHECK_IDENTIFIER_MISSING,
          "add one, a reversed domain such as \"com.example.filter\"" },
        { "version", read_version, BUNDLE_CHECK_VERSION_MISSING, "add one, such as \"1.0\"" },
        { "short_version", read_short_version, BUNDLE_CHECK_SHORT_VERSION_MISSING,
          "add one, such as \"1.0\": it is what people read" },
        { "team", read_team, BUNDLE_CHECK_TEAM_MISSING,
          "add the OU of the certificate that signs the bundle" },
        { "requires_netext", read_requires_netext, -1, NULL },
        { "name", read_name, BUNDLE_CHECK_NAME_MISSING,
          "add one: people are asked about it by its name" },
        { "vendor", read_vendor, -1, NULL },
        { "usage_description", read_usage_description, BUNDLE_CHECK_USAGE_MISSING,
          "add a sentence: people read it when they are asked to approve the extension" },
        { "icon", read_icon, -1, NULL },
        { "category", read_category, -1, NULL },
        { "scope", read_scope, -1, NULL },
        { "executable", read_executable, BUNDLE_CHECK_EXECUTABLE_MISSING,
          "add the program's path, such as \"bin/filter\"" },
        { "providers", read_providers, -1, NULL },
        { "capabilities", read_capabilities, -1, NULL },
        { "endpoints", read_endpoints, -1, NULL },
        { "groups", read_groups, -1, NULL },
        { "grace_time", read_grace_time, -1, NULL },
};

static const struct key *find_key(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (strcmp(keys[i].name, name) == 0)
                        return &keys[i];
        return NULL;
}

static void check_category(struct parser *parser, const json_t *root)
{
        const struct manifest *manifest = parser->manifest;
        const json_t *providers = json_object_get(root, "providers");
        const char *category = manifest_category_name(manifest->category);

        if (manifest->category != MANIFEST_CATEGORY_NETWORK && manifest->kinds)
                fail(parser, CATEGORY_PROVIDERS, "category",
                     "is '%s', which has no providers: those are for the category network",
                     category);
        if (manifest->category == MANIFEST_CATEGORY_NETWORK &&
            (!providers || (json_is_array(providers) && json_array_size(providers) == 0)))
                fail(parser, PROVIDERS_MISSING, "providers",
                     "names none: a network extension has at least one of filter, "
                     "transparent-proxy, app-proxy and packet-filter");
}

/* An endpoint's name leads to one process, and a group's folder is everybody's. */
static void check_scope(struct parser *parser)
{
        const struct manifest *manifest = parser->manifest;

        if (manifest->scope != MANIFEST_SCOPE_SESSION)
                return;
        if (manifest->n_endpoints > 0)
                fail(parser, SCOPE_SHARED, "endpoints",
                     "names some, and the scope 'session' has none: apps could not know which "
                     "session's process they reach; take them out, or the scope");
        if (manifest->n_groups > 0)
                fail(parser, SCOPE_SHARED, "groups",
                     "names some, and the scope 'session' has none: sessions of different users "
                     "would share them; take them out, or the scope");
}

/* Each provider with its capability, and the other way round. */
static void check_capabilities(struct parser *parser)
{
        const struct manifest *manifest = parser->manifest;

        for (unsigned int kind = 0; kind < KINDS_MAX; kind++) {
                int capability = manifest_provider_capability(kind);
                bool provided = manifest->kinds & 1U << kind;

                if (capability < 0)
                        continue;
                if (provided && !(manifest->capabilities & 1U << capability))
                        fail(parser, CAPABILITIES_MISSING, "capabilities",
                             "lacks \"%s\", which a provider '%s' needs: add it",
                             manifest_capability_name(capability), manifest_provider_name(kind));
                if (!provided && manifest->capabilities & 1U << capability)
                        warn(parser, CAPABILITIES_UNUSED, "capabilities",
                             "has \"%s\" without a provider '%s': people are asked for more than "
                             "is used",
                             manifest_capability_name(capability), manifest_provider_name(kind));
        }
        if (manifest->capabilities & 1U << MANIFEST_CAPABILITY_BYTE_INSPECTION &&
            !(manifest->kinds & 1U << NX_PROVIDER_KIND_FILTER))
                warn(parser, CAPABILITIES_UNUSED, "capabilities",
                     "has \"byte-inspection\" without a provider 'filter': people are asked for "
                     "more than is used");
}

static void read_root(struct parser *parser, const json_t *root)
{
        const char *name;
        json_t *value;

        json_object_foreach((json_t *)root, name, value)
        {
                const struct key *key = find_key(name);

                if (key)
                        key->read(parser, name, value);
                else
                        warn(parser, MANIFEST_KEY, name, "is not known, and ignored");
        }
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (keys[i].missing >= 0 && !json_object_get(root, keys[i].name))
                        bundle_report_fail(parser->report, keys[i].missing, MANIFEST_FILE,
                                           keys[i].name, "is not there: %s", keys[i].why);
        check_category(parser, root);
        check_scope(parser);
        check_capabilities(parser);
}

static void cleanup_json(json_t **json)
{
        json_decref(*json);
}

void manifest_parse(struct manifest *ret, const char *text, size_t size,
                    struct bundle_report *report)
{
        struct parser parser = { .manifest = ret, .report = report };
        _cleanup_(cleanup_json) json_t *root = NULL;
        json_error_t error;

        if (size > MANIFEST_SIZE_MAX) {
                fail(&parser, MANIFEST_SIZE, NULL, "has %zu bytes: there can be %d", size,
                     MANIFEST_SIZE_MAX);
                bundle_report_asked(report, BUNDLE_CHECK_MANIFEST_SIZE, BUNDLE_CHECK_MANIFEST_SIZE);
                return;
        }
        bundle_report_asked(report, BUNDLE_CHECK_MANIFEST_SIZE, BUNDLE_CHECK_MANIFEST_SYNTAX);
        root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        if (!root) {
                char place[KEY_SIZE];

                snprintf(place, sizeof(place), "%d:%d", error.line, error.column);
                fail(&parser, MANIFEST_SYNTAX, place, "is no JSON: %s", error.text);
                return;
        }
        if (!json_is_object(root)) {
                fail(&parser, MANIFEST_SYNTAX, NULL, "has to be a JSON object, and is %s",
                     type_name(root));
                return;
        }
        read_root(&parser, root);
        bundle_report_asked(report, BUNDLE_CHECK_MANIFEST_KEY, BUNDLE_CHECK_EXECUTABLE_PATH);
}
