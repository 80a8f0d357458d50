/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Marks a definition that include/netext declares. All else is hidden: the shared
 * library does not export it, and the static one makes it local.
 */

#define _public_ __attribute__((visibility("default")))
