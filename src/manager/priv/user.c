/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Free is what no process has as a uid or gid and systemd has not given away as either. A
 * hash of the names as first guess gives an extension the same uid again and again,
 * which makes logs readable; nothing depends on it.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "footprint/footprint.h"
#include "manager/priv/user.h"

#define ID_FIRST 61184
#define ID_LAST  65519
#define N_IDS    (ID_LAST - ID_FIRST + 1)

int user_lock(void)
{
        _cleanup_fd_ int fd = open(FOOTPRINT_RUNTIME, O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                return -errno;
        return take_fd(&fd);
}

static void mark_taken(bool *taken, unsigned long id)
{
        if (id >= ID_FIRST && id <= ID_LAST)
                taken[id - ID_FIRST] = true;
}

static void mark_numbers(bool *taken, const char *text)
{
        char *end;

        for (unsigned long id = strtoul(text, &end, 10); end != text;
             id = strtoul(text, &end, 10)) {
                mark_taken(taken, id);
                text = end;
        }
}

/* The keys are "Uid", "Gid" (real, effective, saved, filesystem) and "Groups". */
static void mark_ids_of(bool *taken, const char *pid, const char *const *keys, size_t n_keys)
{
        _cleanup_file_ FILE *status = NULL;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        char path[300];

        snprintf(path, sizeof(path), "/proc/%s/status", pid);
        status = fopen(path, "re");
        while (status && getline(&line, &size, status) > 0)
                for (size_t i = 0; i < n_keys; i++)
                        if (strncmp(line, keys[i], strlen(keys[i])) == 0)
                                mark_numbers(taken, line + strlen(keys[i]));
}

static int find_taken(bool *taken)
{
        static const char *const keys[] = { "Uid:", "Gid:", "Groups:" };
        _cleanup_dir_ DIR *processes = opendir("/proc");
        _cleanup_dir_ DIR *dynamic = opendir("/run/systemd/dynamic-uid");
        struct dirent *entry;

        if (!processes)
                return -errno;
        while ((entry = readdir(processes)))
                if (isdigit((unsigned char)entry->d_name[0]))
                        mark_ids_of(taken, entry->d_name, keys, ARRAY_SIZE(keys));
        while (dynamic && (entry = readdir(dynamic)))
                mark_taken(taken, strtoul(entry->d_name, NULL, 10));
        return 0;
}

/* FNV-1a: spreads short names well enough. */
static uint32_t hash_text(uint32_t hash, const char *text)
{
        for (; *text; text++)
                hash = (hash ^ (unsigned char)*text) * 16777619U;
        return hash;
}

int user_choose(const char *instance, const char *name, const id_t *others, size_t n_others,
                id_t *ret_id)
{
        uint32_t guess = hash_text(hash_text(2166136261U, instance), name);
        bool taken[N_IDS] = {};
        int r;

        r = find_taken(taken);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_others; i++)
                mark_taken(taken, others[i]);
        for (uint32_t i = 0; i < N_IDS; i++) {
                uint32_t candidate = (guess % N_IDS + i) % N_IDS;

                if (!taken[candidate]) {
                        *ret_id = ID_FIRST + candidate;
                        return 0;
                }
        }
        return -EAGAIN;
}

bool user_is_in(pid_t pid, gid_t gid)
{
        static const char *const groups = "Groups:";
        bool taken[N_IDS] = {};
        char text[16];

        snprintf(text, sizeof(text), "%d", pid);
        mark_ids_of(taken, text, &groups, 1);
        return gid >= ID_FIRST && gid <= ID_LAST && taken[gid - ID_FIRST];
}
