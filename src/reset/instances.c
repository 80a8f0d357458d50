/* SPDX-License-Identifier: Apache-2.0 */

/* Nothing here relies on what it reads: a folder without state.json, or with half of it, is one
 * whose traces are found by their names. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "footprint/footprint.h"
#include "reset/instances.h"

DEFINE_CLEANUP(json_t *, json, json_decref)

static json_t *load_state(int folder_fd)
{
        _cleanup_fd_ int fd = openat(folder_fd, FOOTPRINT_STATE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        json_t *state = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);

        return state;
}

static void visit(struct reset *reset, int folder_fd, const char *name, instance_fn *fn,
                  void *userdata)
{
        _cleanup_fd_ int fd = openat(folder_fd, name, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_(cleanup_json) json_t *state = NULL;

        if (fd < 0)
                return;
        state = load_state(fd);
        fn(reset, name, fd, state, userdata);
}

void instances_visit(struct reset *reset, instance_fn *fn, void *userdata)
{
        _cleanup_dir_ DIR *folder = opendir(FOOTPRINT_RUNTIME);
        struct dirent *entry;

        while (folder && (entry = readdir(folder)))
                if (footprint_is_instance(entry->d_name) && reset_means(reset, entry->d_name))
                        visit(reset, dirfd(folder), entry->d_name, fn, userdata);
}

const char *state_text(const json_t *state, const char *key)
{
        return json_string_value(json_object_get(state, key)) ?: "";
}

uint64_t state_number(const json_t *state, const char *key)
{
        return (uint64_t)json_integer_value(json_object_get(state, key));
}
