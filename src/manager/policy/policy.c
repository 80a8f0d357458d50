/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two questions, and neither depends on what was there first: may it be enabled, and may it be
 * taken away or switched off. "May not be removed" and "may not be disabled" are two things:
 *
 *                                      remove               disable it, its
 *                                                           configurations, stop sessions
 *      no key                          administrator        administrator
 *      Removable                       everybody            administrator
 *      NonRemovableFromUI              administrator        nobody
 *      Removable, NonRemovableFromUI   everybody            nobody
 *      NonRemovable                    nobody               nobody
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manager/loop/text.h"
#include "manager/policy/policy.h"

void policy_init(struct policy *policy)
{
        list_init(&policy->files);
}

struct policy_file *policy_file_free(struct policy_file *file)
{
        if (!file)
                return NULL;
        list_remove(&file->link);
        policy_document_deinit(&file->document);
        free(file->problem);
        free(file->name);
        free(file);
        return NULL;
}

void policy_deinit(struct policy *policy)
{
        struct policy_file *file;

        while ((file = list_first(&policy->files, struct policy_file, link)))
                policy_file_free(file);
}

struct policy_file *policy_get_file(struct policy *policy, const char *name)
{
        struct policy_file *file, *made;

        list_for_each (file, &policy->files, link) {
                if (strcmp(file->name, name) == 0)
                        return file;
                if (strcmp(file->name, name) > 0)
                        break;
        }
        made = calloc(1, sizeof(*made));
        if (!made)
                return NULL;
        list_init(&made->link);
        made->document.user_overrides = true;
        made->name = strdup(name);
        if (!made->name)
                return policy_file_free(made);
        list_append(&file->link, &made->link); /* before the first that is greater */
        return made;
}

char *policy_file_contradicts(const struct policy *policy, const struct policy_file *file)
{
        const struct policy_file *other;

        list_for_each (other, &policy->files, link) {
                _cleanup_free_ char *problem = NULL;
                char *sentence = NULL;

                if (other == file)
                        continue;
                problem = policy_documents_contradict(&file->document, &other->document)
                                  ?: policy_documents_contradict(&other->document, &file->document);
                if (!problem)
                        continue;
                text_set(&sentence, "together with %s: %s; the stricter one counts", other->name,
                         problem);
                return sentence;
        }
        return NULL;
}

static const char *type_of(const char *category)
{
        static const struct {
                const char *category;
                const char *type;
        } types[] = {
                { "network", "NetworkExtension" },
                { "endpoint-security", "EndpointSecurityExtension" },
                { "driver", "DriverExtension" },
                { "camera", "CameraExtension" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(types[i].category, category) == 0)
                        return types[i].type;
        return category;
}

/* A sentence for ret, which may be NULL. */
#define say(ret, ...)                                                                              \
        do {                                                                                       \
                if (ret)                                                                           \
                        text_set(ret, __VA_ARGS__);                                                \
        } while (0)

/* The first file that has a word against it. */
static const struct policy_file *find_type_refusal(const struct policy *policy,
                                                   const struct policy_subject *subject)
{
        const struct policy_file *file;

        list_for_each (file, &policy->files, link)
                if (policy_document_names_team(&file->document, POLICY_ALLOWED_TYPES,
                                               subject->team) &&
                    !policy_document_lists(&file->document, POLICY_ALLOWED_TYPES, subject->team,
                                           type_of(subject->category)))
                        return file;
        return NULL;
}

static const struct policy_file *find_listing(const struct policy *policy, enum policy_list list,
                                              const struct policy_subject *subject)
{
        const struct policy_file *file;

        list_for_each (file, &policy->files, link)
                if (policy_document_lists(&file->document, list, subject->team,
                                          subject->identifier))
                        return file;
        return NULL;
}

static const struct policy_file *find_team(const struct policy *policy, const char *team)
{
        const struct policy_file *file;

        list_for_each (file, &policy->files, link)
                if (policy_document_allows_team(&file->document, team))
                        return file;
        return NULL;
}

static const struct policy_file *find_no_overrides(const struct policy *policy)
{
        const struct policy_file *file;

        list_for_each (file, &policy->files, link)
                if (!file->document.user_overrides)
                        return file;
        return NULL;
}

bool policy_find_allowance(const struct policy *policy, const struct policy_subject *subject,
                           struct policy_place *ret)
{
        const enum policy_list list = POLICY_ALLOWED_EXTENSIONS;
        const struct policy_file *file;

        if ((file = find_team(policy, subject->team))) {
                *ret = (struct policy_place){
                        .file = file->name,
                        .key = "AllowedTeamIdentifiers",
                        .line = policy_document_line_of_team(&file->document, subject->team),
                };
                return true;
        }
        file = find_listing(policy, list, subject);
        if (!file)
                return false;
        *ret = (struct policy_place){
                .file = file->name,
                .line = policy_document_line_of(&file->document, list, subject->team,
                                                subject->identifier),
        };
        snprintf(ret->key, sizeof(ret->key), "%s.%s", policy_list_to_string(list), subject->team);
        return true;
}

enum policy_answer policy_judge(const struct policy *policy, const struct policy_subject *subject,
                                char **ret_why)
{
        const struct policy_file *file;
        struct policy_place place;

        if ((file = find_type_refusal(policy, subject))) {
                say(ret_why, "%s: AllowedSystemExtensionTypes.%s does not have %s", file->name,
                    subject->team, type_of(subject->category));
                return POLICY_FORBIDDEN;
        }
        if (policy_find_allowance(policy, subject, &place)) {
                say(ret_why, "%s: %s has %s", place.file, place.key,
                    strchr(place.key, '.') ? subject->identifier : subject->team);
                return POLICY_ALLOWED;
        }
        if ((file = find_no_overrides(policy))) {
                say(ret_why, "%s: AllowUserOverrides is false, and no policy allows %s.%s",
                    file->name, subject->team, subject->identifier);
                return POLICY_FORBIDDEN;
        }
        return POLICY_ASK;
}

/* Whoever asks. */
static const struct policy_file *find_refusal(const struct policy *policy,
                                              const struct policy_subject *subject,
                                              enum policy_action action, enum policy_list *ret_list)
{
        const struct policy_file *file;

        *ret_list = POLICY_NON_REMOVABLE;
        file = find_listing(policy, POLICY_NON_REMOVABLE, subject);
        if (file || action == POLICY_REMOVE)
                return file;
        *ret_list = POLICY_NON_REMOVABLE_FROM_UI;
        return find_listing(policy, POLICY_NON_REMOVABLE_FROM_UI, subject);
}

int policy_permit(const struct policy *policy, const struct policy_subject *subject,
                  enum policy_action action, enum policy_caller caller, char **ret_why)
{
        static const char *const verbs[_POLICY_ACTION_MAX] = {
                [POLICY_REMOVE] = "removed",
                [POLICY_DISABLE] = "disabled",
                [POLICY_DISABLE_CONFIGURATION] = "disabled in its configuration",
                [POLICY_STOP_SESSION] = "disabled by stopping its sessions",
        };
        const struct policy_file *file;
        enum policy_list list;

        file = find_refusal(policy, subject, action, &list);
        if (file) {
                say(ret_why, "%s.%s may not be %s: %s has it in %s.%s", subject->team,
                    subject->identifier, verbs[action], file->name, policy_list_to_string(list),
                    subject->team);
                return -EPERM;
        }
        if (caller == POLICY_ADMINISTRATOR ||
            (action == POLICY_REMOVE && find_listing(policy, POLICY_REMOVABLE, subject)))
                return 0;
        say(ret_why, "%s.%s may be %s by an administrator only", subject->team, subject->identifier,
            verbs[action]);
        return -EACCES;
}

bool policy_mentions(const struct policy *policy, const char *team, const char *identifier)
{
        const struct policy_subject subject = { .team = team, .identifier = identifier };

        for (enum policy_list list = 0; list < _POLICY_LIST_MAX; list++)
                if (list != POLICY_ALLOWED_TYPES && find_listing(policy, list, &subject))
                        return true;
        return find_team(policy, team) != NULL;
}
