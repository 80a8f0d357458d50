/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A session's rules on their way from the provider's messages to the kernel's map. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/steer.abi.h"
#include "flow/flow.h"
#include "wire/codec.h"

struct hooks;
struct names;
struct sets;

struct settings {
        uint64_t id;                         /* the provider's number for them */
        union steer_settings_entry *entries; /* the header, then the rules */
        char (*labels)[FLOW_RULE_MAX];       /* of entries[1] and up */
        uint64_t *counts;                    /* of the flows that each decided; [0]: the default */
        uint8_t *messages;                   /* that they came in, one behind the other */
        size_t messages_size, messages_capacity;
        bool has_asking_labels; /* a rule that has the provider asked has a label */
        uint32_t n_rules;
        uint32_t generation; /* in force since */
        uint32_t udp_idle_s; /* of claimed flows; 0: never */
        int error; /* 0, or -EOPNOTSUPP: the kernel cannot tell what a rule asks for … */
        char refused[FLOW_RULE_MAX]; /* … this one: they must not come into force */
        struct hooks *hooks;         /* borrowed */
        struct names *names;         /* borrowed */
        struct sets *sets;           /* borrowed */
};

/* From NX_MSG_ENGINE_SETTINGS_BEGIN. 0, or -EBADMSG for an unknown action or too long an idle
 * time, -ENOMEM. */
int settings_begin(struct settings **ret_settings, const struct wire_message *message,
                   struct hooks *hooks, struct names *names, struct sets *sets);
/* NX_MSG_ENGINE_SETTINGS_RULE. 0 (then see error), -EBADMSG for fields that contradict, -E2BIG,
 * -ENOMEM. */
int settings_add(struct settings *settings, const struct wire_message *message);
/* NULL in, NULL out. */
struct settings *settings_free(struct settings *settings);

/* The messages that the rules came in, from *offset == 0 on; false behind the last. */
bool settings_next_message(const struct settings *settings, size_t *offset,
                           struct wire_message *ret_message);
/* The label of a rule, "" if it has none or is not of these settings. */
const char *settings_label(const struct settings *settings, const struct steer_outcome *outcome);
/* A flow that this rule decided, or the default action, if they are of these settings. */
void settings_count(struct settings *settings, const struct steer_outcome *outcome);
/* What the rules in front of the first one that changed have counted is not lost. */
void settings_keep_counts(struct settings *settings, const struct settings *before);
