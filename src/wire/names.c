/* SPDX-License-Identifier: Apache-2.0 */

/* The words of every enumerated value. A word, once released, keeps its meaning. */

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <netext/activation.h>
#include <netext/filter.h>
#include <netext/key.h>
#include <netext/netext.h>
#include <netext/packet.h>

#include "wire/names.h"

const struct wire_name wire_protocols[] = {
        { IPPROTO_TCP, "tcp" },
        { IPPROTO_UDP, "udp" },
        { IPPROTO_ICMP, "icmp" },
        { IPPROTO_RAW, "other" },
        {},
};

const struct wire_name wire_directions[] = {
        { NX_DIRECTION_ANY, "any" },
        { NX_DIRECTION_INBOUND, "inbound" },
        { NX_DIRECTION_OUTBOUND, "outbound" },
        {},
};

const struct wire_name wire_owners[] = {
        { WIRE_OWNER_UNATTRIBUTED, "unattributed" },
        { WIRE_OWNER_PROGRAM, "program" },
        { WIRE_OWNER_KERNEL, "kernel" },
        {},
};

const struct wire_name wire_flow_states[] = {
        { WIRE_FLOW_HELD, "held" },
        { WIRE_FLOW_OPEN, "open" },
        { WIRE_FLOW_CLOSED, "closed" },
        {},
};

const struct wire_name wire_verdicts[] = {
        { NX_VERDICT_NONE, "none" },       { NX_VERDICT_ALLOW, "allow" },
        { NX_VERDICT_DROP, "drop" },       { NX_VERDICT_REFUSE, "refuse" },
        { NX_VERDICT_PAUSE, "pause" },     { NX_VERDICT_CLAIM, "claim" },
        { NX_VERDICT_DECLINE, "decline" }, { NX_VERDICT_FILTER_DATA, "filter-data" },
        { NX_VERDICT_PEEK, "peek" },       {},
};

const struct wire_name wire_reasons[] = {
        { WIRE_REASON_NONE, "none" },
        { WIRE_REASON_NO_FILTER, "no-filter" },
        { WIRE_REASON_RULE, "rule" },
        { WIRE_REASON_DEFAULT_ACTION, "default-action" },
        { WIRE_REASON_LOOPBACK, "loopback" },
        { WIRE_REASON_PROVIDER, "provider" },
        { WIRE_REASON_KERNEL_OWNER, "kernel-owner" },
        { WIRE_REASON_OWN_TRAFFIC, "own-traffic" },
        { WIRE_REASON_VERDICT_TIMEOUT, "verdict-timeout" },
        { WIRE_REASON_PROVIDER_GONE, "provider-gone" },
        { WIRE_REASON_PROVIDER_ABSENT, "provider-absent" },
        { WIRE_REASON_TABLE_FULL, "table-full" },
        { WIRE_REASON_DECLINED, "declined" },
        { WIRE_REASON_UPSTREAM_FAILED, "upstream-failed" },
        { WIRE_REASON_NOT_INSPECTABLE, "not-inspectable" },
        { WIRE_REASON_CARRIED, "carried" },
        { WIRE_REASON_LOOP, "loop" },
        { WIRE_REASON_MEMORY_SHORT, "memory-short" },
        { WIRE_REASON_DIRECT, "direct" },
        { WIRE_REASON_REMEMBERED, "remembered" },
        { WIRE_REASON_PAUSE_TIMEOUT, "pause-timeout" },
        { WIRE_REASON_ENDED, "ended" },
        { WIRE_REASON_NOT_ASKABLE, "not-askable" },
        { WIRE_REASON_ANSWERED, "answered" },
        { WIRE_REASON_KEPT_ANSWER, "kept-answer" },
        { WIRE_REASON_NOBODY_ATTACHED, "nobody-attached" },
        { WIRE_REASON_UNANSWERED, "unanswered" },
        { WIRE_REASON_QUESTION_QUOTA, "question-quota" },
        { WIRE_REASON_OLDER, "older" },
        { WIRE_REASON_PROGRAM_GONE, "program-gone" },
        { WIRE_REASON_PROGRAM_QUOTA, "program-quota" },
        {},
};

const struct wire_name wire_fail_policies[] = {
        { WIRE_FAIL_OPEN, "open" },
        { WIRE_FAIL_CLOSED, "closed" },
        { WIRE_FAIL_LAST_RULES, "last-rules" },
        {},
};

const struct wire_name wire_kinds[] = {
        { NX_PROVIDER_KIND_FILTER, "filter" },
        { NX_PROVIDER_KIND_TRANSPARENT_PROXY, "transparent-proxy" },
        { NX_PROVIDER_KIND_APP_PROXY, "app-proxy" },
        { NX_PROVIDER_KIND_PACKET_FILTER, "packet-filter" },
        {},
};

const struct wire_name wire_packet_verdicts[] = {
        { NX_PACKET_VERDICT_ALLOW, "allow" },
        { NX_PACKET_VERDICT_DROP, "drop" },
        { NX_PACKET_VERDICT_DELAY, "delay" },
        {},
};

const struct wire_name wire_grades[] = {
        { NX_FILTER_GRADE_FIREWALL, "firewall" },
        { NX_FILTER_GRADE_INSPECTOR, "inspector" },
        {},
};

const struct wire_name wire_session_states[] = {
        { WIRE_SESSION_STARTING, "starting" },     { WIRE_SESSION_RUNNING, "running" },
        { WIRE_SESSION_RESTARTING, "restarting" }, { WIRE_SESSION_FAILED, "failed" },
        { WIRE_SESSION_STOPPED, "stopped" },       {},
};

const struct wire_name wire_flow_events[] = {
        { WIRE_EVENT_HELD, "held" },
        { WIRE_EVENT_DECIDED, "decided" },
        { WIRE_EVENT_CLOSED, "closed" },
        {},
};

const struct wire_name wire_flow_ends[] = {
        { WIRE_END_NONE, "none" },
        { WIRE_END_IDLE, "idle" },
        { WIRE_END_EXTENSION, "extension" },
        { WIRE_END_FILTER, "filter" },
        { WIRE_END_PERSON, "person" },
        { WIRE_END_JUDGED_AGAIN, "judged-again" },
        {},
};

const struct wire_name wire_report_frequencies[] = {
        { NX_REPORT_FREQUENCY_NONE, "none" },
        { NX_REPORT_FREQUENCY_LOW, "low" },
        { NX_REPORT_FREQUENCY_MEDIUM, "medium" },
        { NX_REPORT_FREQUENCY_HIGH, "high" },
        {},
};

const struct wire_name wire_report_events[] = {
        { NX_REPORT_NEW_FLOW, "new-flow" },
        { NX_REPORT_DATA_DECISION, "data-decision" },
        { NX_REPORT_FLOW_CLOSED, "flow-closed" },
        { NX_REPORT_STATISTICS, "statistics" },
        {},
};

const struct wire_name wire_check_results[] = {
        { WIRE_CHECK_PASSED, "passed" },
        { WIRE_CHECK_WARNED, "warned" },
        { WIRE_CHECK_FAILED, "failed" },
        { WIRE_CHECK_SKIPPED, "skipped" },
        {},
};

const struct wire_name wire_request_errors[] = {
        { NX_REQUEST_ERROR_UNKNOWN, "unknown" },
        { NX_REQUEST_ERROR_MISSING_CAPABILITY, "missing-capability" },
        { NX_REQUEST_ERROR_UNSUPPORTED_LOCATION, "unsupported-location" },
        { NX_REQUEST_ERROR_NOT_FOUND, "not-found" },
        { NX_REQUEST_ERROR_MISSING_IDENTIFIER, "missing-identifier" },
        { NX_REQUEST_ERROR_DUPLICATE_IDENTIFIER, "duplicate-identifier" },
        { NX_REQUEST_ERROR_UNKNOWN_CATEGORY, "unknown-category" },
        { NX_REQUEST_ERROR_SIGNATURE_INVALID, "signature-invalid" },
        { NX_REQUEST_ERROR_VALIDATION_FAILED, "validation-failed" },
        { NX_REQUEST_ERROR_FORBIDDEN_BY_POLICY, "forbidden-by-policy" },
        { NX_REQUEST_ERROR_CANCELED, "canceled" },
        { NX_REQUEST_ERROR_SUPERSEDED, "superseded" },
        { NX_REQUEST_ERROR_AUTHORIZATION_REQUIRED, "authorization-required" },
        {},
};

const struct wire_name wire_lifetimes[] = {
        { WIRE_LIFETIME_ONCE, "once" },
        { WIRE_LIFETIME_RUN, "run" },
        { WIRE_LIFETIME_EVER, "ever" },
        {},
};

const struct wire_name wire_key_operations[] = {
        { WIRE_KEY_PUT_SECRET, "put-secret" },
        { WIRE_KEY_READ_SECRET, "read-secret" },
        { WIRE_KEY_REMOVE_SECRET, "remove-secret" },
        { WIRE_KEY_LIST_SECRETS, "list-secrets" },
        { WIRE_KEY_GENERATE, "generate-key" },
        { WIRE_KEY_IMPORT, "import-key" },
        { WIRE_KEY_GET_PUBLIC, "get-public-key" },
        { WIRE_KEY_SIGN, "sign" },
        { WIRE_KEY_DECRYPT, "decrypt" },
        { WIRE_KEY_REMOVE, "remove-key" },
        { WIRE_KEY_LIST, "list-keys" },
        {},
};

const struct wire_name wire_key_types[] = {
        { NX_KEY_TYPE_ED25519, "ed25519" },
        { NX_KEY_TYPE_P256, "p256" },
        { NX_KEY_TYPE_P384, "p384" },
        { NX_KEY_TYPE_RSA, "rsa" },
        {},
};

bool wire_reason_is_fallback(enum wire_reason reason)
{
        return reason == WIRE_REASON_VERDICT_TIMEOUT || reason == WIRE_REASON_PROVIDER_GONE ||
               reason == WIRE_REASON_PROVIDER_ABSENT || reason == WIRE_REASON_TABLE_FULL ||
               reason == WIRE_REASON_NOT_INSPECTABLE || reason == WIRE_REASON_NOT_ASKABLE ||
               reason == WIRE_REASON_NOBODY_ATTACHED || reason == WIRE_REASON_UNANSWERED ||
               reason == WIRE_REASON_QUESTION_QUOTA || reason == WIRE_REASON_PROGRAM_QUOTA;
}

bool wire_reason_is_of_question(enum wire_reason reason)
{
        return reason == WIRE_REASON_ANSWERED || reason == WIRE_REASON_KEPT_ANSWER ||
               reason == WIRE_REASON_NOBODY_ATTACHED || reason == WIRE_REASON_UNANSWERED ||
               reason == WIRE_REASON_QUESTION_QUOTA;
}

const char *wire_name_to_string(const struct wire_name *names, int value)
{
        for (; names->name; names++)
                if (names->value == value)
                        return names->name;
        return "unknown";
}

int wire_name_from_string(const struct wire_name *names, const char *word)
{
        for (; names->name; names++)
                if (strcmp(names->name, word) == 0)
                        return names->value;
        return -EINVAL;
}
