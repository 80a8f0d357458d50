/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sentences for people. What comes from outside (file names, arguments, reports of
 * extensions) is made harmless first: D-Bus and JSON refuse what is not UTF-8, and one
 * odd file name must not cost a client its connection; control characters would let an
 * extension forge log lines.
 */

#include <stdbool.h>

#include "base/cleanup.h"

/* A copy with control characters, and bytes that are not valid UTF-8, as "\xNN". Caller owns;
 * NULL where there is no memory, or no text. */
char *text_clean(const char *text);
/* The same with control characters as they are: for programs, which know what is for a terminal. */
char *text_to_utf8(const char *text);

#define TEXT_IDENTIFIER_MAX 40

/* Of an extension, a session or a set: 1 to TEXT_IDENTIFIER_MAX lower-case letters, digits and
 * dashes. */
bool text_is_identifier(const char *text);

/* Replaces *text, which may be NULL, by the formatted one. */
void text_set(char **text, const char *format, ...) _printf_(2, 3);
/* A list of words with blanks between them gets one more; *words may be NULL. */
void text_add_word(char **words, const char *word);

/* text_set() for an error that is about to be returned: returns error. */
int text_problem(char **ret_problem, int error, const char *format, ...) _printf_(3, 4);
