/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who decides is written down with the decision. The numbers come from the kernel; their names may
 * come from a directory server, so they are looked for beside the loop and the decision waits for
 * that, a second at most: without a name it is as good. Whether the caller is still there by then
 * does not matter.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manager/control/decisions.h"
#include "manager/control/record.h"
#include "manager/loop/aside.h"
#include "manager/loop/text.h"
#include "manager/priv/account.h"
#include "manager/priv/caller.h"

#define LOOKUPS_MAX 16
#define TIMEOUT_MS  1000

struct decision {
        struct control *control;
        sd_bus_message *message;
        const struct method *method;
        char *word; /* the extension; NULL: it is about all */
        bool on;
        struct actor by;
};

typedef int decide_fn(struct store *store, const struct decision *decision, char **ret_problem);

static int approve(struct store *store, const struct decision *decision, char **ret_problem)
{
        return store_approve(store, decision->word, &decision->by, ret_problem);
}

static int refuse(struct store *store, const struct decision *decision, char **ret_problem)
{
        return store_refuse(store, decision->word, &decision->by, ret_problem);
}

static int turn(struct store *store, const struct decision *decision, char **ret_problem)
{
        return store_switch(store, decision->word, decision->on, ret_problem);
}

static int set_developer(struct store *store, const struct decision *decision, char **ret_problem)
{
        return store_set_developer(store, decision->on, &decision->by, ret_problem);
}

static const struct method {
        const char *name;
        bool has_word, has_switch;
        decide_fn *fn;
} methods[] = {
        { "ApproveExtension", true, false, approve },
        { "RefuseExtension", true, false, refuse },
        { "SwitchExtension", true, true, turn },
        { "SetDeveloperMode", false, true, set_developer },
};

static const struct method *find_method(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
                if (strcmp(methods[i].name, name) == 0)
                        return &methods[i];
        return NULL;
}

static struct decision *decision_free(struct decision *decision)
{
        if (!decision)
                return NULL;
        sd_bus_message_unref(decision->message);
        actor_deinit(&decision->by);
        free(decision->word);
        free(decision);
        return NULL;
}
DEFINE_CLEANUP(struct decision *, decision, decision_free)

static int carry_out(const struct decision *decision)
{
        _cleanup_free_ char *problem = NULL;
        int r;

        r = decision->method->fn(decision->control->store, decision, &problem);
        if (r < 0)
                return control_refuse(decision->message, r, "%s", problem ?: strerror(-r));
        return sd_bus_reply_method_return(decision->message, "");
}

/* --- who it is ---------------------------------------------------------------------------- */

static void look(void *job)
{
        struct actor *actor = job;

        if (actor->uid != ACTOR_NOBODY)
                actor->user = account_name_user(actor->uid);
        if (actor->login != ACTOR_NOBODY)
                actor->login_user = account_name_user(actor->login);
}

static void actor_free(void *job)
{
        actor_deinit(job);
        free(job);
}

static struct aside_sort lookups = {
        .work_fn = look,
        .free_fn = actor_free,
        .max = LOOKUPS_MAX,
        .timeout_ms = TIMEOUT_MS,
};

static void named(void *job, void *userdata)
{
        _cleanup_(cleanup_decision) struct decision *decision = userdata;

        if (job)
                (void)actor_copy(&decision->by, job);
        (void)carry_out(decision);
}

/* Root is called root, whoever else is to be asked. */
static bool is_named(const struct actor *actor)
{
        return actor->uid == 0 && (actor->login == ACTOR_NOBODY || actor->login == 0);
}

static int look_for_names(struct decision *decision)
{
        struct actor *actor;
        int r;

        if (is_named(&decision->by))
                return -EALREADY;
        actor = malloc(sizeof(*actor));
        if (!actor)
                return -ENOMEM;
        *actor = (struct actor){ .uid = decision->by.uid, .login = decision->by.login };
        r = aside_start(&lookups, decision->control->event, actor, named, decision, NULL);
        if (r < 0)
                free(actor);
        return r;
}

static void find_actor(const struct caller *caller, struct actor *ret)
{
        *ret = (struct actor)ACTOR_NULL;
        ret->uid = caller->uid;
        ret->login = caller->login;
        ret->user = caller->uid == 0 ? strdup("root") : NULL;
}

/* --- the way in --------------------------------------------------------------------------- */

static int read_arguments(struct decision *decision, sd_bus_message *message)
{
        const char *word = NULL;
        int on = false, r = 0;

        if (decision->method->has_word)
                r = sd_bus_message_read(message, "s", &word);
        if (r >= 0 && decision->method->has_switch)
                r = sd_bus_message_read(message, "b", &on);
        if (r < 0)
                return r;
        decision->on = on;
        decision->word = word ? strdup(word) : NULL;
        return word && !decision->word ? -ENOMEM : 0;
}

int decisions_take(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const struct method *method = find_method(sd_bus_message_get_member(message));
        _cleanup_(cleanup_decision) struct decision *decision = calloc(1, sizeof(*decision));
        const struct client *client = userdata;
        int r;

        if (!method || !decision)
                return -ENOMEM;
        decision->control = client->control;
        decision->method = method;
        decision->message = sd_bus_message_ref(message);
        find_actor(&client->caller, &decision->by);
        r = read_arguments(decision, message);
        if (r < 0)
                return r;
        r = look_for_names(decision);
        if (r < 0)
                return carry_out(decision);
        (void)take_ptr(decision);
        return 1;
}
