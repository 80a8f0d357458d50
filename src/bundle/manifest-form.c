/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The forms of the manifest's words. Most of them become part of a file name sooner or later,
 * so there is nothing in them that would surprise there.
 */

#include <string.h>

#include "bundle/manifest.h"
#include "bundle/text.h"

#define VERSION_MAX 32

static bool is_label(const char *label, size_t length)
{
        return length > 0 && length <= 63 && label[0] != '-' && label[length - 1] != '-' &&
               strspn(label, TEXT_ALPHANUMERIC "-") >= length;
}

/* Two labels or more, with dots between them. */
bool manifest_is_identifier(const char *text)
{
        size_t n_labels = 0;

        if (strlen(text) > MANIFEST_IDENTIFIER_MAX)
                return false;
        for (;; text++) {
                size_t length = strcspn(text, ".");

                if (!is_label(text, length))
                        return false;
                n_labels++;
                text += length;
                if (!*text)
                        return n_labels >= 2;
        }
}

bool manifest_is_version(const char *text)
{
        size_t n_numbers = 0;

        if (strlen(text) > VERSION_MAX)
                return false;
        for (;; text++) {
                size_t length = strspn(text, TEXT_DIGITS);

                if (length == 0 || length > 9)
                        return false;
                n_numbers++;
                text += length;
                if (!*text)
                        return n_numbers <= 3;
                if (*text != '.')
                        return false;
        }
}

bool manifest_is_team(const char *text)
{
        return text_is_made_of(text, TEXT_ALPHANUMERIC "-", MANIFEST_TEAM_MAX);
}

/* Of an endpoint or a group: part of a file name. */
bool manifest_is_name(const char *text)
{
        return text_is_made_of(text, TEXT_ALPHANUMERIC "-_.", MANIFEST_NAME_MAX) && *text != '.' &&
               *text != '-';
}

const char *manifest_peer_problem(enum manifest_peer_kind kind, const char *value)
{
        switch (kind) {
        case MANIFEST_PEER_TEAM:
                return manifest_is_team(value) ? NULL : "is no team";
        case MANIFEST_PEER_EXECUTABLE:
                if (*value != '/')
                        return "is not absolute";
                return path_problem(value + 1) ? "is no path of a program" : NULL;
        case MANIFEST_PEER_USER:
        case MANIFEST_PEER_GROUP:
                return text_is_made_of(value, TEXT_ALPHANUMERIC "-_.$", 64)
                               ? NULL
                               : "is neither a name nor a number";
        default:
                return NULL;
        }
}

static bool is_text(const char *text)
{
        return !text || (strlen(text) <= MANIFEST_TEXT_MAX && text_is_printable(text));
}

static bool is_path(const char *path)
{
        return path && !path_problem(path);
}

static bool is_sound_endpoint(const struct manifest_endpoint *endpoint)
{
        if (!endpoint->name || !manifest_is_name(endpoint->name) || endpoint->n_peers == 0)
                return false;
        for (size_t i = 0; i < endpoint->n_peers; i++) {
                const struct manifest_peer *peer = &endpoint->peers[i];

                if (peer->kind == MANIFEST_PEER_EVERYONE)
                        continue;
                if (!peer->value || manifest_peer_problem(peer->kind, peer->value))
                        return false;
        }
        for (char **word = endpoint->activation; word && *word; word++)
                if (!is_text(*word))
                        return false;
        return !endpoint->activation ||
               (endpoint->activation[0] && endpoint->activation[0][0] == '/');
}

bool manifest_is_sound(const struct manifest *manifest)
{
        if (!manifest->identifier || !manifest_is_identifier(manifest->identifier) ||
            !manifest->team || !manifest_is_team(manifest->team) || !manifest->version ||
            !manifest_is_version(manifest->version) || !manifest->short_version ||
            !manifest_is_version(manifest->short_version))
                return false;
        if (manifest->requires_netext && !manifest_is_version(manifest->requires_netext))
                return false;
        if (!manifest->name || !manifest->usage_description || !is_text(manifest->name) ||
            !is_text(manifest->usage_description) || !is_text(manifest->vendor))
                return false;
        if (manifest->grace_time > MANIFEST_GRACE_TIME_MAX)
                return false;
        if (!is_path(manifest->executable) || (manifest->icon && !is_path(manifest->icon)))
                return false;
        for (size_t i = 0; i < manifest->n_endpoints; i++)
                if (!is_sound_endpoint(&manifest->endpoints[i]))
                        return false;
        for (size_t i = 0; i < manifest->n_groups; i++)
                if (!manifest_is_name(manifest->groups[i]))
                        return false;
        return manifest->category < _MANIFEST_CATEGORY_MAX && manifest->scope < _MANIFEST_SCOPE_MAX;
}
