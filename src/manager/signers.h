/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whose programs are those of installed bundles: what flowd is told of them, for rules. */

#include "manager/instance.h"

/* Tells it all, once more. Nothing happens while no flowd is ready. */
void signers_tell(struct instance *instance);
