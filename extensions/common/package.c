/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A program is a file of the package that can be executed and is no script: of a script, the
 * kernel executes the interpreter. A symbolic link is no program of the package either, its
 * target may be another's; but folders on the way to a file may be links (/bin).
 *
 * A machine of the one kind may have the other's tools, and an empty database of theirs. So each
 * that is there is asked, until one knows the package.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/database.h"

#define NAME_CHARACTERS                                                                            \
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+~-"
#define ARCHITECTURE_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define PATH_SIZE               4096

/* A shell and a pattern for files take such a name as it is. */
bool package_is_name(const char *name)
{
        size_t length = strspn(name, NAME_CHARACTERS), architecture = 0;

        if (length < 1 || length > 200 || strchr("._+~-", *name))
                return false;
        if (name[length] == ':') {
                architecture = strspn(name + length + 1, ARCHITECTURE_CHARACTERS);
                if (architecture == 0 || architecture > 32)
                        return false;
                length += 1 + architecture;
        }
        return !name[length];
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

int package_add_file(struct texts *programs, const char *path)
{
        char *real;

        if (!is_program(path))
                return 0;
        real = realpath(path, NULL);
        if (!real)
                return errno == ENOMEM ? -ENOMEM : 0; /* or it went just now */
        return texts_add(programs, real);
}

int package_find(struct texts *ret_programs, const char *databases, const char *name)
{
        char database[PATH_SIZE];
        int r, outcome;

        *ret_programs = (struct texts){};
        snprintf(database, sizeof(database), "%s/dpkg", databases);
        r = dpkg_find(ret_programs, database, name);
        if (r == PACKAGE_E_NO_DATABASE || r == PACKAGE_E_NOT_INSTALLED) {
                snprintf(database, sizeof(database), "%s/rpm", databases);
                outcome = rpm_find(ret_programs, database, name);
                if (outcome != PACKAGE_E_NO_DATABASE)
                        r = outcome;
        }
        if (r)
                texts_deinit(ret_programs);
        return r;
}
