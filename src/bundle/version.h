/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Below, at or above 0, as one is older than other, the same, or newer: "1.9" is older than "1.10",
 * and "1" is "1.0". */
int version_compare(const char *one, const char *other);
