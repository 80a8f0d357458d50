/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Walks a folder by descriptors. Each entry is looked at before it is opened, so that no FIFO
 * or device is, and opened without following links, so that what was looked at is opened.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "bundle/bundle.h"
#include "bundle/text.h"
#include "bundle/tree.h"

#define MODE_SPECIAL (S_ISUID | S_ISGID | S_ISVTX)

struct walk {
        struct tree *tree;
        struct bundle_report *report;
        char path[BUNDLE_PATH_MAX + 1 + 256]; /* of the entry that is looked at */
        unsigned int depth;
};

/* Complaints about the entry that is looked at. */
#define fail(walk, check, ...)                                                                     \
        bundle_report_fail((walk)->report, BUNDLE_CHECK_##check, (walk)->path, NULL, __VA_ARGS__)

void tree_deinit(struct tree *tree)
{
        for (size_t i = 0; i < tree->n_entries; i++)
                free(tree->entries[i].path);
        free(tree->entries);
        *tree = (struct tree){};
}

static int add_entry(struct walk *walk, const struct stat *st)
{
        struct tree *tree = walk->tree;
        size_t n = tree->n_entries;
        struct tree_entry *entry;

        if ((n & (n - 1)) == 0) {
                void *grown = reallocarray(tree->entries, n ? 2 * n : 1, sizeof(*entry));

                if (!grown)
                        return -ENOMEM;
                tree->entries = grown;
        }
        entry = &tree->entries[n];
        *entry = (struct tree_entry){
                .path = strdup(walk->path),
                .is_folder = S_ISDIR(st->st_mode),
                .is_executable = S_ISREG(st->st_mode) && st->st_mode & 0111,
                .size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
        };
        if (!entry->path)
                return -ENOMEM;
        tree->n_entries++;
        tree->n_files += !entry->is_folder;
        tree->size += entry->size;
        return 0;
}

static const char *type_name(mode_t mode)
{
        return S_ISLNK(mode)    ? "a symbolic link"
               : S_ISCHR(mode)  ? "a character device"
               : S_ISBLK(mode)  ? "a block device"
               : S_ISFIFO(mode) ? "a FIFO"
               : S_ISSOCK(mode) ? "a socket"
                                : "something else";
}

/* Whether it is something to go on with. */
static bool check_entry(struct walk *walk, const struct stat *st)
{
        const char *problem;

        if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
                fail(walk, FILE_TYPE, "is %s: a bundle has files and folders only",
                     type_name(st->st_mode));
                return false;
        }
        if (!(st->st_mode & S_IROTH) || (S_ISDIR(st->st_mode) && !(st->st_mode & S_IXOTH)))
                fail(walk, FOLDER_READABLE,
                     "has mode %04o, and netextd's worker, which has no privileges, cannot read "
                     "it: chmod -R o+rX",
                     st->st_mode & 07777);
        if (S_ISREG(st->st_mode) && st->st_nlink > 1)
                fail(walk, FILE_LINKS,
                     "has %lu names (hard links), and somebody could change it by another: copy it",
                     (unsigned long)st->st_nlink);
        if (st->st_mode & (S_ISREG(st->st_mode) ? MODE_SPECIAL : S_ISUID | S_ISVTX))
                fail(walk, FILE_MODE,
                     "has mode %04o: set-uid, set-gid and sticky bits have no place in a bundle",
                     st->st_mode & 07777);
        if (strlen(walk->path) > BUNDLE_PATH_MAX) {
                fail(walk, FILE_PATH, "is too long: a path has at most %d bytes", BUNDLE_PATH_MAX);
                return false;
        }
        problem = path_problem(walk->path);
        if (problem)
                fail(walk, FILE_NAME, "%s", problem);
        return true;
}

/* -E2BIG for the first of too many. */
static int check_totals(const struct walk *walk)
{
        if (walk->tree->n_entries > BUNDLE_FILES_MAX) {
                bundle_report_fail(walk->report, BUNDLE_CHECK_FOLDER_COUNT, NULL, NULL,
                                   "there are more than %d files and folders", BUNDLE_FILES_MAX);
                return -E2BIG;
        }
        if (walk->tree->size > BUNDLE_SIZE_MAX) {
                bundle_report_fail(walk->report, BUNDLE_CHECK_FOLDER_SIZE, walk->path, NULL,
                                   "is too much: with it the files have more than %d MiB",
                                   BUNDLE_SIZE_MAX >> 20);
                return -E2BIG;
        }
        return 0;
}

static int walk_folder(struct walk *walk, int folder_fd, size_t length);

static int walk_into(struct walk *walk, int folder_fd, const char *name, size_t length)
{
        _cleanup_fd_ int fd = -1;
        int r;

        if (walk->depth >= BUNDLE_DEPTH_MAX) {
                fail(walk, FOLDER_DEPTH, "is nested too deep: at most %d folders in folders",
                     BUNDLE_DEPTH_MAX);
                return 0;
        }
        fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                fail(walk, FOLDER_READABLE, "cannot be read: %s", strerror(errno));
                return 0;
        }
        walk->depth++;
        r = walk_folder(walk, fd, length);
        walk->depth--;
        return r;
}

/* length: of the path of the folder that it is in. */
static int walk_entry(struct walk *walk, int folder_fd, const char *name, size_t length)
{
        size_t size = strlen(name);
        struct stat st;
        int r;

        if (length > 0)
                walk->path[length++] = '/';
        memcpy(walk->path + length, name, size + 1);
        if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
                fail(walk, FOLDER_READABLE, "cannot be looked at: %s", strerror(errno));
                return 0;
        }
        if (!check_entry(walk, &st))
                return 0;
        r = add_entry(walk, &st);
        if (r >= 0)
                r = check_totals(walk);
        if (r < 0)
                return r;
        return S_ISDIR(st.st_mode) ? walk_into(walk, folder_fd, name, length + size) : 0;
}

/* The walk's path is this folder's up to length, and is left so. */
static int walk_folder(struct walk *walk, int folder_fd, size_t length)
{
        _cleanup_dir_ DIR *dir = NULL;
        int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *entry;
        int r = 0;

        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                bundle_report_fail(walk->report, BUNDLE_CHECK_FOLDER_READABLE,
                                   *walk->path ? walk->path : NULL, NULL, "cannot be read: %s",
                                   strerror(errno));
                close_fd(fd);
                return 0;
        }
        while (r >= 0 && (entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
                        r = walk_entry(walk, folder_fd, entry->d_name, length);
                        walk->path[length] = '\0';
                }
        return r;
}

static int compare_paths(const void *a, const void *b)
{
        const struct tree_entry *one = a, *other = b;

        return strcmp(one->path, other->path);
}

static int compare_folded(const void *a, const void *b)
{
        const struct tree_entry *one = *(const struct tree_entry *const *)a;
        const struct tree_entry *other = *(const struct tree_entry *const *)b;

        return strcasecmp(one->path, other->path);
}

/* A bundle that is copied to a file system without case would lose one of them. */
static int check_case(const struct tree *tree, struct bundle_report *report)
{
        size_t n = tree->n_entries;
        _cleanup_(cleanup_free) const struct tree_entry **folded = calloc(n + 1, sizeof(*folded));

        if (!folded)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                folded[i] = &tree->entries[i];
        qsort(folded, n, sizeof(*folded), compare_folded);
        for (size_t i = 0; i + 1 < n; i++)
                if (strcasecmp(folded[i]->path, folded[i + 1]->path) == 0)
                        bundle_report_fail(report, BUNDLE_CHECK_FILE_CASE, folded[i]->path, NULL,
                                           "and '%s' differ by case only: rename one",
                                           folded[i + 1]->path);
        return 0;
}

int tree_read(int folder_fd, struct tree *ret, struct bundle_report *report)
{
        struct walk walk = { .tree = ret, .report = report };
        int r = walk_folder(&walk, folder_fd, 0);

        bundle_report_asked(report, BUNDLE_CHECK_FOLDER_READABLE, BUNDLE_CHECK_FILE_CASE);
        if (r < 0)
                return r;
        if (ret->n_entries > 0)
                qsort(ret->entries, ret->n_entries, sizeof(*ret->entries), compare_paths);
        return check_case(ret, report);
}

const struct tree_entry *tree_find(const struct tree *tree, const char *path)
{
        const struct tree_entry key = { .path = (char *)path };

        if (tree->n_entries == 0)
                return NULL;
        return bsearch(&key, tree->entries, tree->n_entries, sizeof(*tree->entries), compare_paths);
}

int tree_open(int folder_fd, const char *path)
{
        struct open_how how = {
                .flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        _cleanup_fd_ int fd = (int)syscall(SYS_openat2, folder_fd, path, &how, sizeof(how));
        struct stat st;

        if (fd < 0 || fstat(fd, &st))
                return -errno;
        return S_ISREG(st.st_mode) ? take_fd(&fd) : -EINVAL;
}

int tree_read_file(int folder_fd, const char *path, size_t max, char **ret_text, size_t *ret_size)
{
        _cleanup_fd_ int fd = tree_open(folder_fd, path);
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        struct stat st;

        if (fd < 0)
                return fd;
        if (fstat(fd, &st))
                return -errno;
        if ((uint64_t)st.st_size > max)
                return -EFBIG;
        text = malloc((size_t)st.st_size + 1);
        if (!text)
                return -ENOMEM;
        while (size < (size_t)st.st_size) {
                ssize_t n = read(fd, text + size, (size_t)st.st_size - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        text[size] = '\0';
        *ret_text = take_ptr(text);
        *ret_size = size;
        return 0;
}
