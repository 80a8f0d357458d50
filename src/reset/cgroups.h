/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "reset/reset.h"

/* The cgroups of the extensions of the instances that are meant, with who is left in them; and
 * those of their netextctl run, whose programs go on where they would be without it. Before
 * folders_remove(). */
void cgroups_remove(struct reset *reset);
