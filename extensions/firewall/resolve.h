/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "firewall/rules.h"

/*
 * Looks up on this machine what rules name: users become numbers, programs the paths that
 * the kernel knows them by. 0, -ENOMEM, or RULES_E_INVALID.
 */
int rules_resolve(struct rules *rules, struct problems *problems);
