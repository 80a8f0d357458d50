/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What callers hand to both halves of the library, checked. */

#include <stdbool.h>
#include <stddef.h>

#define NAME_LENGTH_MAX 40

/* Instances and sets: lower-case letters, digits and dashes, 1 to NAME_LENGTH_MAX. */
bool name_is_valid(const char *name);

#define IDENTIFIER_LENGTH_MAX 128

/* Extensions: "hello-filter", or "com.example.filter" of one with a manifest. */
bool identifier_is_valid(const char *identifier);

/*
 * An option struct starts with its size as the caller's headers had it. True if all that
 * the caller can have set in it is known here: nothing missing of the `known` bytes, and
 * only zeros behind them.
 */
bool options_are_known(const void *options, size_t known);
