/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Log lines go to stderr, one a call, with the kernel's <N> level prefix where
 * the journal reads them (sd-daemon(3)) and the program's name where a person does.
 * A function logs or returns an error, not both.
 */

#include "base/cleanup.h"

enum log_level {
        LOG_LEVEL_ERROR = 3,
        LOG_LEVEL_WARNING = 4,
        LOG_LEVEL_NOTICE = 5,
        LOG_LEVEL_INFO = 6,
        LOG_LEVEL_DEBUG = 7,
};

/* program: borrowed, shown before each line. Lines above max_level are dropped. */
void log_open(const char *program, enum log_level max_level);
void log_line(enum log_level level, const char *format, ...) _printf_(2, 3);

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
