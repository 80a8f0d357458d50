/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* On which line of a policy file something stands, so that one finds who said it. */

#include <stddef.h>

/*
 * The line of the string item in the array under key, or under team in the object under key, of a
 * text that was parsed before. team: may be NULL. 0: it is not there as it is written here.
 */
unsigned int place_find_line(const char *text, const char *key, const char *team, const char *item);
