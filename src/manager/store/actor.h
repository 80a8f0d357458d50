/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who did something, as the kernel knew them then: the user of the process that asked, and who had
 * logged in to become that, where the kernel's audit says so. Root does most of what there is to do
 * here, so the second is what one wants to know.
 */

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#define ACTOR_NOBODY ((uid_t)-1)

struct actor {
        uid_t uid;   /* ACTOR_NOBODY: not known, as before that was written down */
        uid_t login; /* ACTOR_NOBODY: nobody logged in */
        char *user;  /* the names of both, owned; NULL: none was found */
        char *login_user;
};

#define ACTOR_NULL                                                                                 \
        {                                                                                          \
                .uid = ACTOR_NOBODY, .login = ACTOR_NOBODY                                         \
        }

void actor_deinit(struct actor *actor);
/* ret is one that was initialised. 0 or -ENOMEM. */
int actor_copy(struct actor *ret, const struct actor *actor);
/* "alice (uid 1000) as root". Caller owns; NULL: it is not known, or no memory. */
char *actor_describe(const struct actor *actor);

json_t *actor_pack(const struct actor *actor);
/* What is not one is nobody. */
void actor_unpack(struct actor *ret, const json_t *object);
