/* SPDX-License-Identifier: Apache-2.0 */

/*
 * First what the bundle itself was asked, in the order of bundle/check.h, then what this machine
 * has to say to it. A bundle that was not let in ends at the first of the two.
 */

#include <errno.h>

#include "manager/control/explain.h"
#include "manager/control/record.h"
#include "manager/extension/extension.h"
#include "manager/loop/text.h"
#include "manager/store/life.h"

struct step {
        const char *name;
        const char *result; /* passed, warned, failed, skipped */
        const char *file;
        const char *key;
        const char *text;
};

static int append_step(sd_bus_message *reply, const struct step *step)
{
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_string(reply, "check", step->name);
        if (r >= 0)
                r = record_put_string(reply, "result", step->result);
        if (r >= 0)
                r = record_put_string(reply, "file", step->file);
        if (r >= 0)
                r = record_put_string(reply, "key", step->key);
        if (r >= 0)
                r = record_put_string(reply, "text", step->text);
        return r < 0 ? r : record_end(reply);
}

static int append_report(sd_bus_message *reply, const struct bundle_report *report)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < report->n_findings; i++) {
                const struct bundle_finding *finding = &report->findings[i];

                r = append_step(reply, &(struct step){
                                               .name = bundle_check_name(finding->check),
                                               .result = wire_name_to_string(wire_check_results,
                                                                             (int)finding->result),
                                               .file = finding->file,
                                               .key = finding->key,
                                               .text = finding->text,
                                       });
        }
        return r;
}

static int append_developer(sd_bus_message *reply, const struct store *store,
                            const struct copy *copy)
{
        struct step step = {
                .name = "store.developer",
                .result = "passed",
                .text = "a trusted root vouches for its signer",
        };

        if (copy->developer && store->developer) {
                step.result = "warned";
                step.text = "no trusted root vouches for its signer; developer mode lets it in";
        } else if (copy->developer) {
                step.result = "failed";
                step.text = "no trusted root vouches for its signer, and developer mode is off";
        }
        return append_step(reply, &step);
}

static int append_policy(sd_bus_message *reply, enum policy_answer answer, const char *why)
{
        return append_step(reply,
                           &(struct step){
                                   .name = "store.policy",
                                   .result = answer == POLICY_FORBIDDEN ? "failed" : "passed",
                                   .text = why ?: "no policy says anything of it",
                           });
}

static int append_approval(sd_bus_message *reply, const struct store *store,
                           const struct copy *copy, enum policy_answer answer)
{
        const char *why = approval_explain(&store->approvals, copy);
        struct step step = { .name = "store.approval", .result = "failed" };

        if (answer == POLICY_FORBIDDEN)
                return append_step(reply, &(struct step){ "store.approval", "skipped", NULL, NULL,
                                                          "a policy forbids it" });
        if (answer == POLICY_ALLOWED || approval_find(&store->approvals, copy))
                step.result = "passed";
        if (answer == POLICY_ALLOWED)
                step.text = "a policy allows it, so nobody has to approve it";
        else if (approval_find(&store->approvals, copy))
                step.text = "an administrator approved it";
        else
                step.text = why ?: "no administrator approved it yet: netextctl extension approve";
        return append_step(reply, &step);
}

static int append_recovery(sd_bus_message *reply, const struct copy *copy)
{
        _cleanup_free_ char *text = NULL;

        if (!copy->recovered)
                return 0;
        text_set(&text,
                 "it was found in its folder when what was known of it could not be read: %s",
                 copy->recovered);
        return append_step(reply, &(struct step){
                                          .name = "store.recovery",
                                          .result = "warned",
                                          .text = text,
                                  });
}

static int append_switch(sd_bus_message *reply, const struct copy *copy)
{
        return append_step(
                reply,
                &(struct step){
                        .name = "store.switch",
                        .result = copy->switched_off ? "failed" : "passed",
                        .text = copy->switched_off
                                        ? "an administrator disabled it: netextctl extension enable"
                                        : "nobody disabled it",
                });
}

/* What is so now, which may be better or worse than what was decided. */
static int append_state(sd_bus_message *reply, const struct copy *copy)
{
        _cleanup_free_ char *text = NULL;
        int r;

        text_set(&text, "%s%s%s", copy_state_to_string(copy->state), copy->problem ? ": " : "",
                 copy->problem ?: "");
        r = append_step(reply,
                        &(struct step){
                                .name = "store.state",
                                .result = copy->problem || copy->state != COPY_ENABLED ? "failed"
                                                                                       : "passed",
                                .text = text,
                        });
        if (r >= 0 && copy->last_failure)
                r = append_step(reply, &(struct step){
                                               .name = "store.replacement",
                                               .result = "warned",
                                               .text = copy->last_failure,
                                       });
        return r;
}

static int append_process(sd_bus_message *reply, const struct extension *extension)
{
        bool is_ready = extension_is_ready(extension);
        const char *message = extension_get_message(extension);
        const char *last_exit = extension_get_last_exit(extension);
        const char *session = extension->spec.per_session ? extension->name : NULL;
        const char *mark = session ? ": " : "";
        _cleanup_free_ char *text = NULL;

        if (is_ready)
                text_set(&text, "%s%sit runs, pid %d", session ?: "", mark,
                         extension_get_pid(extension));
        else
                text_set(&text, "%s%s%s%s%s%s%s", session ?: "", mark,
                         extension_state_to_string(extension_get_state(extension)),
                         message ? ": " : "", message ?: "", last_exit ? "; the last time it " : "",
                         last_exit ?: "");
        return append_step(reply, &(struct step){
                                          .name = "process",
                                          .result = is_ready ? "passed" : "failed",
                                          .text = text,
                                  });
}

static int append_copy(sd_bus_message *reply, const struct store *store, const struct life *life,
                       const struct copy *copy)
{
        _cleanup_free_ char *why = NULL;
        enum policy_answer answer = life_ask_policy(life, copy, &why);
        int r;

        r = append_report(reply, &copy->bundle.report);
        if (r >= 0)
                r = append_recovery(reply, copy);
        if (r >= 0)
                r = append_developer(reply, store, copy);
        if (r >= 0)
                r = append_policy(reply, answer, why);
        if (r >= 0)
                r = append_approval(reply, store, copy, answer);
        if (r >= 0)
                r = append_switch(reply, copy);
        return r < 0 ? r : append_state(reply, copy);
}

int explain_append(sd_bus_message *reply, struct control *control, const char *word)
{
        const struct store *store = control->store;
        const struct refusal *refusal = store_find_refusal(store, word);
        const struct life *life = store_find(store, word);
        const struct copy *copy = life ? life_get_copy(life) : NULL;
        struct extension *extension = NULL;
        int r;

        /* What was refused after the present copy came is what people ask about. */
        if (refusal && (!copy || refusal->request > copy->request))
                return append_report(reply, &refusal->report);
        if (!copy)
                return -ENOENT;
        r = append_copy(reply, store, life, copy);
        while (r >= 0 && (extension = extension_table_next(control->sessions->extensions,
                                                           life->identifier, extension)))
                r = append_process(reply, extension);
        return r;
}
