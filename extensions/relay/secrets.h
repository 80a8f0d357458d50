/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Credentials by the name of the file that they came in. */

#include <stdbool.h>

#include "relay/handshake/credentials.h"

#define SECRETS_MAX     16 /* files of a configuration */
#define SECRET_NAME_MAX 255

struct secret {
        char name[SECRET_NAME_MAX + 1];
        char problem[160]; /* of the newest file; "" if there is none */
        bool is_usable;    /* there are credentials, of this file or an older one */
        struct credentials credentials;
};

struct secrets {
        size_t n;
        struct secret each[SECRETS_MAX];
};

/* Reads the file of this name. The secret, for what came of it; NULL if there is no room. */
const struct secret *secrets_read(struct secrets *secrets, const char *name, int fd);
/* NULL if no such file was given. */
const struct secret *secrets_find(const struct secrets *secrets, const char *name);
/* Nothing stays in memory. */
void secrets_wipe(struct secrets *secrets);
