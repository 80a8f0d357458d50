/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two small caches in front of the kernel's maps. A process stays for as long as a flow
 * refers to it, and a while longer, since programs open many flows; the longest unused
 * goes first.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "owner/owner.h"
#include "owner/parents.h"
#include "owner/path.h"
#include "steer/hooks.h"

#define UNUSED_MAX  1024
#define CGROUPS_MAX 512

int owners_init(struct owners *owners, struct hooks *hooks, const char *launchers)
{
        int r;

        *owners = (struct owners){ .hooks = hooks, .launchers = launchers };
        list_init(&owners->unused_processes);
        list_init(&owners->cgroup_ages);
        r = htable_init(&owners->processes, 256);
        if (r < 0)
                return r;
        r = htable_init(&owners->cgroups, 64);
        return r < 0 ? r : signers_init(&owners->signers, hooks);
}

static void process_free(struct owners *owners, struct process *process)
{
        htable_remove(&owners->processes, &process->link);
        list_remove(&process->unused);
        free(process->program);
        free(process->command_line);
        free(process->digest_text);
        free(process->parents);
        free(process->responsible);
        free(process);
}

static void cgroup_free(struct owners *owners, struct cgroup_record *cgroup)
{
        htable_remove(&owners->cgroups, &cgroup->link);
        list_remove(&cgroup->age);
        owners->n_cgroups--;
        free(cgroup);
}

void owners_deinit(struct owners *owners)
{
        struct process *process;
        struct cgroup_record *cgroup;

        while ((process = list_first(&owners->unused_processes, struct process, unused)))
                process_free(owners, process);
        while ((cgroup = list_first(&owners->cgroup_ages, struct cgroup_record, age)))
                cgroup_free(owners, cgroup);
        htable_deinit(&owners->processes);
        htable_deinit(&owners->cgroups);
        signers_deinit(&owners->signers);
}

/* Arguments are NUL-separated in the kernel; a blank is what a person expects. */
static char *new_command_line(const struct steer_process *record)
{
        size_t size = record->cmdline_size;
        char *line;

        if (size > sizeof(record->cmdline))
                size = sizeof(record->cmdline);
        line = malloc(size + 1);
        if (!line)
                return NULL;
        memcpy(line, record->cmdline, size);
        while (size > 0 && line[size - 1] == '\0')
                size--;
        line[size] = '\0';
        for (size_t i = 0; i < size; i++)
                if (line[i] == '\0')
                        line[i] = ' ';
        return line;
}

/* The kernel's dev_t has the minor number in its low 20 bits; user space's is another. */
static uint64_t device_number(uint32_t kernel_device)
{
        uint64_t major = kernel_device >> 20, minor = kernel_device & 0xfffff;

        return (minor & 0xff) | major << 8 | (minor & ~0xffULL) << 12;
}

static struct process *process_new(struct owners *owners, const struct steer_process_key *key)
{
        struct steer_process record;
        struct process *process;

        if (!hooks_find_process(owners->hooks, key, &record))
                return NULL;
        process = calloc(1, sizeof(*process));
        if (!process)
                return NULL;
        process->key = *key;
        process->file = record.file;
        process->device = device_number(record.file.device);
        process->inode = record.file.inode;
        process->path_hash = record.path_hash;
        process->is_path_trusted = record.flags & STEER_PATH_TRUSTED;
        memcpy(process->comm, record.comm, sizeof(process->comm) - 1);
        process->program =
                path_from_record(record.exe, record.exe_size, sizeof(record.exe), record.flags);
        process->command_line = new_command_line(&record);
        parents_read(owners->hooks, owners->launchers, &record, process);
        list_init(&process->unused);
        htable_add(&owners->processes, &process->link, htable_hash(key, sizeof(*key)));
        return process;
}

static struct process *find_process(struct owners *owners, const struct steer_process_key *key)
{
        struct process *process;

        htable_for_each_match (process, &owners->processes, htable_hash(key, sizeof(*key)), link)
                if (memcmp(&process->key, key, sizeof(*key)) == 0)
                        return process;
        return NULL;
}

struct process *owners_get_process(struct owners *owners, const struct steer_process_key *key)
{
        struct process *process;

        process = find_process(owners, key);
        if (!process)
                process = process_new(owners, key);
        if (!process)
                return NULL;
        if (!list_is_empty(&process->unused)) {
                list_remove(&process->unused);
                owners->n_unused--;
        }
        process->n_refs++;
        return process;
}

struct process *owners_get_user(struct owners *owners, const struct steer_process_key *key)
{
        struct process *process = owners_get_process(owners, key);

        if (process)
                return process;
        process = calloc(1, sizeof(*process)); /* in no table: the record may come yet */
        if (!process)
                return NULL;
        process->key = *key;
        process->n_refs = 1;
        list_init(&process->unused);
        return process;
}

struct process *owners_put_process(struct owners *owners, struct process *process)
{
        if (!process || --process->n_refs > 0)
                return NULL;
        list_append(&owners->unused_processes, &process->unused);
        if (++owners->n_unused > UNUSED_MAX) {
                process = list_first(&owners->unused_processes, struct process, unused);
                process_free(owners, process);
                owners->n_unused--;
        }
        return NULL;
}

static struct cgroup_record *cgroup_new(struct owners *owners, uint64_t id)
{
        struct cgroup_record *cgroup;
        struct steer_cgroup record;
        size_t size;

        if (!hooks_find_cgroup(owners->hooks, id, &record))
                return NULL;
        size = record.size < sizeof(record.path) ? record.size : sizeof(record.path);
        cgroup = malloc(sizeof(*cgroup) + size + sizeof("…/"));
        if (!cgroup)
                return NULL;
        cgroup->id = id;
        path_turn(record.path, size, record.flags & STEER_PATH_TRUNCATED, cgroup->path);
        place_find_unit(cgroup->path, cgroup->unit);
        place_find_container(cgroup->path, cgroup->container);
        htable_add(&owners->cgroups, &cgroup->link, htable_hash(&id, sizeof(id)));
        list_append(&owners->cgroup_ages, &cgroup->age);
        if (++owners->n_cgroups > CGROUPS_MAX)
                cgroup_free(owners, list_first(&owners->cgroup_ages, struct cgroup_record, age));
        return cgroup;
}

const struct cgroup_record *owners_get_cgroup(struct owners *owners, uint64_t id)
{
        struct cgroup_record *cgroup;

        htable_for_each_match (cgroup, &owners->cgroups, htable_hash(&id, sizeof(id)), link)
                if (cgroup->id == id)
                        return cgroup;
        return cgroup_new(owners, id);
}

const char *owners_cgroup_path(struct owners *owners, uint64_t id)
{
        const struct cgroup_record *cgroup = owners_get_cgroup(owners, id);

        return cgroup ? cgroup->path : NULL;
}
