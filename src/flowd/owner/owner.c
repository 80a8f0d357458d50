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
#include "steer/hooks.h"

#define UNUSED_MAX  1024
#define CGROUPS_MAX 512

int owners_init(struct owners *owners, struct hooks *hooks)
{
        int r;

        *owners = (struct owners){ .hooks = hooks };
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
        free(process);
}

static void cgroup_free(struct owners *owners, struct cgroup_path *cgroup)
{
        htable_remove(&owners->cgroups, &cgroup->link);
        list_remove(&cgroup->age);
        owners->n_cgroups--;
        free(cgroup);
}

void owners_deinit(struct owners *owners)
{
        struct process *process;
        struct cgroup_path *cgroup;

        while ((process = list_first(&owners->unused_processes, struct process, unused)))
                process_free(owners, process);
        while ((cgroup = list_first(&owners->cgroup_ages, struct cgroup_path, age)))
                cgroup_free(owners, cgroup);
        htable_deinit(&owners->processes);
        htable_deinit(&owners->cgroups);
        signers_deinit(&owners->signers);
}

/*
 * "curl\0bin\0usr\0" to "/usr/bin/curl". path: size + 1 bytes at least. A path that was cut
 * begins with "…" in the place of what is missing.
 */
static void turn_path(const char *reversed, size_t size, bool is_cut, char *path)
{
        const char *end = reversed + size;
        char *to = path;

        if (is_cut)
                to = stpcpy(to, "…");
        while (end > reversed) {
                const char *start = end - 1;

                while (start > reversed && start[-1] != '\0')
                        start--;
                *to++ = '/';
                to = stpcpy(to, start);
                end = start;
        }
        if (to == path)
                *to++ = '/';
        *to = '\0';
}

static char *new_path(const char *reversed, size_t size, size_t max, uint32_t flags)
{
        char *path;

        if (size > max)
                size = max;
        path = malloc(size + sizeof("…/"));
        if (path)
                turn_path(reversed, size, flags & STEER_PATH_TRUNCATED, path);
        return path;
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
        process->program = new_path(record.exe, record.exe_size, sizeof(record.exe), record.flags);
        process->command_line = new_command_line(&record);
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

static struct cgroup_path *cgroup_new(struct owners *owners, uint64_t id)
{
        struct cgroup_path *cgroup;
        struct steer_cgroup record;
        size_t size;

        if (!hooks_find_cgroup(owners->hooks, id, &record))
                return NULL;
        size = record.size < sizeof(record.path) ? record.size : sizeof(record.path);
        cgroup = malloc(sizeof(*cgroup) + size + sizeof("…/"));
        if (!cgroup)
                return NULL;
        cgroup->id = id;
        turn_path(record.path, size, record.flags & STEER_PATH_TRUNCATED, cgroup->path);
        htable_add(&owners->cgroups, &cgroup->link, htable_hash(&id, sizeof(id)));
        list_append(&owners->cgroup_ages, &cgroup->age);
        if (++owners->n_cgroups > CGROUPS_MAX)
                cgroup_free(owners, list_first(&owners->cgroup_ages, struct cgroup_path, age));
        return cgroup;
}

const char *owners_cgroup_path(struct owners *owners, uint64_t id)
{
        struct cgroup_path *cgroup;

        htable_for_each_match (cgroup, &owners->cgroups, htable_hash(&id, sizeof(id)), link)
                if (cgroup->id == id)
                        return cgroup->path;
        cgroup = cgroup_new(owners, id);
        return cgroup ? cgroup->path : NULL;
}
