/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The ruleset's chains for what comes in. */

struct transaction;

void inbound_put_chains(struct transaction *t);
void inbound_put_rules(struct transaction *t);
