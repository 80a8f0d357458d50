/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whose a program is, is looked up by who asks, with his own rights, and not by a daemon; and once
 * for each path, until something is installed.
 */

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/htable.h"
#include "sdk/database.h"
#include "sdk/package.h"

#define PROGRAMS_MAX 4096 /* as many are kept, unless more are asked for at a time */

/* While these are the same files, and have not changed, nothing was installed. */
static const char *const signs[] = {
        "dpkg/info",    "dpkg/diversions", "rpm/rpmdb.sqlite", "rpm/rpmdb.sqlite-wal",
        "rpm/Packages", "rpm/Packages.db",
};

struct stamp {
        struct {
                dev_t device; /* all 0: it is not there */
                ino_t inode;
                struct timespec changed;
        } of[ARRAY_SIZE(signs)];
};

struct program {
        struct htable_link in_programs;
        struct program *next;
        char *path, *package; /* owned; no package: none has it */
};

static struct {
        pthread_mutex_t lock;
        struct stamp stamp;
        struct htable programs;
        struct program *newest; /* owned, and so is each behind it */
} known = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct stamp read_stamp(const char *databases)
{
        struct stamp stamp = {};
        char path[PATH_MAX];
        struct stat st;

        for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
                snprintf(path, sizeof(path), "%s/%s", databases, signs[i]);
                if (stat(path, &st) < 0)
                        continue;
                stamp.of[i].device = st.st_dev;
                stamp.of[i].inode = st.st_ino;
                stamp.of[i].changed = st.st_mtim;
        }
        return stamp;
}

static void forget_newest(void)
{
        struct program *program = known.newest;

        known.newest = program->next;
        htable_remove(&known.programs, &program->in_programs);
        free(program->path);
        free(program->package);
        free(program);
}

/* False without memory. n: how many more there may be. */
static bool keep_up(const char *databases, size_t n)
{
        const struct stamp stamp = read_stamp(databases);

        if (!known.programs.buckets && htable_init(&known.programs, 64) < 0)
                return false;
        if (memcmp(&known.stamp, &stamp, sizeof(stamp)) != 0 ||
            known.programs.n_items + n > PROGRAMS_MAX)
                while (known.newest)
                        forget_newest();
        known.stamp = stamp;
        return true;
}

static struct program *find(const char *path)
{
        struct program *program;

        htable_for_each_match (program, &known.programs, htable_hash(path, strlen(path)),
                               in_programs)
                if (strcmp(program->path, path) == 0)
                        return program;
        return NULL;
}

static bool add(const char *path)
{
        struct program *program = calloc(1, sizeof(*program));

        if (!program)
                return false;
        program->path = strdup(path);
        if (!program->path) {
                free(program);
                return false;
        }
        program->next = known.newest;
        known.newest = program;
        htable_add(&known.programs, &program->in_programs, htable_hash(path, strlen(path)));
        return true;
}

/* What a database could have. */
static bool is_path(const char *path)
{
        return path && !strchr(path, '\n') && strlen(path) < PATH_MAX;
}

/* The newest n. */
static void look_up(const char *databases, size_t n)
{
        _cleanup_free_ const char **paths = calloc(n, sizeof(*paths));
        _cleanup_free_ char **packages = calloc(n, sizeof(*packages));
        struct program *program = known.newest;
        char database[PATH_MAX];

        if (!paths || !packages) {
                while (n-- > 0)
                        forget_newest();
                return;
        }
        for (size_t i = 0; i < n; i++, program = program->next)
                paths[i] = program->path;
        snprintf(database, sizeof(database), "%s/dpkg", databases);
        dpkg_find(database, paths, n, packages);
        snprintf(database, sizeof(database), "%s/rpm", databases);
        rpm_find(database, paths, n, packages);
        program = known.newest;
        for (size_t i = 0; i < n; i++, program = program->next)
                program->package = packages[i];
}

static void look_up_new(const char *databases, const char *const *paths, size_t n)
{
        size_t n_new = 0;

        for (size_t i = 0; i < n; i++)
                if (is_path(paths[i]) && !find(paths[i]))
                        n_new += add(paths[i]);
        if (n_new > 0)
                look_up(databases, n_new);
}

static char *copy_package(const char *path)
{
        const struct program *program = is_path(path) ? find(path) : NULL;

        return program && program->package ? strdup(program->package) : NULL;
}

void packages_of(const char *databases, const char *const *paths, size_t n, char **ret_packages)
{
        bool is_known;

        memset(ret_packages, 0, n * sizeof(*ret_packages));
        pthread_mutex_lock(&known.lock);
        is_known = keep_up(databases, n);
        if (is_known)
                look_up_new(databases, paths, n);
        for (size_t i = 0; is_known && i < n; i++)
                ret_packages[i] = copy_package(paths[i]);
        pthread_mutex_unlock(&known.lock);
}

char *package_of(const char *databases, const char *path)
{
        char *package;

        packages_of(databases, &path, 1, &package);
        return package;
}
