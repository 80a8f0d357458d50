/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every *.json of the folder is one file of the policy. A file that cannot be understood says so
 * and leaves in force what it said before, also before netextd was started (kept.h): a payload that
 * makes no sense is not installed, and does not take away the one that is. A file that is gone says
 * nothing any more. Changes are
 * read a moment after the last of them: a tool that removes a file and writes it anew, or writes
 * several, has not meant what lies in between.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/policy/folder.h"
#include "manager/policy/kept.h"
#include "manager/priv/file.h"

#define SETTLE_MS 100
#define TEXT_MAX  (1024 * 1024)

/* 0, or negative errno with a sentence. Caller owns *ret_text. */
static int read_text(int fd, char **ret_text, size_t *ret_size, char **ret_problem)
{
        _cleanup_free_ char *text = malloc(TEXT_MAX + 1);
        size_t size = 0;
        ssize_t n;

        if (!text)
                return -ENOMEM;
        while (size <= TEXT_MAX && (n = read(fd, text + size, TEXT_MAX + 1 - size)) != 0) {
                if (n < 0)
                        return text_problem(ret_problem, -errno, "cannot be read: %s",
                                            strerror(errno));
                size += (size_t)n;
        }
        if (size > TEXT_MAX)
                return text_problem(ret_problem, -EFBIG, "it is larger than 1 MiB");
        text[size] = '\0';
        *ret_text = take_ptr(text);
        *ret_size = size;
        return 0;
}

/* Who can write a policy is the administrator. */
static int check_owner(int fd, char **ret_problem)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
                return text_problem(ret_problem, -EPERM,
                                    "others than root can write it: chown root and chmod go-w");
        return 0;
}

static int read_document(const char *path, struct policy_document *ret, char **ret_problem)
{
        _cleanup_fd_ int fd = file_open(path);
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        if (fd < 0)
                return text_problem(ret_problem, fd, "cannot be opened: %s",
                                    file_error_to_string(fd));
        r = check_owner(fd, ret_problem);
        if (r >= 0)
                r = read_text(fd, &text, &size, ret_problem);
        return r < 0 ? r : policy_document_parse(ret, text, size, ret_problem);
}

static void take_document(struct policy_file *file, struct policy_document *document)
{
        bool same = file->since_ns && json_equal(file->document.root, document->root);

        free(take_ptr(file->problem));
        if (same) {
                policy_document_deinit(document);
                return;
        }
        policy_document_deinit(&file->document);
        file->document = *document;
        file->since_ns = clock_realtime_ns();
        file->is_kept = false;
        for (size_t i = 0; i < document->n_warnings; i++)
                log_warning("policy %s: %s", file->name, document->warnings[i]);
}

/* What it said before this netextd was there. */
static void recall(struct policy_folder *folder, struct policy_file *file)
{
        _cleanup_free_ char *text = NULL, *problem = NULL;
        struct policy_document document;
        uint64_t since_ns;
        size_t size;

        if (kept_read(folder->state_directory, file->name, &text, &size, &since_ns) < 0 ||
            policy_document_parse(&document, text, size, &problem) < 0)
                return;
        policy_document_deinit(&file->document);
        file->document = document;
        file->since_ns = since_ns;
        file->is_kept = true;
}

static void fail(struct policy_folder *folder, struct policy_file *file, const char *problem)
{
        if (!file->since_ns)
                recall(folder, file);
        if (!file->problem || strcmp(file->problem, problem) != 0)
                log_error("policy %s/%s: %s; %s", folder->path, file->name, problem,
                          file->since_ns ? "what it said before stays in force"
                                         : "it is not in force");
        text_set(&file->problem, "%s", problem);
}

static void load_file(struct policy_folder *folder, const char *name)
{
        struct policy_file *file = policy_get_file(&folder->policy, name);
        struct policy_document document;
        _cleanup_free_ char *path = NULL, *problem = NULL;
        int r;

        if (!file || asprintf(&path, "%s/%s", folder->path, name) < 0)
                return;
        r = read_document(path, &document, &problem);
        if (r >= 0) {
                take_document(file, &document);
                return;
        }
        fail(folder, file, problem ?: strerror(-r));
}

void policy_folder_keep(struct policy_folder *folder)
{
        struct policy_file *file;

        list_for_each (file, &folder->policy.files, link) {
                int r = 0;

                if (!file->is_kept && file->since_ns)
                        r = kept_write(folder->state_directory, file->name, file->document.text);
                file->is_kept |= file->since_ns && r >= 0;
                if (r < 0 && r != -ENOENT)
                        log_error("policy %s: what it says cannot be kept for the next netextd: %s",
                                  file->name, strerror(-r));
        }
}

static int is_policy(const struct dirent *entry)
{
        const char *dot = strrchr(entry->d_name, '.');

        return entry->d_name[0] != '.' && dot && strcmp(dot, ".json") == 0;
}

static bool is_named(struct dirent *const *entries, int n_entries, const char *name)
{
        for (int i = 0; i < n_entries; i++)
                if (strcmp(entries[i]->d_name, name) == 0)
                        return true;
        return false;
}

static void drop_files(struct policy_folder *folder, struct dirent *const *entries, int n_entries)
{
        struct policy_file *file, *following;

        list_for_each_safe (file, following, &folder->policy.files, link) {
                if (is_named(entries, n_entries, file->name))
                        continue;
                log_info("policy %s is gone", file->name);
                policy_file_free(file);
        }
}

/* Of files that are gone. */
static int forget(const char *name, void *userdata)
{
        struct policy_folder *folder = userdata;
        const struct policy_file *file;

        list_for_each (file, &folder->policy.files, link)
                if (strcmp(file->name, name) == 0)
                        return 0;
        kept_forget(folder->state_directory, name);
        return 0;
}

static int recall_one(const char *name, void *userdata)
{
        struct policy_folder *folder = userdata;
        struct policy_file *file = policy_get_file(&folder->policy, name);

        if (file)
                fail(folder, file, "its folder cannot be read");
        return 0;
}

static void load_files(struct policy_folder *folder)
{
        struct dirent **entries = NULL;
        int n_entries = scandir(folder->path, &entries, is_policy, alphasort);

        if (n_entries < 0 && errno != ENOENT) {
                log_error("policy folder %s: %s; what was read before stays in force", folder->path,
                          strerror(errno));
                kept_for_each(folder->state_directory, recall_one, folder);
                return;
        }
        drop_files(folder, entries, n_entries);
        for (int i = 0; i < n_entries; i++) {
                load_file(folder, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        kept_for_each(folder->state_directory, forget, folder);
        policy_folder_keep(folder);
}

static int reload(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct policy_folder *folder = userdata;

        timer_stop(&folder->reload);
        load_files(folder);
        folder->changed_fn(folder->userdata);
        return 0;
}

static int folder_event(const struct inotify_event *event, void *userdata)
{
        struct policy_folder *folder = userdata;

        if (timer_start(folder->event, &folder->reload, SETTLE_MS, reload, folder) < 0)
                log_error("policy folder %s: cannot set a timer; restart netextd to read it again",
                          folder->path);
        return 0;
}

void policy_folder_init(struct policy_folder *folder)
{
        *folder = (struct policy_folder){};
        policy_init(&folder->policy);
}

void policy_folder_open(struct policy_folder *folder, sd_event *event, const char *path,
                        const char *state_directory, policy_changed_fn *changed_fn, void *userdata)
{
        folder->event = event;
        folder->path = path;
        folder->state_directory = state_directory;
        folder->changed_fn = changed_fn;
        folder->userdata = userdata;
        /* Watched first, read then: no change falls in between. */
        if (folder_watch_start(&folder->watch, event, path, folder_event, folder) < 0)
                log_error("policy folder %s: cannot be watched, so changes are not seen", path);
        load_files(folder);
}

void policy_folder_deinit(struct policy_folder *folder)
{
        timer_stop(&folder->reload);
        folder_watch_stop(&folder->watch);
        policy_deinit(&folder->policy);
}
