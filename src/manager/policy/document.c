/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From text to a checked document. A key that this version does not know is read over and
 * remembered, wherever it stands: a policy is written for many machines, and one that knows less
 * must not lose what it does know. A known key with a value that makes no sense is an error, since
 * half a policy would be another one.
 */

#include <errno.h>
#include <string.h>

#include "manager/loop/text.h"
#include "manager/policy/document.h"
#include "manager/policy/place.h"

#define WARNINGS_MAX  100
#define ALLOWED_TEAMS "AllowedTeamIdentifiers"

static const char *const list_keys[_POLICY_LIST_MAX] = {
        [POLICY_ALLOWED_EXTENSIONS] = "AllowedSystemExtensions",
        [POLICY_ALLOWED_TYPES] = "AllowedSystemExtensionTypes",
        [POLICY_REMOVABLE] = "RemovableSystemExtensions",
        [POLICY_NON_REMOVABLE] = "NonRemovableSystemExtensions",
        [POLICY_NON_REMOVABLE_FROM_UI] = "NonRemovableFromUISystemExtensions",
};

/* What a payload says of itself and not to us. */
static const char *const envelope_keys[] = {
        "PayloadType",    "PayloadVersion",     "PayloadIdentifier",
        "PayloadUUID",    "PayloadDisplayName", "PayloadDescription",
        "PayloadEnabled", "PayloadScope",       "PayloadOrganization",
};

static const char *const types[] = { "NetworkExtension", "EndpointSecurityExtension",
                                     "DriverExtension", "CameraExtension" };

const char *policy_list_to_string(enum policy_list list)
{
        return list_keys[list];
}

static bool is_among(const char *word, const char *const *words, size_t n_words)
{
        for (size_t i = 0; i < n_words; i++)
                if (strcmp(words[i], word) == 0)
                        return true;
        return false;
}

static const char *type_of(const json_t *value)
{
        static const char *const names[] = {
                [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
                [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
                [JSON_FALSE] = "false",      [JSON_NULL] = "null",
        };

        return names[json_typeof(value)];
}

/* what: of the file, is made harmless. */
static int add_warning(struct policy_document *document, const char *where, const char *what,
                       const char *sentence)
{
        _cleanup_free_ char *clean = text_clean(what);
        char **warnings;

        if (document->n_warnings >= WARNINGS_MAX)
                return 0;
        warnings = reallocarray(document->warnings, document->n_warnings + 1, sizeof(*warnings));
        if (!warnings)
                return -ENOMEM;
        document->warnings = warnings;
        warnings[document->n_warnings] = NULL;
        text_set(&warnings[document->n_warnings], "%s\"%s\" %s", where, clean, sentence);
        if (!warnings[document->n_warnings])
                return -ENOMEM;
        document->n_warnings++;
        return 0;
}

/* where: "AllowedTeamIdentifiers", or with the team behind it. */
static int check_strings(const json_t *array, const char *where, char **ret_problem)
{
        const json_t *item;
        size_t i;

        if (!json_is_array(array))
                return text_problem(ret_problem, -EBADMSG,
                                    "%s: expected an array of strings, found %s", where,
                                    type_of(array));
        json_array_foreach(array, i, item)
        {
                if (!json_is_string(item))
                        return text_problem(ret_problem, -EBADMSG,
                                            "%s[%zu]: expected a string, found %s", where, i,
                                            type_of(item));
                if (!*json_string_value(item))
                        return text_problem(ret_problem, -EBADMSG, "%s[%zu]: it is empty", where,
                                            i);
        }
        return 0;
}

static int warn_of_types(struct policy_document *document, const char *where, const json_t *array)
{
        _cleanup_free_ char *prefix = NULL;
        const json_t *item;
        size_t i;
        int r = 0;

        text_set(&prefix, "%s: ", where);
        if (!prefix)
                return -ENOMEM;
        json_array_foreach(array, i, item)
        {
                if (r >= 0 && !is_among(json_string_value(item), types, ARRAY_SIZE(types)))
                        r = add_warning(document, prefix, json_string_value(item),
                                        "is no type that this version knows");
        }
        return r;
}

static int read_list(struct policy_document *document, enum policy_list list, json_t *value,
                     char **ret_problem)
{
        const char *team;
        json_t *array;
        int r = 0;

        if (!json_is_object(value))
                return text_problem(ret_problem, -EBADMSG,
                                    "%s: expected an object with a key for each team, found %s",
                                    list_keys[list], type_of(value));
        json_object_foreach(value, team, array)
        {
                _cleanup_free_ char *clean = text_clean(team), *where = NULL;

                text_set(&where, "%s.%s", list_keys[list], clean);
                if (!where)
                        return -ENOMEM;
                r = check_strings(array, where, ret_problem);
                if (r >= 0 && list == POLICY_ALLOWED_TYPES)
                        r = warn_of_types(document, where, array);
                if (r < 0)
                        return r;
        }
        document->lists[list] = value;
        return 0;
}

static int read_overrides(struct policy_document *document, const json_t *value, char **ret_problem)
{
        if (!json_is_boolean(value))
                return text_problem(ret_problem, -EBADMSG,
                                    "AllowUserOverrides: expected true or false, found %s",
                                    type_of(value));
        document->user_overrides = json_is_true(value);
        return 0;
}

static int read_key(struct policy_document *document, const char *key, json_t *value,
                    char **ret_problem)
{
        if (strcmp(key, "AllowUserOverrides") == 0)
                return read_overrides(document, value, ret_problem);
        if (strcmp(key, ALLOWED_TEAMS) == 0) {
                document->teams = value;
                return check_strings(value, key, ret_problem);
        }
        for (enum policy_list list = 0; list < _POLICY_LIST_MAX; list++)
                if (strcmp(key, list_keys[list]) == 0)
                        return read_list(document, list, value, ret_problem);
        if (is_among(key, envelope_keys, ARRAY_SIZE(envelope_keys)))
                return 0;
        return add_warning(document, "", key, "is no key that this version knows");
}

static int read_root(struct policy_document *document, char **ret_problem)
{
        const char *key;
        json_t *value;
        int r;

        if (!json_is_object(document->root))
                return text_problem(ret_problem, -EBADMSG, "expected an object with keys, found %s",
                                    type_of(document->root));
        json_object_foreach(document->root, key, value)
        {
                r = read_key(document, key, value, ret_problem);
                if (r < 0)
                        return r;
        }
        *ret_problem = policy_documents_contradict(document, document);
        return *ret_problem ? -EBADMSG : 0;
}

int policy_document_parse(struct policy_document *ret, const char *text, size_t size,
                          char **ret_problem)
{
        _cleanup_policy_document_ struct policy_document document = { .user_overrides = true };
        _cleanup_free_ char *clean = NULL;
        json_error_t error;
        int r;

        document.root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
        if (!document.root) {
                clean = text_clean(error.text);
                return text_problem(ret_problem, -EBADMSG, "line %d, column %d: %s", error.line,
                                    error.column, clean);
        }
        document.text = strndup(text, size);
        r = document.text ? read_root(&document, ret_problem) : -ENOMEM;
        if (r < 0)
                return r;
        *ret = document;
        document = (struct policy_document){};
        return 0;
}

void policy_document_deinit(struct policy_document *document)
{
        for (size_t i = 0; i < document->n_warnings; i++)
                free(document->warnings[i]);
        free(document->warnings);
        free(document->text);
        json_decref(document->root);
        *document = (struct policy_document){};
}

static bool has_string(const json_t *array, const char *wanted)
{
        const json_t *item;
        size_t i;

        json_array_foreach(array, i, item)
        {
                if (strcmp(json_string_value(item), wanted) == 0)
                        return true;
        }
        return false;
}

bool policy_document_lists(const struct policy_document *document, enum policy_list list,
                           const char *team, const char *item)
{
        return has_string(json_object_get(document->lists[list], team), item);
}

bool policy_document_names_team(const struct policy_document *document, enum policy_list list,
                                const char *team)
{
        return json_object_get(document->lists[list], team) != NULL;
}

bool policy_document_allows_team(const struct policy_document *document, const char *team)
{
        return has_string(document->teams, team);
}

unsigned int policy_document_line_of_team(const struct policy_document *document, const char *team)
{
        return place_find_line(document->text, ALLOWED_TEAMS, NULL, team);
}

unsigned int policy_document_line_of(const struct policy_document *document, enum policy_list list,
                                     const char *team, const char *item)
{
        return place_find_line(document->text, list_keys[list], team, item);
}

static char *teams_contradict(const struct policy_document *one,
                              const struct policy_document *other)
{
        _cleanup_free_ char *team = NULL;
        char *problem = NULL;
        const json_t *item;
        size_t i;

        json_array_foreach(one->teams, i, item)
        {
                if (!policy_document_names_team(other, POLICY_ALLOWED_EXTENSIONS,
                                                json_string_value(item)))
                        continue;
                team = text_clean(json_string_value(item));
                text_set(&problem,
                         "AllowedSystemExtensions.%s: the team is in AllowedTeamIdentifiers, which "
                         "allows all of its extensions; it may be in one of the two",
                         team);
                return problem;
        }
        return NULL;
}

static char *removals_contradict(const struct policy_document *one,
                                 const struct policy_document *other)
{
        char *problem = NULL;
        const char *team;
        json_t *array, *item;
        size_t i;

        json_object_foreach(one->lists[POLICY_NON_REMOVABLE], team, array)
        {
                json_array_foreach(array, i, item)
                {
                        _cleanup_free_ char *clean_team = NULL, *clean = NULL;

                        if (!policy_document_lists(other, POLICY_REMOVABLE, team,
                                                   json_string_value(item)))
                                continue;
                        clean_team = text_clean(team);
                        clean = text_clean(json_string_value(item));
                        text_set(&problem,
                                 "NonRemovableSystemExtensions.%s: \"%s\" is in "
                                 "RemovableSystemExtensions as well",
                                 clean_team, clean);
                        return problem;
                }
        }
        return NULL;
}

char *policy_documents_contradict(const struct policy_document *one,
                                  const struct policy_document *other)
{
        return teams_contradict(one, other) ?: removals_contradict(one, other);
}
