/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A file with one line, USER:PASSWORD. Nothing that is said about it quotes it.
 */

#include <stddef.h>

#define CREDENTIALS_FILE_MAX 1024
#define CREDENTIALS_WORD_MAX 255 /* bytes, each: RFC 1929 */

struct credentials {
        char user[CREDENTIALS_WORD_MAX + 1];
        char password[CREDENTIALS_WORD_MAX + 1];
};

/* NULL, or what is wrong. Then, and before the first, credentials are all 0. */
const char *credentials_parse(struct credentials *credentials, const char *text, size_t size);
