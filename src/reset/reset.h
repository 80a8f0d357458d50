/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What netext-reset was asked for, and what came of it. Each kind of trace has a file; each trace
 * that is found is told by reset_tell(), and touched only where this is no trial.
 */

#include <stdbool.h>

#include "base/cleanup.h"

struct reset {
        const char *instance; /* NULL: all */
        bool is_trial;
        unsigned int n_found;
        unsigned int n_failed;
};

enum deed {
        DEED_REMOVE,
        DEED_END,
        DEED_MOVE,
};

/* Is the instance of that name to be removed? */
bool reset_means(const struct reset *reset, const char *instance);
/* What was found, and what came of the deed: 0 or a negative errno; of a trial nothing. */
void reset_tell(struct reset *reset, enum deed deed, int result, const char *format, ...)
        _printf_(4, 5);
