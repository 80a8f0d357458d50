/* SPDX-License-Identifier: Apache-2.0 */

/* One line for each trace: to standard output what was done, or would be; to standard error what
 * could not be done. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "reset/reset.h"

static const struct {
        const char *infinitive, *past;
} deeds[] = {
        [DEED_REMOVE] = { "remove", "removed" },
        [DEED_END] = { "end", "ended" },
        [DEED_MOVE] = { "move", "moved" },
};

bool reset_means(const struct reset *reset, const char *instance)
{
        return !reset->instance || strcmp(reset->instance, instance) == 0;
}

void reset_tell(struct reset *reset, enum deed deed, int result, const char *format, ...)
{
        bool has_failed = !reset->is_trial && result < 0;
        FILE *to = has_failed ? stderr : stdout;
        va_list args;

        reset->n_found++;
        reset->n_failed += has_failed;
        if (has_failed)
                fprintf(to, "netext-reset: cannot %s ", deeds[deed].infinitive);
        else if (reset->is_trial)
                fprintf(to, "would %s ", deeds[deed].infinitive);
        else
                fprintf(to, "%s ", deeds[deed].past);
        va_start(args, format);
        vfprintf(to, format, args);
        va_end(args);
        if (has_failed)
                fprintf(to, ": %s", strerror(-result));
        fputc('\n', to);
}
