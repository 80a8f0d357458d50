/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why something was not done, for people. */

#include <stdarg.h>
#include <stdio.h>

#include "base/cleanup.h"

struct refusal {
        char text[256];
};

/* Returns error. */
_printf_(3, 4) static inline int refuse(struct refusal *refusal, int error, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(refusal->text, sizeof(refusal->text), format, args);
        va_end(args);
        return error;
}
