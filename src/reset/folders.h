/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "reset/reset.h"

/* The runtime folders of the instances that are meant, whatever is in them. */
void folders_remove(struct reset *reset);
