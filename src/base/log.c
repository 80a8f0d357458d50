/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One write(2) a line, so that the lines of several processes that share a
 * terminal do not mix.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/log.h"

static const char *log_program = "netext";
static enum log_level log_max_level = LOG_LEVEL_NOTICE;
static bool log_to_journal;

void log_open(const char *program, enum log_level max_level)
{
        log_program = program;
        log_max_level = max_level;
        log_to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_line(enum log_level level, const char *format, ...)
{
        char line[1024];
        va_list args;
        int n;

        if (level > log_max_level)
                return;
        if (log_to_journal)
                n = snprintf(line, sizeof(line), "<%d>", level);
        else
                n = snprintf(line, sizeof(line), "%s: ", log_program);
        va_start(args, format);
        vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
        va_end(args);
        for (char *c = line; *c; c++)
                if ((unsigned char)*c < ' ' || *c == 0x7f)
                        *c = '?'; /* a peer's text must not write lines of its own */
        strcat(line, "\n");
        (void)!write(STDERR_FILENO, line, strlen(line));
}
