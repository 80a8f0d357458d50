/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the worker netext-bundle found, as messages: a MANAGER_BUNDLE_CHECK for each finding, a
 * MANAGER_BUNDLE_FACT for each value of the manifest and the signature, and at the end
 * MANAGER_BUNDLE_DONE. The worker reads bytes of strangers, so who takes its messages believes
 * neither their number nor their order.
 *
 * The worker is told its job by its arguments, and finds descriptors:
 *
 *   netext-bundle stage                 3 answers, 4 the folder or archive, 5 an empty folder
 *   netext-bundle verify [--developer] [--sync]
 *                                       3 answers, 4 the folder, 5 the trust folder (or nothing)
 *
 * --sync: what is good is on disk when DONE is sent.
 *
 * It exits with 0 once DONE was sent, whatever that says.
 */

#include "bundle/bundle.h"
#include "wire/channel.h"

struct bundle_answer {
        struct bundle bundle;
        size_t n_facts;
        bool is_done;
        int result;    /* of DONE: 0, or the negative errno of what kept it from looking */
        char *problem; /* what that was, or NULL */
};

void bundle_answer_deinit(struct bundle_answer *answer);

/* Takes one message. 0; -EBADMSG for what no worker of ours says; -E2BIG; -ENOMEM. */
int bundle_answer_take(struct bundle_answer *answer, const struct wire_message *message);

/* Done, nothing failed, and what it says of a manifest is all that a manifest has, in its form. Of
 * stage, which says nothing of one. */
bool bundle_answer_is_good(const struct bundle_answer *answer);
/* The same of verify, which has to say it: the manifest's words are there, and fit to be file
 * names, whoever the worker was. */
bool bundle_answer_is_bundle(const struct bundle_answer *answer);

/* The worker's side. 0, or the channel's error. problem: may be NULL. */
int bundle_answer_send(struct channel *channel, const struct bundle *bundle, int result,
                       const char *problem);
