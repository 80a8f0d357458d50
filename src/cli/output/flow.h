/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A flow in words. The strings are as raw as the record: what prints them escapes them.
 * Each that is returned as char * is the caller's.
 */

#include <netext/manager.h>

#include "cli/output/table.h"

/* "curl[4711]", "kernel", "unattributed"; "bash[4711] (sshd)" where sshd is responsible, and
 * "git-remote-http[4711] of git" where the record says the package */
char *flow_program(const struct nx_properties *flow);
/* Path of the program that is responsible, where it is not the flow's own; or NULL. */
const char *flow_responsible(const struct nx_properties *flow);
/* The program without its pid: what summaries count by. */
char *flow_program_name(const struct nx_properties *flow);
/* "198.18.0.2:443", "[fd00::2]:443"; which: "remote" or "local" */
char *flow_endpoint(const struct nx_properties *flow, const char *which);
/* "tcp 198.18.0.2:443 (example.org)"; "tcp from …" for what came in */
char *flow_remote(const struct nx_properties *flow);
/* "by firewall: rules:12", "by firewall's fail policy: verdict-timeout", "no-filter"; and
 * "; ended by inspector"; or "ended by firewall: rules:12" where it was judged again */
char *flow_why(const struct nx_properties *flow);
/* What becomes of it: "held", or the verdict. */
const char *flow_outcome(const struct nx_properties *flow);
enum table_colour flow_outcome_colour(const char *outcome);

/* A flow's number. 0 or -EINVAL. */
int flow_parse_identifier(const char *text, uint64_t *ret_identifier);

/* The reason as a sentence. Static storage. */
const char *flow_reason_sentence(const char *reason);

/* CLOCK_REALTIME nanoseconds as local time: "14:03:22.481", and with the date before it. */
char *time_of_day(uint64_t realtime_ns);
char *time_and_date(uint64_t realtime_ns);
/* "0.213 ms", "12.4 s", "3 min 20 s" */
char *time_span(uint64_t ns);
