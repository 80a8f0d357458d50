/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Lines are read strictly: there is one way to write a list, so that the same content has the
 * same digest wherever it was signed.
 */

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "bundle/files.h"
#include "bundle/text.h"

#define HEADER     "netext-files 1"
#define DIGEST_HEX (BUNDLE_DIGEST_SIZE - 1)
#define HEX_DIGITS "0123456789abcdef"
#define BLOCK_SIZE (64 * 1024)
#define KEY_SIZE   24 /* of "line 4097" */

/* --- digests --------------------------------------------------------------------------- */

static void cleanup_digest(EVP_MD_CTX **context)
{
        EVP_MD_CTX_free(*context);
}

static int digest_finish(EVP_MD_CTX *context, char *ret_digest)
{
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int size;

        if (EVP_DigestFinal_ex(context, digest, &size) != 1)
                return -EIO;
        for (unsigned int i = 0; i < size; i++)
                sprintf(ret_digest + 2 * (size_t)i, "%02x", digest[i]);
        return 0;
}

int digest_bytes(const void *bytes, size_t size, char *ret_digest)
{
        _cleanup_(cleanup_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();

        if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1 ||
            EVP_DigestUpdate(context, bytes, size) != 1)
                return -EIO;
        return digest_finish(context, ret_digest);
}

/* *ret_size: how many bytes the file had. */
static int digest_file(int folder_fd, const char *path, char *ret_digest, uint64_t *ret_size)
{
        _cleanup_(cleanup_digest) EVP_MD_CTX *context = EVP_MD_CTX_new();
        _cleanup_free_ char *block = malloc(BLOCK_SIZE);
        _cleanup_fd_ int fd = tree_open(folder_fd, path);
        uint64_t size = 0;

        if (fd < 0)
                return fd;
        if (!block || !context)
                return -ENOMEM;
        if (EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1)
                return -EIO;
        for (;;) {
                ssize_t n = read(fd, block, BLOCK_SIZE);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += (uint64_t)n;
                if (EVP_DigestUpdate(context, block, (size_t)n) != 1)
                        return -EIO;
        }
        *ret_size = size;
        return digest_finish(context, ret_digest);
}

/* --- reading --------------------------------------------------------------------------- */

void file_list_deinit(struct file_list *list)
{
        free(list->text);
        free(list->lines);
        *list = (struct file_list){};
}

static bool is_own_path(const char *path)
{
        return strcmp(path, FILES_LIST) == 0 || strcmp(path, FILES_SIGNATURE) == 0;
}

/* Takes the line apart; false if it has not the form. */
static bool parse_line(char *text, struct file_line *ret)
{
        char *size = text + DIGEST_HEX + 1, *end;
        size_t n_digits;

        if (strspn(text, HEX_DIGITS) != DIGEST_HEX || text[DIGEST_HEX] != ' ')
                return false;
        n_digits = strspn(size, TEXT_DIGITS);
        if (n_digits == 0 || n_digits > 12 || (*size == '0' && n_digits > 1))
                return false;
        end = size + n_digits;
        if (end[0] != ' ' || (end[1] != 'x' && end[1] != '-') || end[2] != ' ' || !end[3])
                return false;
        memcpy(ret->digest, text, DIGEST_HEX);
        ret->digest[DIGEST_HEX] = '\0';
        ret->size = strtoull(size, NULL, 10);
        ret->is_executable = end[1] == 'x';
        ret->path = end + 3;
        return true;
}

static void take_line(struct file_list *list, char *text, size_t number,
                      struct bundle_report *report)
{
        struct file_line *line = &list->lines[list->n_lines];
        const char *previous = list->n_lines ? line[-1].path : "", *problem;
        char key[KEY_SIZE];

        snprintf(key, sizeof(key), "line %zu", number);
        if (!parse_line(text, line)) {
                bundle_report_fail(report, BUNDLE_CHECK_FILES_FORM, FILES_LIST, key,
                                   "is no line of a list: expected a SHA-256, a size, x or -, and "
                                   "a path; sign the bundle again");
                return;
        }
        problem = is_own_path(line->path) ? "is of the signature itself" : path_problem(line->path);
        if (problem) {
                bundle_report_fail(report, BUNDLE_CHECK_FILES_PATH, FILES_LIST, key, "'%s' %s",
                                   line->path, problem);
                return;
        }
        if (strcmp(previous, line->path) >= 0)
                bundle_report_fail(report, BUNDLE_CHECK_FILES_ORDER, FILES_LIST, key,
                                   "'%s' %s '%s': sign the bundle again", line->path,
                                   strcmp(previous, line->path) ? "stands behind" : "is again",
                                   previous);
        list->n_lines++;
}

/* text: ends with a NUL, which is nowhere else in it. */
static int parse_lines(struct file_list *list, char *text, struct bundle_report *report)
{
        char *rest = text, *line = strsep(&rest, "\n");
        size_t number = 1;

        if (strcmp(line, HEADER) != 0) {
                bundle_report_fail(report, BUNDLE_CHECK_FILES_FORM, FILES_LIST, "line 1",
                                   "is not '" HEADER "': it is no digest list, or one for a later "
                                   "netext");
                return 0;
        }
        list->lines = calloc(BUNDLE_FILES_MAX, sizeof(*list->lines));
        if (!list->lines)
                return -ENOMEM;
        while ((line = strsep(&rest, "\n")) && rest) {
                number++;
                if (list->n_lines >= BUNDLE_FILES_MAX) {
                        bundle_report_fail(report, BUNDLE_CHECK_FILES_FORM, FILES_LIST, NULL,
                                           "lists more than %d files", BUNDLE_FILES_MAX);
                        return 0;
                }
                take_line(list, line, number, report);
        }
        if (!line || *line)
                bundle_report_fail(report, BUNDLE_CHECK_FILES_FORM, FILES_LIST, NULL,
                                   "does not end with a line end");
        return 0;
}

int file_list_parse(struct file_list *ret, const char *text, size_t size,
                    struct bundle_report *report)
{
        bundle_report_asked(report, BUNDLE_CHECK_FILES_FORM, BUNDLE_CHECK_FILES_ORDER);
        if (memchr(text, '\0', size)) {
                bundle_report_fail(report, BUNDLE_CHECK_FILES_FORM, FILES_LIST, NULL,
                                   "is not text: there is a zero byte in it");
                return 0;
        }
        ret->text = strndup(text, size);
        return ret->text ? parse_lines(ret, ret->text, report) : -ENOMEM;
}

/* --- comparing ------------------------------------------------------------------------- */

static void compare_content(const struct file_line *line, int folder_fd,
                            struct bundle_report *report)
{
        char digest[BUNDLE_DIGEST_SIZE] = "";
        uint64_t size = 0;
        int r = digest_file(folder_fd, line->path, digest, &size);

        if (r < 0)
                bundle_report_fail(report, BUNDLE_CHECK_FOLDER_READABLE, line->path, NULL,
                                   "cannot be read: %s", strerror(-r));
        else if (strcmp(digest, line->digest) != 0)
                bundle_report_fail(report, BUNDLE_CHECK_FILE_DIGEST, line->path, NULL,
                                   "was changed after it was signed: its SHA-256 is %s, and %s "
                                   "was signed",
                                   digest, line->digest);
}

static void compare_line(const struct file_line *line, int folder_fd, const struct tree *tree,
                         struct bundle_report *report)
{
        const struct tree_entry *entry = tree_find(tree, line->path);

        if (!entry || entry->is_folder) {
                bundle_report_fail(report, BUNDLE_CHECK_FILE_MISSING, line->path, NULL,
                                   "was signed, and is not there");
                return;
        }
        if (entry->is_executable != line->is_executable)
                bundle_report_fail(report, BUNDLE_CHECK_FILE_EXECUTABLE, line->path, NULL,
                                   "was signed as %s",
                                   line->is_executable ? "a program, and is not executable"
                                                       : "no program, and is executable");
        if (entry->size != line->size)
                bundle_report_fail(report, BUNDLE_CHECK_FILE_SIZE, line->path, NULL,
                                   "was changed after it was signed: it has %lu bytes, and %lu "
                                   "were signed",
                                   (unsigned long)entry->size, (unsigned long)line->size);
        else
                compare_content(line, folder_fd, report);
}

static int compare_line_paths(const void *a, const void *b)
{
        const struct file_line *one = a, *other = b;

        return strcmp(one->path, other->path);
}

static bool is_listed(const struct file_list *list, const char *path)
{
        const struct file_line key = { .path = (char *)path };

        return list->n_lines > 0 &&
               bsearch(&key, list->lines, list->n_lines, sizeof(*list->lines), compare_line_paths);
}

int file_list_compare(const struct file_list *list, int folder_fd, const struct tree *tree,
                      struct bundle_report *report)
{
        for (size_t i = 0; i < list->n_lines; i++)
                compare_line(&list->lines[i], folder_fd, tree, report);
        for (size_t i = 0; i < tree->n_entries; i++) {
                const struct tree_entry *entry = &tree->entries[i];

                if (!entry->is_folder && !is_own_path(entry->path) && !is_listed(list, entry->path))
                        bundle_report_fail(report, BUNDLE_CHECK_FILE_UNLISTED, entry->path, NULL,
                                           "was added after the bundle was signed: take it away, "
                                           "or sign again");
        }
        bundle_report_asked(report, BUNDLE_CHECK_FILE_MISSING, BUNDLE_CHECK_FILE_EXECUTABLE);
        return 0;
}

/* --- writing --------------------------------------------------------------------------- */

int file_list_make(int folder_fd, const struct tree *tree, char **ret_text, size_t *ret_size,
                   const char **ret_path)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r = 0;

        if (!out)
                return -ENOMEM;
        fputs(HEADER "\n", out);
        for (size_t i = 0; i < tree->n_entries && r >= 0; i++) {
                const struct tree_entry *entry = &tree->entries[i];
                char digest[BUNDLE_DIGEST_SIZE];
                uint64_t n_bytes;

                if (entry->is_folder || is_own_path(entry->path))
                        continue;
                *ret_path = entry->path;
                r = digest_file(folder_fd, entry->path, digest, &n_bytes);
                if (r >= 0)
                        fprintf(out, "%s %lu %c %s\n", digest, (unsigned long)n_bytes,
                                entry->is_executable ? 'x' : '-', entry->path);
        }
        if (fclose(out) && r >= 0)
                r = -ENOMEM;
        if (r < 0)
                return r;
        *ret_text = take_ptr(text);
        *ret_size = size;
        return 0;
}
