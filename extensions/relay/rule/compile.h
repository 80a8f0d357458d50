/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <netext/proxy.h>

#include "relay/rule/rules.h"

/*
 * Resolved rules as settings, which the caller owns: every flow comes that is not to be
 * ignored, and some that are. path: the rule file's. 0, -ENOMEM, or RULES_E_INVALID.
 */
int rules_compile(struct nx_proxy_settings **ret_settings, const struct rules *rules,
                  const char *path, struct problems *problems);
