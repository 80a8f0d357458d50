/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A set comes as the lines of a file, so that who wrote them can be told where they are
 * wrong. It is remembered before flowd is asked whether it is in force: a restart of
 * either loses nothing.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "manager/control/record.h"
#include "manager/control/sets.h"
#include "manager/engine/request.h"

static int read_content(sd_bus_message *message, struct set_content *content, char **ret_problem)
{
        unsigned int number = 0;
        const char *line;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "s");
        while (r >= 0 && (r = sd_bus_message_read(message, "s", &line)) > 0)
                r = set_content_add(content, line, ++number, ret_problem);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static void answer(sd_bus_message *call, int result)
{
        if (result >= 0)
                (void)sd_bus_reply_method_return(call, "");
        else if (result == -ETIMEDOUT)
                (void)control_refuse(call, result,
                                     "netext-flowd does not answer; it is told of the set as soon "
                                     "as it does");
        else
                (void)control_refuse(call, result,
                                     "the set is remembered, but its old content stays in force "
                                     "until netext-flowd is restarted: %s",
                                     strerror(-result));
        sd_bus_message_unref(call);
}

static void put_done(int result, void *userdata)
{
        answer(userdata, result);
}

static void remove_done(int result, void *userdata)
{
        answer(userdata, result == -ENOENT ? 0 : result);
}

/* flowd does what it is told in order: its answer means that it has done what went before. */
static int answer_when_in_force(struct control *control, sd_bus_message *message, const char *name,
                                engine_done_fn *done_fn)
{
        struct engine_question question = { .type = NX_MSG_FLOWD_SET_CHECK, .waits = true };
        int r;

        snprintf(question.set, sizeof(question.set), "%s", name);
        r = engine_ask(control->engine, &question, NULL, done_fn, sd_bus_message_ref(message));
        if (r < 0)
                answer(message, r);
        return 1;
}

int sets_put(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        struct control *control = client->control;
        _cleanup_set_content_ struct set_content content = {};
        _cleanup_free_ char *problem = NULL;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r >= 0)
                r = read_content(message, &content, &problem);
        if (r >= 0)
                r = set_table_put(control->sets, name, &content, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        return answer_when_in_force(control, message, name, put_done);
}

int sets_remove(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        struct control *control = client->control;
        _cleanup_free_ char *problem = NULL;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        r = set_table_remove(control->sets, name, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        return answer_when_in_force(control, message, name, remove_done);
}

static int append_set(sd_bus_message *reply, const struct set *set)
{
        size_t n_domains = set->content.n_domains;
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_string(reply, "name", set->name);
        if (r >= 0)
                r = record_put_uint64(reply, "networks", set->content.n_entries - n_domains);
        if (r >= 0)
                r = record_put_uint64(reply, "domains", n_domains);
        if (r >= 0)
                r = record_put_uint64(reply, "updated_ns", set->updated_ns);
        return r < 0 ? r : record_end(reply);
}

int sets_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        struct set *set;
        int r;

        r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        list_for_each (set, &client->control->sets->sets, link) {
                r = append_set(reply, set);
                if (r < 0)
                        return r;
        }
        return record_list_send(reply);
}

static int append_entry(sd_bus_message *reply, const struct set_entry *entry)
{
        char text[SET_DOMAIN_SIZE];
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_string(reply, entry->domain ? "domain" : "network",
                                      set_entry_to_string(entry, text));
        return r < 0 ? r : record_end(reply);
}

int sets_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        const struct set *set;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        set = set_table_find(client->control->sets, name);
        if (!set)
                return control_refuse(message, -ENOENT, "there is no set \"%s\"", name);
        r = record_list_new(message, &reply);
        for (size_t i = 0; r >= 0 && i < set->content.n_entries; i++)
                r = append_entry(reply, &set->content.entries[i]);
        return r < 0 ? r : record_list_send(reply);
}
