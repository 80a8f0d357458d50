/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/options.h"

/* Starts the sessions of a run, in the order in which they were named. rules: NULL, or the
 * file of the firewall, which is then one of them. 0, or -1 after a complaint. */
int run_sessions_start(const char *instance, const struct option_list *extensions,
                       const char *rules, const char *fail_policy);
