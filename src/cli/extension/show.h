/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What was found out about a bundle: for people, and as one JSON object. */

#include <stdbool.h>

#include "bundle/bundle.h"

/* The checks that did not pass, or all of them, and a last line with what that means. */
void show_report(const struct bundle *bundle, const char *path, bool all);
/* What it says that it is, who signed it, and what it could do. */
void show_facts(const struct bundle *bundle);
/* All of both. */
void show_json(const struct bundle *bundle);
/* The checks that failed, on stderr. */
void show_failures(const struct bundle_report *report);
