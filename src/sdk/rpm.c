/* SPDX-License-Identifier: Apache-2.0 */

/*
 * rpm's database is no text, and has had three formats so far. So rpm(8) is asked, in a process of
 * its own: librpm would bring ten more libraries into every extension, and keeps what it knows in
 * globals. It says of each package that has one of the files which files it has.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sdk/database.h"
#include "sdk/merged.h"

#define RPM       "/usr/bin/rpm"
#define FORMAT    "[%{FILENAMES}\t%{=NAME}\n]"
#define FILES_MAX 64 /* of a question: arguments have a size */

struct file {
        const char *path; /* the caller's */
        char *merged;     /* owned, or NULL */
        char **package;   /* the caller's */
};

struct question {
        const char *database;
        struct file files[FILES_MAX];
        size_t n;
};

/* One of the formats; the folder alone is there with the tools. */
static bool is_database(const char *folder)
{
        static const char *const files[] = { "rpmdb.sqlite", "Packages", "Packages.db" };
        char path[PATH_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
                if (access(path, F_OK) == 0)
                        return true;
        }
        return false;
}

/* A process that answers on fd. 0, or an errno. */
static int start(const struct question *question, int fd, pid_t *ret_pid)
{
        const char *words[8 + FILES_MAX + 1] = { RPM,      "--dbpath",      question->database,
                                                 "--query", "--queryformat", FORMAT,
                                                 "--file", "--" };
        posix_spawn_file_actions_t actions;
        int r;

        for (size_t i = 0; i < question->n; i++)
                words[8 + i] = question->files[i].path;
        r = posix_spawn_file_actions_init(&actions);
        if (r)
                return r;
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (!r)
                r = posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
        if (!r)
                r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY,
                                                     0);
        if (!r)
                r = posix_spawn(ret_pid, RPM, &actions, NULL, (char *const *)words, environ);
        posix_spawn_file_actions_destroy(&actions);
        return r;
}

/* line: "/usr/bin/curl", a tab, "curl"; or a sentence, of a file that no package has. */
static void handle_line(const struct question *question, char *line)
{
        char *tab = strrchr(line, '\t');

        if (*line != '/' || !tab)
                return;
        *tab = '\0';
        for (size_t i = 0; i < question->n; i++) {
                const struct file *file = &question->files[i];

                if (!*file->package && (strcmp(file->path, line) == 0 ||
                                        (file->merged && strcmp(file->merged, line) == 0)))
                        *file->package = strdup(tab + 1);
        }
}

/* fd is taken over. */
static void read_answer(const struct question *question, int fd)
{
        _cleanup_file_ FILE *answer = fdopen(fd, "r");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t length;

        if (!answer) {
                close(fd);
                return;
        }
        while ((length = getline(&line, &size, answer)) > 0) {
                line[strcspn(line, "\n")] = '\0';
                handle_line(question, line);
        }
}

static void ask(const struct question *question)
{
        int ends[2];
        pid_t pid;
        int r;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return;
        r = start(question, ends[1], &pid);
        close(ends[1]);
        if (r) {
                close(ends[0]);
                return;
        }
        read_answer(question, ends[0]);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
}

static void add_file(struct question *question, const char *path, char **package)
{
        question->files[question->n++] = (struct file){
                .path = path,
                .merged = merged_name(path),
                .package = package,
        };
}

static void forget_files(struct question *question)
{
        while (question->n > 0)
                free(question->files[--question->n].merged);
}

void rpm_find(const char *database, const char *const *paths, size_t n, char **packages)
{
        struct question question = { .database = database };

        if (!is_database(database))
                return;
        for (size_t i = 0; i < n; i++) {
                if (!packages[i])
                        add_file(&question, paths[i], &packages[i]);
                if (question.n == FILES_MAX || (i + 1 == n && question.n > 0)) {
                        ask(&question);
                        forget_files(&question);
                }
        }
}
