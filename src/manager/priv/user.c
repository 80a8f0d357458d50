/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Free is a uid under which no process runs and which systemd has not given away. A
 * hash of the names as first guess gives an extension the same uid again and again,
 * which makes logs readable; nothing depends on it.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "footprint/footprint.h"
#include "manager/priv/user.h"

#define UID_FIRST 61184
#define UID_LAST  65519
#define N_UIDS    (UID_LAST - UID_FIRST + 1)

int user_lock(void)
{
        _cleanup_fd_ int fd = open(FOOTPRINT_RUNTIME, O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || flock(fd, LOCK_EX) < 0)
                return -errno;
        return take_fd(&fd);
}

static void mark_taken(bool *taken, unsigned long uid)
{
        if (uid >= UID_FIRST && uid <= UID_LAST)
                taken[uid - UID_FIRST] = true;
}

/* "Uid:\treal\teffective\tsaved\tfilesystem" */
static void mark_users_of(bool *taken, const char *pid)
{
        _cleanup_file_ FILE *status = NULL;
        unsigned long uids[4];
        char path[300], line[256];

        snprintf(path, sizeof(path), "/proc/%s/status", pid);
        status = fopen(path, "re");
        while (status && fgets(line, sizeof(line), status)) {
                if (sscanf(line, "Uid: %lu %lu %lu %lu", &uids[0], &uids[1], &uids[2], &uids[3]) !=
                    4)
                        continue;
                for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
                        mark_taken(taken, uids[i]);
                return;
        }
}

static int find_taken(bool *taken)
{
        _cleanup_dir_ DIR *processes = opendir("/proc");
        _cleanup_dir_ DIR *dynamic = opendir("/run/systemd/dynamic-uid");
        struct dirent *entry;

        if (!processes)
                return -errno;
        while ((entry = readdir(processes)))
                if (isdigit((unsigned char)entry->d_name[0]))
                        mark_users_of(taken, entry->d_name);
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

int user_choose(const char *instance, const char *name, uid_t *ret_uid)
{
        uint32_t guess = hash_text(hash_text(2166136261U, instance), name);
        bool taken[N_UIDS] = {};
        int r;

        r = find_taken(taken);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < N_UIDS; i++) {
                uint32_t candidate = (guess % N_UIDS + i) % N_UIDS;

                if (!taken[candidate]) {
                        *ret_uid = UID_FIRST + candidate;
                        return 0;
                }
        }
        return -EAGAIN;
}
