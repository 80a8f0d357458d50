/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The responsible program is the process's own, if that is no launcher, else the first above it
 * that is none. A path that its user could have arranged is no launcher's: who calls his program
 * /usr/bin/sh in a namespace of his own is responsible himself. Where nobody is found, up to the
 * eighth or the machine's first process, it is the process's own: a script is its own master.
 */

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "bpf/steer.abi.h"
#include "owner/launchers.h"
#include "owner/owner.h"
#include "owner/parents.h"
#include "owner/path.h"
#include "steer/hooks.h"
#include "wire/table.h"

static bool is_launcher(const char *launchers, uint32_t flags, const char *path)
{
        return flags & STEER_PATH_TRUSTED && path && launchers_have(launchers, path);
}

/* A path has a line; one with a line's end in it is not to look like two. */
static void append(struct process *process, const char *path)
{
        size_t size = process->parents ? strlen(process->parents) : 0;
        size_t more = strlen(path) + (size > 0);
        char *grown;

        if (size + more >= WIRE_STRING_MAX)
                return;
        grown = realloc(process->parents, size + more + 1);
        if (!grown)
                return;
        process->parents = grown;
        if (size > 0)
                grown[size++] = '\n';
        strcpy(grown + size, path);
        for (char *c = grown + size; *c; c++)
                if (*c == '\n')
                        *c = '?';
}

static char *read_parent(struct hooks *hooks, const struct steer_process_key *key,
                         uint32_t *ret_flags)
{
        struct steer_process record;
        char *path;

        if (!key->tgid || !hooks_find_ancestor(hooks, key, &record) ||
            !(record.flags & STEER_PROCESS_READY))
                return NULL;
        *ret_flags = record.flags;
        path = path_from_record(record.exe, record.exe_size, sizeof(record.exe), record.flags);
        if (!path || *path)
                return path;
        free(path);
        return strdup("?");
}

void parents_read(struct hooks *hooks, const char *launchers, const struct steer_process *record,
                  struct process *process)
{
        bool is_found = !is_launcher(launchers, record->flags, process->program);

        process->responsible_pid = process->key.tgid;
        for (size_t i = 0; i < STEER_ANCESTORS_MAX; i++) {
                uint32_t flags = 0;
                _cleanup_free_ char *path = read_parent(hooks, &record->parents[i], &flags);

                if (!path)
                        return;
                append(process, path);
                if (is_found || is_launcher(launchers, flags, path))
                        continue;
                is_found = true;
                process->responsible = take_ptr(path);
                process->responsible_pid = record->parents[i].tgid;
        }
}
