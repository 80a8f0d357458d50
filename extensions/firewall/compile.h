/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "firewall/rules.h"

/*
 * Resolved rules as settings, which the caller owns. path: the rule file's; a flow that
 * rule 12 of /etc/netext/rules decided shows "rules:12". 0, -ENOMEM, or RULES_E_INVALID.
 */
int rules_compile(struct nx_filter_settings **ret_settings, const struct rules *rules,
                  const char *path, struct problems *problems);
