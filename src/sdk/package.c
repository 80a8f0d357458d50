/* SPDX-License-Identifier: Apache-2.0 */

/*
 * dpkg lists the paths of each package in info/NAME.list, and has no index: whoever wants to know
 * whose a path is reads all lists. That is done by who asks, with his own rights, and not by a
 * daemon; and once for each path, until dpkg changes something.
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
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sdk/package.h"

#define KNOWN_MAX 128
#define LIST_MAX  (64 * 1024 * 1024)
#define SUFFIX    ".list"

/* While these are the same, nothing was installed. */
struct stamp {
        dev_t device;
        ino_t inode;
        struct timespec lists, diversions;
};

static struct {
        pthread_mutex_t lock;
        struct stamp stamp;
        struct {
                char *path, *package; /* owned; no package: none has it */
        } known[KNOWN_MAX];
        size_t next; /* to be filled */
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct search {
        char path[PATH_MAX];   /* as it is listed … */
        char merged[PATH_MAX]; /* … or so; or empty */
        char only[256];        /* the package that may have it, or empty */
        char except[256];      /* one that has something else there, or empty */
        char *list;            /* owned: of each, in lines that begin and end with one's end */
        size_t capacity;
};

/* "/usr/bin/curl" is "/bin/curl" as well where /bin is a link to usr/bin. */
static void set_path(struct search *search, const char *path)
{
        char folder[NAME_MAX + 2] = "/", target[NAME_MAX + 8] = "";
        const char *from_root = target;

        snprintf(search->path, sizeof(search->path), "%s", path);
        search->merged[0] = '\0';
        if (sscanf(path, "/usr/%255[^/]", folder + 1) != 1 ||
            readlink(folder, target, sizeof(target) - 1) < 0)
                return;
        if (*from_root == '/')
                from_root++;
        if (strncmp(from_root, "usr", 3) == 0 && strcmp(from_root + 3, folder) == 0)
                snprintf(search->merged, sizeof(search->merged), "%s", path + strlen("/usr"));
}

static bool is_path(const struct search *search, const char *path)
{
        return strcmp(path, search->path) == 0 || strcmp(path, search->merged) == 0;
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

/* Behind a line's end, and with one at the end. */
static int read_list(struct search *search, int folder, const char *name, size_t *ret_size)
{
        _cleanup_fd_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        size_t size = 1;
        ssize_t n;
        char *grown;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > LIST_MAX)
                return -ENOENT;
        if ((size_t)st.st_size + 2 > search->capacity) {
                grown = realloc(search->list, (size_t)st.st_size + 2);
                if (!grown)
                        return -ENOMEM;
                search->list = grown;
                search->capacity = (size_t)st.st_size + 2;
        }
        search->list[0] = '\n';
        while (size <= (size_t)st.st_size &&
               (n = read(fd, search->list + size, (size_t)st.st_size + 1 - size)) > 0)
                size += (size_t)n;
        search->list[size++] = '\n';
        *ret_size = size;
        return 0;
}

static bool has_line(const struct search *search, size_t size, const char *path)
{
        char line[PATH_MAX + 2];
        int length = snprintf(line, sizeof(line), "\n%s\n", path);

        return *path && memmem(search->list, size, line, (size_t)length);
}

/* name: of a list. */
static bool may_have_it(const struct search *search, const char *name)
{
        size_t size = strcspn(name, ":"), length = strlen(name) - strlen(SUFFIX);

        if (length < size)
                size = length;
        if (search->only[0])
                return strlen(search->only) == size && strncmp(search->only, name, size) == 0;
        return strlen(search->except) != size || strncmp(search->except, name, size) != 0;
}

static bool is_list(const char *name)
{
        size_t length = strlen(name);

        return length > strlen(SUFFIX) && strcmp(name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static char *search_lists(struct search *search, DIR *lists)
{
        struct dirent *entry;
        size_t size;

        while ((entry = readdir(lists))) {
                const char *name = entry->d_name;

                if (is_list(name) && may_have_it(search, name) &&
                    read_list(search, dirfd(lists), name, &size) == 0 &&
                    (has_line(search, size, search->path) ||
                     has_line(search, size, search->merged)))
                        return strndup(name, strlen(name) - strlen(SUFFIX));
        }
        return NULL;
}

static char *find(DIR *lists, const char *database, const char *path)
{
        struct search search = {};
        char *package;

        set_path(&search, path);
        follow_diversions(&search, database);
        package = search_lists(&search, lists);
        free(search.list);
        return package;
}

static bool read_stamp(struct stamp *stamp, int lists)
{
        struct stat st;

        *stamp = (struct stamp){};
        if (fstat(lists, &st) < 0)
                return false;
        stamp->device = st.st_dev;
        stamp->inode = st.st_ino;
        stamp->lists = st.st_mtim;
        if (fstatat(lists, "../diversions", &st, 0) == 0)
                stamp->diversions = st.st_mtim;
        return true;
}

static void forget(size_t i)
{
        free(take_ptr(cache.known[i].path));
        free(take_ptr(cache.known[i].package));
}

static void keep_up(const struct stamp *stamp)
{
        if (memcmp(&cache.stamp, stamp, sizeof(*stamp)) == 0)
                return;
        for (size_t i = 0; i < KNOWN_MAX; i++)
                forget(i);
        cache.stamp = *stamp;
}

static char *look_up(DIR *lists, const char *database, const char *path)
{
        size_t i = 0;

        while (i < KNOWN_MAX && (!cache.known[i].path || strcmp(cache.known[i].path, path) != 0))
                i++;
        if (i == KNOWN_MAX) {
                i = cache.next++ % KNOWN_MAX;
                forget(i);
                cache.known[i].package = find(lists, database, path);
                cache.known[i].path = strdup(path);
        }
        return cache.known[i].package ? strdup(cache.known[i].package) : NULL;
}

char *package_of(const char *database, const char *path)
{
        char folder[PATH_MAX], *package = NULL;
        struct stamp stamp;
        DIR *lists;

        if (strchr(path, '\n') || strlen(path) >= PATH_MAX)
                return NULL;
        snprintf(folder, sizeof(folder), "%s/info", database);
        lists = opendir(folder);
        if (!lists)
                return NULL;
        pthread_mutex_lock(&cache.lock);
        if (read_stamp(&stamp, dirfd(lists))) {
                keep_up(&stamp);
                package = look_up(lists, database, path);
        }
        pthread_mutex_unlock(&cache.lock);
        closedir(lists);
        return package;
}
