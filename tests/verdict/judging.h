/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rule engine, to be asked through the kernel's test run. Needs root; everything it makes (a
 * mount in a namespace of its own) goes with the process.
 */

#include <stdbool.h>
#include <stdint.h>

#include "steer/hooks.h"

#define CURL "/usr/bin/curl"

extern struct hooks *hooks;

/* Set-up and tear-down of a group of tests. */
int judging_begin(void **state);
int judging_end(void **state);

struct steer_address address(const char *text);
/* Matches everything. */
struct steer_rule rule(enum steer_action action);
void to_network(struct steer_rule *rule, const char *text, unsigned int prefix);

/* In force for the session in slot. */
void put_rules(unsigned int slot, enum steer_action default_action, bool loopback,
               const struct steer_rule *rules, uint32_t n_rules);
/* A digit for each slot. */
void put_chain(const char *slots);

/* Of curl and user 1000. */
struct steer_question question(const char *remote, uint16_t port, uint8_t protocol);
struct steer_outcome judge(struct steer_question q);
struct steer_outcome judge_to(const char *remote, uint16_t port);
