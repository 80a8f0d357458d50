/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One place that knows how a flow reads, so that list, watch, explain and the summary
 * of `run` use the same words. The reasons' sentences are here; netext(7) has a
 * paragraph for each.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/flow.h"

struct reason {
        const char *word;
        bool by_fail_policy;
        const char *sentence;
};

static const struct reason reasons[] = {
        { "none", false, "Nothing is decided yet." },
        { "no-filter", false, "No running session looks at flows, so it passed." },
        { "rule", false,
          "A rule of the session matched; the kernel decided without asking the extension." },
        { "default-action", false,
          "No rule of the session matched, so its default action applied." },
        { "loopback", false, "It stays on this host, and the session leaves such flows alone." },
        { "provider", false, "The session's extension was asked, and this is its answer." },
        { "remembered", false,
          "The extension answered so about an earlier flow of the program, and had it "
          "remembered." },
        { "kernel-owner", false,
          "The socket belongs to the kernel itself, not to a program; such flows pass." },
        { "own-traffic", false,
          "It is the extension's own traffic, which its own session does not filter." },
        { "verdict-timeout", true,
          "The extension did not answer within the session's verdict timeout." },
        { "provider-gone", true, "The extension ended while it was being asked." },
        { "provider-absent", true,
          "The session's extension was not running, so nobody could be asked." },
        { "table-full", true, "More flows were waiting for an answer than netext can hold." },
        { "declined", false, "The app proxy that it belongs to declined it." },
        { "upstream-failed", false,
          "A proxy that claimed it, or netext for a filter, did not reach its destination; who "
          "began it was told so." },
        { "not-inspectable", true,
          "The session wants to see its bytes, and they cannot be had: it is not a TCP connection "
          "of a known program, or one that has to stay on its interface, or it is for a group." },
        { "carried", false, "It carries a flow on that had passed the sessions already." },
        { "loop", false, "It came back to a session that it had passed already." },
        { "memory-short", false,
          "Its bytes were held and did not move, while other flows found no memory; it was "
          "reset." },
        { "not-askable", true,
          "Nobody could be asked: it is of neither TCP nor UDP, or there was no memory to note "
          "whose it is. A rule would decide." },
        { "direct", false,
          "It carries a flow on, and the proxy that does chose to go past all other proxies." },
        { "pause-timeout", false,
          "The session's extension paused it for 10 seconds, which is as long as a datagram can "
          "wait; it was dropped." },
        { "program-gone", false,
          "The session's extension had paused it, and its program closed the connection "
          "meanwhile." },
        { "ended", false,
          "It waited for a verdict, and somebody ended it: another filter, or who asked netextd." },
        { "answered", false, "Somebody was asked about it, and this is the answer." },
        { "kept-answer", false,
          "Somebody was asked about others like it, and said that the answer counts longer." },
        { "nobody-attached", true,
          "Somebody was to be asked about it, but no prompt is attached (netextctl ask)." },
        { "unanswered", true, "Somebody was asked about it, and did not answer in time." },
        { "question-quota", true,
          "Somebody was to be asked about it, but its session has too many open questions." },
        { "program-quota", true,
          "Its program has as many flows that wait for a verdict, or that are carried, as one "
          "program may have." },
        { "older", false,
          "It was open before netext could ask anybody, and went on; netextctl flow rejudge "
          "asks." },
};

int flow_parse_identifier(const char *text, uint64_t *ret_identifier)
{
        char *end;

        errno = 0;
        *ret_identifier = strtoull(text, &end, 10);
        return errno || *end || *text < '0' || *text > '9' ? -EINVAL : 0;
}

static const struct reason *reason_find(const char *word)
{
        for (size_t i = 0; word && i < ARRAY_SIZE(reasons); i++)
                if (strcmp(reasons[i].word, word) == 0)
                        return &reasons[i];
        return NULL;
}

const char *flow_reason_sentence(const char *word)
{
        const struct reason *reason = reason_find(word);

        return reason ? reason->sentence : "This netextctl does not know that reason.";
}

static const char *word_of(const struct nx_properties *flow, const char *key)
{
        const char *word = nx_properties_get_string(flow, key);

        return word ? word : "";
}

char *flow_program_name(const struct nx_properties *flow)
{
        const char *program = word_of(flow, "program");
        const char *slash = strrchr(program, '/');

        if (slash)
                program = slash + 1;
        if (*program)
                return cli_format("%s", program);
        if (strcmp(word_of(flow, "owner"), "program") == 0)
                return cli_format("%s", *word_of(flow, "comm") ? word_of(flow, "comm") : "?");
        return cli_format("%s", word_of(flow, "owner"));
}

const char *flow_responsible(const struct nx_properties *flow)
{
        const char *responsible = nx_properties_get_string(flow, "responsible_program");

        return responsible && strcmp(responsible, word_of(flow, "program")) != 0 ? responsible
                                                                                 : NULL;
}

char *flow_program(const struct nx_properties *flow)
{
        _cleanup_free_ char *name = flow_program_name(flow);
        const char *responsible = flow_responsible(flow);
        const char *slash = responsible ? strrchr(responsible, '/') : NULL;
        const char *package = nx_properties_get_string(flow, "package");

        if (!nx_properties_has(flow, "pid") || strcmp(word_of(flow, "owner"), "program") != 0)
                return cli_format("%s", name);
        return cli_format("%s[%" PRIu64 "]%s%s%s%s%s", name, nx_properties_get_uint64(flow, "pid"),
                          package ? " of " : "", package ?: "", responsible ? " (" : "",
                          slash ? slash + 1 : responsible ?: "", responsible ? ")" : "");
}

char *flow_endpoint(const struct nx_properties *flow, const char *which)
{
        _cleanup_free_ char *address_key = cli_format("%s_address", which);
        _cleanup_free_ char *port_key = cli_format("%s_port", which);
        const char *address = word_of(flow, address_key);
        bool bracketed = strchr(address, ':') != NULL;

        return cli_format("%s%s%s:%" PRIu64, bracketed ? "[" : "", address, bracketed ? "]" : "",
                          nx_properties_get_uint64(flow, port_key));
}

char *flow_remote(const struct nx_properties *flow)
{
        _cleanup_free_ char *endpoint = flow_endpoint(flow, "remote");
        const char *name = word_of(flow, "remote_name");
        bool inbound = strcmp(word_of(flow, "direction"), "inbound") == 0;

        return cli_format("%s %s%s%s%s%s", word_of(flow, "protocol"), inbound ? "from " : "",
                          endpoint, *name ? " (" : "", name, *name ? ")" : "");
}

/* Whose doing its end was, beside those who decided: "scripted", "a person"; or NULL. */
static const char *ender_of(const struct nx_properties *flow)
{
        const char *by = word_of(flow, "ended_by"), *session = word_of(flow, "ended_session");

        if (strcmp(by, "person") == 0)
                return "a person";
        return strcmp(by, "filter") == 0 && *session ? session : NULL;
}

/* Why it has its verdict. */
static char *why_decided(const struct nx_properties *flow)
{
        const char *word = word_of(flow, "reason"), *session = word_of(flow, "decided_by");
        const char *rule = word_of(flow, "rule");
        const struct reason *reason = reason_find(word);
        const char *detail = *rule ? rule : word;

        if (strcmp(word, "none") == 0)
                return cli_format("%s", "");
        if (!*session)
                return cli_format("%s", detail);
        if (reason && reason->by_fail_policy)
                return cli_format("by %s's fail policy: %s", session, word);
        if (!*rule && strcmp(word, "provider") == 0)
                return cli_format("by %s", session);
        return cli_format("by %s: %s", session, detail);
}

/* The same, and the only interface by which it goes, if there is one. */
static char *why_and_where(const struct nx_properties *flow)
{
        _cleanup_free_ char *why = why_decided(flow);
        const char *interface = word_of(flow, "interface");

        return cli_format("%s%s%s%s", why, *why && *interface ? ", " : "",
                          *interface ? "through " : "", interface);
}

char *flow_why(const struct nx_properties *flow)
{
        _cleanup_free_ char *decided = why_and_where(flow);
        const char *ender = ender_of(flow);

        if (strcmp(word_of(flow, "ended_by"), "judged-again") == 0)
                return cli_format("ended %s", decided);
        if (!ender)
                return cli_format("%s", decided);
        return cli_format("%s%sended by %s", decided, *decided ? "; " : "", ender);
}

const char *flow_outcome(const struct nx_properties *flow)
{
        return strcmp(word_of(flow, "state"), "held") == 0 ? "held" : word_of(flow, "verdict");
}

enum table_colour flow_outcome_colour(const char *outcome)
{
        if (strcmp(outcome, "allow") == 0 || strcmp(outcome, "claim") == 0)
                return TABLE_GREEN;
        if (strcmp(outcome, "drop") == 0 || strcmp(outcome, "refuse") == 0)
                return TABLE_RED;
        if (strcmp(outcome, "held") == 0)
                return TABLE_YELLOW;
        return TABLE_DIM;
}
