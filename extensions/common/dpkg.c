/* SPDX-License-Identifier: Apache-2.0 */

/*
 * dpkg lists the paths of a package in info/NAME.list, or info/NAME:ARCHITECTURE.list where
 * several may be installed together. What another package diverted is where that one had it
 * put; diversions has three lines for each: the path, its new place, and who wanted it.
 */

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/database.h"

#define PATH_SIZE 4096

struct search {
        const char *database;
        char name[256]; /* without architecture */
        struct texts *programs;
        struct texts diversions; /* lines, three each */
};

static bool read_line(FILE *file, char line[PATH_SIZE])
{
        size_t length;

        if (!fgets(line, PATH_SIZE, file))
                return false;
        length = strlen(line);
        if (length > 0 && line[length - 1] == '\n')
                line[length - 1] = '\0';
        return true;
}

static int read_diversions(struct search *search)
{
        char path[PATH_SIZE], line[PATH_SIZE];
        FILE *file;
        int r = 0;

        snprintf(path, sizeof(path), "%s/diversions", search->database);
        file = fopen(path, "re");
        if (!file)
                return 0; /* none */
        while (r == 0 && read_line(file, line))
                r = texts_add(&search->diversions, strdup(line));
        fclose(file);
        return r;
}

/* Where the package's file is, if another package has had it moved. */
static const char *diverted(const struct search *search, const char *path)
{
        for (size_t i = 0; i + 2 < search->diversions.n; i += 3) {
                char *const *diversion = search->diversions.each + i;

                if (strcmp(diversion[0], path) == 0 && strcmp(diversion[2], search->name) != 0)
                        return diversion[1];
        }
        return path;
}

static int read_list(struct search *search, const char *path)
{
        FILE *file = fopen(path, "re");
        char line[PATH_SIZE];
        int r = 0;

        if (!file)
                return -errno;
        while (r == 0 && read_line(file, line))
                r = package_add_file(search->programs, diverted(search, line));
        fclose(file);
        return r;
}

/* Both kinds of names; with an architecture in it, a name is that of one file. */
static int find_lists(const struct search *search, const char *name, glob_t *ret_lists)
{
        char pattern[PATH_SIZE];
        int r;

        snprintf(pattern, sizeof(pattern), "%s/info/%s.list", search->database, name);
        r = glob(pattern, 0, NULL, ret_lists);
        if (r != 0 && r != GLOB_NOMATCH)
                return -ENOMEM;
        if (strchr(name, ':'))
                return 0;
        snprintf(pattern, sizeof(pattern), "%s/info/%s:*.list", search->database, name);
        r = glob(pattern, GLOB_APPEND, NULL, ret_lists);
        return r != 0 && r != GLOB_NOMATCH ? -ENOMEM : 0;
}

static int read_lists(struct search *search, const char *name)
{
        glob_t lists = {};
        int r;

        r = find_lists(search, name, &lists);
        for (size_t i = 0; r == 0 && i < lists.gl_pathc; i++)
                r = read_list(search, lists.gl_pathv[i]);
        if (r == 0 && lists.gl_pathc == 0)
                r = PACKAGE_E_NOT_INSTALLED;
        globfree(&lists);
        return r;
}

int dpkg_find(struct texts *programs, const char *database, const char *name)
{
        struct search search = { .database = database, .programs = programs };
        char info[PATH_SIZE];
        struct stat st;
        int r;

        snprintf(info, sizeof(info), "%s/info", database);
        if (stat(info, &st) < 0 || !S_ISDIR(st.st_mode))
                return PACKAGE_E_NO_DATABASE;
        snprintf(search.name, sizeof(search.name), "%.*s", (int)strcspn(name, ":"), name);
        r = read_diversions(&search);
        if (r == 0)
                r = read_lists(&search, name);
        texts_deinit(&search.diversions);
        return r;
}
