/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Instances of one network namespace see the same packets where the cgroup of one lies in
 * the cgroup of the other, and each writes its decision into the mark. With the same bits
 * the one would take the other's "allowed" for its own: what it should ask about would
 * pass unasked. Each tells what it uses in its state.json.
 */

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "footprint/footprint.h"
#include "manager/neighbours.h"

DEFINE_CLEANUP(json_t *, json, json_decref)

static json_t *load_state(int all_fd, const char *instance)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_fd_ int fd = -1;

        if (asprintf(&path, "%s/" FOOTPRINT_STATE, instance) < 0)
                return NULL;
        fd = openat(all_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
}

static bool is_within(const char *inner, const char *outer)
{
        size_t length = strlen(outer);

        return strncmp(inner, outer, length) == 0 &&
               (inner[length] == '/' || inner[length] == '\0');
}

static bool is_in_the_way(const struct instance *instance, const json_t *state)
{
        const char *theirs = json_string_value(json_object_get(state, "cgroup"));
        const char *ours = instance->paths.cgroup;
        uint64_t network = (uint64_t)json_integer_value(json_object_get(state, "network"));
        uint32_t mask = (uint32_t)json_integer_value(json_object_get(state, "mark_mask"));

        return theirs && network == instance->network && mask & instance->options.mark_mask &&
               (is_within(ours, theirs) || is_within(theirs, ours));
}

int neighbours_check(const struct instance *instance)
{
        _cleanup_free_ char *all = NULL;
        _cleanup_dir_ DIR *folder = NULL;
        struct dirent *entry;

        if (asprintf(&all, "%s/..", instance->paths.folder) < 0)
                return -ENOMEM;
        folder = opendir(all);
        while (folder && (entry = readdir(folder))) {
                _cleanup_(cleanup_json) json_t *state = NULL;

                if (entry->d_name[0] == '.' ||
                    strcmp(entry->d_name, instance->options.instance) == 0)
                        continue;
                state = load_state(dirfd(folder), entry->d_name);
                if (!state || !is_in_the_way(instance, state))
                        continue;
                log_error("instance %s is there for the same programs and uses bits 0x%08x of "
                          "the packet mark too: give this one others with --mark-mask",
                          entry->d_name, instance->options.mark_mask);
                return -EADDRINUSE;
        }
        return 0;
}
