/* SPDX-License-Identifier: Apache-2.0 */

/* A grant begins anew with another file, key or line, and with another who. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/loop/timer.h"
#include "manager/store/grant.h"

static const char *const names[_GRANTED_BY_MAX] = {
        [GRANTED_BY_NOBODY] = "nobody",
        [GRANTED_BY_POLICY] = "policy",
        [GRANTED_BY_APPROVAL] = "approval",
};

const char *grant_by_to_string(enum grant_by by)
{
        return names[by];
}

void grant_deinit(struct grant *grant)
{
        free(grant->file);
        free(grant->key);
        *grant = (struct grant){};
}

static bool is_at(const struct grant *grant, const struct policy_place *place)
{
        return grant->by == GRANTED_BY_POLICY && grant->file && grant->key &&
               strcmp(grant->file, place->file) == 0 && strcmp(grant->key, place->key) == 0 &&
               grant->line == place->line;
}

bool grant_set(struct grant *grant, const struct policy_place *place)
{
        if (place ? is_at(grant, place) : grant->by == GRANTED_BY_APPROVAL)
                return false;
        grant_deinit(grant);
        grant->by = place ? GRANTED_BY_POLICY : GRANTED_BY_APPROVAL;
        grant->since_ns = clock_realtime_ns();
        if (!place)
                return true;
        grant->file = strdup(place->file);
        grant->key = strdup(place->key);
        grant->line = place->line;
        return true;
}

bool grant_clear(struct grant *grant)
{
        bool was_there = grant->by != GRANTED_BY_NOBODY;

        grant_deinit(grant);
        return was_there;
}

char *grant_describe_place(const struct grant *grant)
{
        char line[16] = "", *text;

        if (grant->by != GRANTED_BY_POLICY || !grant->file || !grant->key)
                return NULL;
        if (grant->line)
                snprintf(line, sizeof(line), ":%u", grant->line);
        return asprintf(&text, "%s%s (%s)", grant->file, line, grant->key) < 0 ? NULL : text;
}

json_t *grant_pack(const struct grant *grant)
{
        return json_pack("{ss sI ss* ss* si}", "by", names[grant->by], "since_ns",
                         (json_int_t)grant->since_ns, "file", grant->file, "key", grant->key,
                         "line", (int)grant->line);
}

static char *copy_text(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));

        return text ? strdup(text) : NULL;
}

void grant_unpack(struct grant *ret, const json_t *object)
{
        const char *by = json_string_value(json_object_get(object, "by"));

        *ret = (struct grant){
                .since_ns = (uint64_t)json_integer_value(json_object_get(object, "since_ns")),
                .file = copy_text(object, "file"),
                .key = copy_text(object, "key"),
                .line = (unsigned int)json_integer_value(json_object_get(object, "line")),
        };
        for (enum grant_by i = 0; by && i < _GRANTED_BY_MAX; i++)
                if (strcmp(names[i], by) == 0)
                        ret->by = i;
}
