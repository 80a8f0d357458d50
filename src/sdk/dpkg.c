/* SPDX-License-Identifier: Apache-2.0 */

/*
 * dpkg lists the paths of each package in info/NAME.list, and has no index: whoever wants to know
 * whose a path is reads all lists. So it is for many paths that they are read at a time.
 *
 * Lists were written for the system as the packages see it. Where /bin is a link to usr/bin, a
 * program that runs from there may be listed either way. And what a package diverted is listed
 * where it would be without: diversions has three lines for each, the path, its new place, and who
 * wanted it (":" for an administrator).
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/htable.h"
#include "sdk/database.h"
#include "sdk/merged.h"

#define LIST_MAX  (64 * 1024 * 1024)
#define SUFFIX    ".list"
#define TAIL_SIZE 16

/* How a file may be listed. */
struct name {
        struct htable_link in_names;
        struct search *search;
        char *path; /* owned; NULL: there is no such name */
};

struct search {
        struct name as_it_is, merged;
        char only[256];   /* the package that may have it, or empty */
        char except[256]; /* one that has something else there, or empty */
        char **package;   /* the caller's */
};

struct reading {
        struct htable names;
        size_t n_missing; /* packages that are still to be found */
        char *list;       /* owned: the newest, in lines that end with one's end */
        size_t capacity;
};

static void forget_path(struct search *search)
{
        free(take_ptr(search->as_it_is.path));
        free(take_ptr(search->merged.path));
}

static void set_path(struct search *search, const char *path)
{
        forget_path(search);
        search->as_it_is.path = strdup(path);
        search->merged.path = merged_name(path);
}

static bool is_path(const struct search *search, const char *path)
{
        return (search->as_it_is.path && strcmp(path, search->as_it_is.path) == 0) ||
               (search->merged.path && strcmp(path, search->merged.path) == 0);
}

static bool read_line(FILE *file, char *line, size_t size)
{
        if (!fgets(line, (int)size, file))
                return false;
        line[strcspn(line, "\n")] = '\0';
        return true;
}

static void follow_diversions(struct search *search, const char *database)
{
        char name[PATH_MAX], from[PATH_MAX], to[PATH_MAX], who[sizeof(search->only)];
        bool is_moved = false;
        FILE *file;

        snprintf(name, sizeof(name), "%s/diversions", database);
        file = fopen(name, "re");
        if (!file)
                return; /* there are none */
        while (!is_moved && read_line(file, from, sizeof(from)) &&
               read_line(file, to, sizeof(to)) && read_line(file, who, sizeof(who))) {
                is_moved = is_path(search, to);
                if (is_moved) {
                        set_path(search, from);
                        strcpy(search->except, who);
                } else if (is_path(search, from)) {
                        strcpy(search->only, who);
                }
        }
        fclose(file);
}

static int read_list(struct reading *reading, int folder, const char *name, size_t *ret_size)
{
        _cleanup_fd_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        size_t size = 0;
        ssize_t n;
        char *grown;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > LIST_MAX)
                return -ENOENT;
        if ((size_t)st.st_size + 1 > reading->capacity) {
                grown = realloc(reading->list, (size_t)st.st_size + 1);
                if (!grown)
                        return -ENOMEM;
                reading->list = grown;
                reading->capacity = (size_t)st.st_size + 1;
        }
        while (size < (size_t)st.st_size &&
               (n = read(fd, reading->list + size, (size_t)st.st_size - size)) > 0)
                size += (size_t)n;
        reading->list[size++] = '\n';
        *ret_size = size;
        return 0;
}

/* list: the name of one. */
static bool may_have_it(const struct search *search, const char *list)
{
        size_t size = strcspn(list, ":"), length = strlen(list) - strlen(SUFFIX);

        if (length < size)
                size = length;
        if (search->only[0])
                return strlen(search->only) == size && strncmp(search->only, list, size) == 0;
        return strlen(search->except) != size || strncmp(search->except, list, size) != 0;
}

/* Paths differ at their end, and there are 100,000. */
static uint64_t hash_of(const char *path, size_t size)
{
        return size > TAIL_SIZE ? htable_hash(path + size - TAIL_SIZE, TAIL_SIZE)
                                : htable_hash(path, size);
}

static void handle_line(struct reading *reading, const char *list, const char *line, size_t size)
{
        struct name *name;

        htable_for_each_match (name, &reading->names, hash_of(line, size), in_names) {
                struct search *search = name->search;

                if (strlen(name->path) != size || memcmp(name->path, line, size) != 0 ||
                    *search->package || !may_have_it(search, list))
                        continue;
                *search->package = strndup(list, strlen(list) - strlen(SUFFIX));
                reading->n_missing--;
        }
}

static void handle_list(struct reading *reading, int folder, const char *list)
{
        const char *line, *end;
        size_t size, length;

        if (read_list(reading, folder, list, &size) < 0)
                return;
        end = reading->list + size;
        for (line = reading->list; line < end; line += length + 1) {
                length = (size_t)((const char *)memchr(line, '\n', (size_t)(end - line)) - line);
                handle_line(reading, list, line, length);
        }
}

static bool is_list(const char *name)
{
        size_t length = strlen(name);

        return length > strlen(SUFFIX) && strcmp(name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static void add_name(struct reading *reading, struct search *search, struct name *name)
{
        name->search = search;
        if (name->path)
                htable_add(&reading->names, &name->in_names,
                           hash_of(name->path, strlen(name->path)));
}

static void add_search(struct reading *reading, struct search *search, const char *database,
                       const char *path)
{
        set_path(search, path);
        follow_diversions(search, database);
        add_name(reading, search, &search->as_it_is);
        add_name(reading, search, &search->merged);
}

static DIR *open_lists(const char *database)
{
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/info", database);
        return opendir(path);
}

void dpkg_find(const char *database, const char *const *paths, size_t n, char **packages)
{
        _cleanup_free_ struct search *searches = calloc(n, sizeof(*searches));
        _cleanup_dir_ DIR *lists = open_lists(database);
        struct reading reading = { .n_missing = n };
        const struct dirent *entry;

        if (!searches || !lists || htable_init(&reading.names, 64) < 0)
                return;
        for (size_t i = 0; i < n; i++) {
                searches[i].package = &packages[i];
                add_search(&reading, &searches[i], database, paths[i]);
        }
        while (reading.n_missing > 0 && (entry = readdir(lists)))
                if (is_list(entry->d_name))
                        handle_list(&reading, dirfd(lists), entry->d_name);
        for (size_t i = 0; i < n; i++)
                forget_path(&searches[i]);
        htable_deinit(&reading.names);
        free(reading.list);
}
