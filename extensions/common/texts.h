/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* A list that grows. Zero is an empty one. */
struct texts {
        char **each; /* owned, and so is each */
        size_t n;
};

/* Takes text over, also where it fails; NULL: there was no memory for it. 0 or -ENOMEM. */
int texts_add(struct texts *texts, char *text);
void texts_deinit(struct texts *texts);
