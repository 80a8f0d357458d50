/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/manager/policy/document.c src/manager/policy/policy.c */
/* fuzz-sources: src/manager/policy/place.c src/manager/loop/text.c */
/* fuzz-flags: -ljansson */

/*
 * A policy file. It is understood, or refused with a printable sentence; what was understood
 * answers every question, and does not contradict itself.
 */

#include <errno.h>
#include <string.h>

#include "manager/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void require_printable(const char *text)
{
        require(text && *text);
        for (const char *c = text; *c; c++)
                require((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void ask(const struct policy *policy)
{
        static const struct policy_subject subject = { "ALPHA", "com.example.one", "network" };
        enum policy_answer answer = policy_judge(policy, &subject, NULL);
        struct policy_place place;
        bool is_allowed = policy_find_allowance(policy, &subject, &place);

        require(answer == POLICY_ASK || answer == POLICY_ALLOWED || answer == POLICY_FORBIDDEN);
        require(answer != POLICY_ALLOWED || is_allowed);
        require(!is_allowed || *place.key);
        for (enum policy_action action = 0; action < _POLICY_ACTION_MAX; action++) {
                int user = policy_permit(policy, &subject, action, POLICY_USER, NULL);
                int administrator =
                        policy_permit(policy, &subject, action, POLICY_ADMINISTRATOR, NULL);

                require(user == 0 || user == -EACCES || user == -EPERM);
                require(administrator == 0 || administrator == -EPERM);
                require((user == -EPERM) == (administrator == -EPERM));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = strndup((const char *)data, size), *problem = NULL;
        _cleanup_(policy_deinit) struct policy policy;
        struct policy_file *file;
        int r;

        policy_init(&policy);
        file = policy_get_file(&policy, "fuzz.json");
        r = policy_document_parse(&file->document, text, strlen(text), &problem);
        require(r == 0 || r == -EBADMSG);
        if (r < 0) {
                require_printable(problem);
                return 0;
        }
        require(!policy_documents_contradict(&file->document, &file->document));
        for (size_t i = 0; i < file->document.n_warnings; i++)
                require_printable(file->document.warnings[i]);
        ask(&policy);
        return 0;
}
