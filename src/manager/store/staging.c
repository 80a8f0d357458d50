/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two workers, one after the other. The first copies or unpacks into a folder that is its own.
 * When it is dead the copy is taken away from it: from then on only root can change it. The second
 * worker, with another user id and nothing it could write to, verifies the copy, and waits until
 * that is on disk. So there is no moment at which what was verified can still be exchanged by
 * whoever made it, and none from which a power failure leaves a part of it.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "manager/loop/text.h"
#include "manager/priv/staged.h"
#include "manager/store/staging.h"

DEFINE_CLEANUP(struct staging *, staging, staging_free)

struct staging *staging_free(struct staging *staging)
{
        if (!staging)
                return NULL;
        worker_end(&staging->worker);
        close_fd(staging->source_fd);
        close_fd(staging->folder_fd);
        if (staging->folder)
                (void)staged_remove(staging->place->store_fd, staging->folder);
        bundle_deinit(&staging->bundle);
        free(staging->folder);
        free(staging);
        return NULL;
}

int staging_check_source(int source_fd, char **ret_problem)
{
        struct stat st;

        if (fstat(source_fd, &st) < 0)
                return -errno;
        if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                return text_problem(ret_problem, -EINVAL,
                                    "what was given is neither a folder nor an archive");
        return 0;
}

static void fail(struct staging *staging, enum nx_request_error code, const char *format, ...)
        _printf_(3, 4);

static void fail(struct staging *staging, enum nx_request_error code, const char *format, ...)
{
        _cleanup_free_ char *problem = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&problem, format, args) < 0)
                problem = NULL;
        va_end(args);
        staging->done_fn(staging, -EBADMSG, code, problem ?: "there is no memory",
                         staging->userdata);
}

/* What either worker found becomes the staging's. */
static void take_bundle(struct staging *staging)
{
        bundle_deinit(&staging->bundle);
        staging->bundle = staging->worker.answer.bundle;
        staging->worker.answer.bundle = (struct bundle){};
}

/* True where the worker found everything in order, as far as it was asked; else the staging has
 * failed. */
static bool is_in_order(struct staging *staging, const char *problem,
                        bool (*has_all)(const struct bundle_answer *answer))
{
        bool is_good = !problem && has_all(&staging->worker.answer);
        _cleanup_free_ char *text = NULL;
        enum nx_request_error code;

        if (!is_good)
                text = verify_explain(&staging->worker.answer, problem, &code);
        take_bundle(staging);
        worker_end(&staging->worker);
        if (!is_good)
                fail(staging, code, "%s", text ?: "there is no memory");
        return is_good;
}

static void verified(struct worker *worker, const char *problem, void *userdata)
{
        struct staging *staging = userdata;

        if (!is_in_order(staging, problem, bundle_answer_is_bundle))
                return;
        staging->done_fn(staging, 0, 0, NULL, staging->userdata);
}

static void copied(struct worker *worker, const char *problem, void *userdata)
{
        struct staging *staging = userdata;
        _cleanup_free_ char *text = NULL;
        int r;

        staging->source_fd = close_fd(staging->source_fd);
        if (!is_in_order(staging, problem, bundle_answer_is_good))
                return;
        r = staged_take(staging->folder_fd);
        if (r < 0) {
                fail(staging, NX_REQUEST_ERROR_VALIDATION_FAILED,
                     "what netext-bundle staged cannot be taken over: %s", strerror(-r));
                return;
        }
        r = verify_start(&staging->worker, staging->place, staging->folder_fd,
                         VERIFY_SYNC | (staging->developer ? VERIFY_DEVELOPER : 0), verified,
                         staging, &text);
        if (r < 0)
                fail(staging, NX_REQUEST_ERROR_UNKNOWN, "%s", text ?: strerror(-r));
}

/* The folder belongs to the worker until it is dead. */
static int make_folder(uid_t uid, void *userdata)
{
        struct staging *staging = userdata;

        staging->folder_fd = staged_make(staging->place->store_fd, staging->folder, uid, 0700);
        return staging->folder_fd;
}

static int start_copying(struct staging *staging, int source_fd, char **ret_problem)
{
        static const char *const argv[] = { "netext-bundle", "stage", NULL };

        return worker_start(&staging->worker,
                            &(struct worker_job){
                                    .event = staging->place->event,
                                    .program = staging->place->program,
                                    .instance = staging->place->instance,
                                    .argv = argv,
                                    .fds = &source_fd,
                                    .n_fds = 1,
                                    .make_folder = make_folder,
                                    .done_fn = copied,
                                    .userdata = staging,
                            },
                            ret_problem);
}

int staging_start(const struct store_place *place, uint64_t number, int source_fd, bool developer,
                  staging_done_fn *done_fn, void *userdata, struct staging **ret_staging,
                  char **ret_problem)
{
        _cleanup_(cleanup_staging) struct staging *staging = calloc(1, sizeof(*staging));
        int r;

        if (!staging)
                return -ENOMEM;
        *staging = (struct staging){
                .place = place,
                .source_fd = -1,
                .folder_fd = -1,
                .developer = developer,
                .worker = WORKER_NULL,
                .done_fn = done_fn,
                .userdata = userdata,
        };
        if (asprintf(&staging->folder, "staging/%llu", (unsigned long long)number) < 0) {
                staging->folder = NULL;
                return -ENOMEM;
        }
        r = start_copying(staging, source_fd, ret_problem);
        if (r < 0)
                return r;
        staging->source_fd = source_fd;
        *ret_staging = take_ptr(staging);
        return 0;
}
