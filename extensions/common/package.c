/* SPDX-License-Identifier: Apache-2.0 */

/*
 * dpkg lists the paths of a package in info/NAME.list, or info/NAME:ARCHITECTURE.list where
 * several may be installed together. What another package diverted is where that one had it
 * put; diversions has three lines for each: the path, its new place, and who wanted it.
 *
 * A program is a file of the package that can be executed and is no script: of a script, the
 * kernel executes the interpreter. A symbolic link is no program of the package either, its
 * target may be another's; but folders on the way to a file may be links (/bin).
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/package.h"

#define PATH_SIZE 4096

struct search {
        const char *database;
        char name[256]; /* without architecture */
        struct package *package;
        char **diversions; /* owned lines, three each */
        size_t n_lines;
};

void package_deinit(struct package *package)
{
        for (size_t i = 0; i < package->n_programs; i++)
                free(package->programs[i]);
        free(package->programs);
        *package = (struct package){};
}

bool package_is_name(const char *name)
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789+.-"), architecture = 0;

        if (length < 2 || length > 200 || strspn(name, letters) == 0)
                return false;
        if (name[length] == ':') {
                architecture = strspn(name + length + 1, "abcdefghijklmnopqrstuvwxyz0123456789-");
                if (architecture == 0 || architecture > 32)
                        return false;
                length += 1 + architecture;
        }
        return !name[length];
}

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

static int add_text(char ***list, size_t *n, char *text)
{
        char **grown;

        if (!text)
                return -ENOMEM;
        grown = reallocarray(*list, *n + 1, sizeof(*grown));
        if (!grown) {
                free(text);
                return -ENOMEM;
        }
        grown[(*n)++] = text;
        *list = grown;
        return 0;
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
                r = add_text(&search->diversions, &search->n_lines, strdup(line));
        fclose(file);
        return r;
}

/* Where the package's file is, if another package has had it moved. */
static const char *diverted(const struct search *search, const char *path)
{
        for (size_t i = 0; i + 2 < search->n_lines; i += 3) {
                char *const *diversion = search->diversions + i;

                if (strcmp(diversion[0], path) == 0 && strcmp(diversion[2], search->name) != 0)
                        return diversion[1];
        }
        return path;
}

/* What we may not read is taken for a program. */
static bool is_script(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        char start[2];
        bool is_it;

        if (fd < 0)
                return false;
        is_it = read(fd, start, sizeof(start)) == sizeof(start) && memcmp(start, "#!", 2) == 0;
        close(fd);
        return is_it;
}

static bool is_program(const char *path)
{
        struct stat st;

        return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mode & 0111 &&
               !is_script(path);
}

static int add_program(struct package *package, const char *path)
{
        char *real = realpath(path, NULL);

        if (!real)
                return errno == ENOMEM ? -ENOMEM : 0; /* or it went just now */
        return add_text(&package->programs, &package->n_programs, real);
}

static int read_list(struct search *search, const char *path)
{
        FILE *file = fopen(path, "re");
        char line[PATH_SIZE];
        int r = 0;

        if (!file)
                return -errno;
        while (r == 0 && read_line(file, line)) {
                const char *program = diverted(search, line);

                if (is_program(program))
                        r = add_program(search->package, program);
        }
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

int package_find(struct package *ret, const char *database, const char *name)
{
        struct search search = { .database = database, .package = ret };
        char info[PATH_SIZE];
        struct stat st;
        int r;

        *ret = (struct package){};
        snprintf(info, sizeof(info), "%s/info", database);
        if (stat(info, &st) < 0 || !S_ISDIR(st.st_mode))
                return PACKAGE_E_NO_DATABASE;
        snprintf(search.name, sizeof(search.name), "%.*s", (int)strcspn(name, ":"), name);
        r = read_diversions(&search);
        if (r == 0)
                r = read_lists(&search, name);
        for (size_t i = 0; i < search.n_lines; i++)
                free(search.diversions[i]);
        free(search.diversions);
        if (r)
                package_deinit(ret);
        return r;
}
