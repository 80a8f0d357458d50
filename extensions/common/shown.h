/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Problems, or remarks, for somebody who looks at the file: the line each is in, and a caret below
 * its column.
 */

#include <stddef.h>
#include <stdio.h>

#include "common/problems.h"

/* All that are kept, with the sentence how many more there are. text: the file's. */
void problems_show(FILE *out, const struct problems *problems, const char *path, const char *text,
                   size_t size);
/* The same for programs: an object with path, problems and remarks, on one line. */
void problems_show_json(FILE *out, const struct problems *problems, const struct problems *remarks,
                        const char *path);
