/* SPDX-License-Identifier: Apache-2.0 */

/* Names are written down with the numbers: a user may be gone when somebody asks. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/store/actor.h"

void actor_deinit(struct actor *actor)
{
        free(actor->user);
        free(actor->login_user);
        *actor = (struct actor)ACTOR_NULL;
}

static int copy_name(char **ret, const char *name)
{
        *ret = name ? strdup(name) : NULL;
        return name && !*ret ? -ENOMEM : 0;
}

int actor_copy(struct actor *ret, const struct actor *actor)
{
        struct actor copy = { .uid = actor->uid, .login = actor->login };
        int r;

        r = copy_name(&copy.user, actor->user);
        if (r >= 0)
                r = copy_name(&copy.login_user, actor->login_user);
        if (r < 0) {
                actor_deinit(&copy);
                return r;
        }
        actor_deinit(ret);
        *ret = copy;
        return 0;
}

/* "alice (uid 1000)", "root", "uid 1000". Caller owns. */
static char *describe_user(const char *name, uid_t uid)
{
        char *text;
        int r;

        if (name && uid == 0)
                return strdup(name);
        r = name ? asprintf(&text, "%s (uid %u)", name, uid) : asprintf(&text, "uid %u", uid);
        return r < 0 ? NULL : text;
}

char *actor_describe(const struct actor *actor)
{
        _cleanup_free_ char *user = NULL, *login = NULL;
        char *text;

        if (actor->uid == ACTOR_NOBODY)
                return NULL;
        user = describe_user(actor->user, actor->uid);
        if (actor->login == ACTOR_NOBODY || actor->login == actor->uid)
                return take_ptr(user);
        login = describe_user(actor->login_user, actor->login);
        return user && login && asprintf(&text, "%s as %s", login, user) >= 0 ? text : NULL;
}

static void pack_uid(json_t *object, const char *key, uid_t uid)
{
        if (uid != ACTOR_NOBODY)
                (void)json_object_set_new(object, key, json_integer(uid));
}

static void pack_name(json_t *object, const char *key, const char *name)
{
        if (name)
                (void)json_object_set_new(object, key, json_string(name));
}

json_t *actor_pack(const struct actor *actor)
{
        json_t *object = json_object();

        pack_uid(object, "uid", actor->uid);
        pack_name(object, "user", actor->user);
        pack_uid(object, "login", actor->login);
        pack_name(object, "login_user", actor->login_user);
        return object;
}

static uid_t unpack_uid(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        return json_is_integer(value) ? (uid_t)json_integer_value(value) : ACTOR_NOBODY;
}

void actor_unpack(struct actor *ret, const json_t *object)
{
        *ret = (struct actor){
                .uid = unpack_uid(object, "uid"),
                .login = unpack_uid(object, "login"),
        };
        (void)copy_name(&ret->user, json_string_value(json_object_get(object, "user")));
        (void)copy_name(&ret->login_user, json_string_value(json_object_get(object, "login_user")));
}
