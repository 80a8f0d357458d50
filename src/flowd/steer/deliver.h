/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The ruleset's chains for what is carried on. Only while flows are delivered. */

struct transaction;

void deliver_put_chains(struct transaction *t);
void deliver_put_rules(struct transaction *t);
