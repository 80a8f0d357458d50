/* SPDX-License-Identifier: Apache-2.0 */

/*
 * rpm's database is no text, and has had three formats so far. So rpm(8) is asked, which is
 * wherever there is such a database: librpm would bring ten more libraries.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/database.h"

#define PATH_SIZE 4096
#define QUERY                                                                                      \
        "LC_ALL=C exec /usr/bin/rpm --dbpath %s --query --queryformat '[%%{FILENAMES}\\n]' %s "     \
        "2>&1 </dev/null"

/* One of the formats; the folder alone is there with the tools. */
static bool is_database(const char *folder)
{
        static const char *const files[] = { "rpmdb.sqlite", "Packages", "Packages.db" };
        char path[PATH_SIZE];

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
                if (access(path, F_OK) == 0)
                        return true;
        }
        return false;
}

/* Lines that begin with a slash are paths. */
static int read_answer(FILE *answer, struct texts *programs, bool *ret_has_error)
{
        char *line = NULL;
        size_t size = 0;
        ssize_t length;
        int r = 0;

        while (r == 0 && (length = getline(&line, &size, answer)) > 0) {
                line[length - 1] = '\0'; /* each ends with one */
                if (*line == '/')
                        r = package_add_file(programs, line);
                else if (strncmp(line, "error:", strlen("error:")) == 0)
                        *ret_has_error = true;
        }
        free(line);
        return r;
}

int rpm_find(struct texts *programs, const char *database, const char *name)
{
        char command[2 * PATH_SIZE];
        bool has_error = false;
        FILE *answer;
        int r, status;

        if (!is_database(database))
                return PACKAGE_E_NO_DATABASE;
        snprintf(command, sizeof(command), QUERY, database, name);
        answer = popen(command, "re");
        if (!answer)
                return -errno;
        r = read_answer(answer, programs, &has_error);
        status = pclose(answer);
        if (r)
                return r;
        if (status == 0)
                return 0;
        /* It counts what is not installed. */
        return WIFEXITED(status) && WEXITSTATUS(status) == 1 && !has_error
                       ? PACKAGE_E_NOT_INSTALLED
                       : PACKAGE_E_UNREADABLE;
}
