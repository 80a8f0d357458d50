/* SPDX-License-Identifier: Apache-2.0 */

/* The trust folder is opened here, for a worker that has no file system of its own. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "manager/loop/text.h"
#include "manager/store/verify.h"

int verify_start(struct worker *worker, const struct store_place *place, int folder_fd,
                 unsigned int flags, worker_done_fn *done_fn, void *userdata, char **ret_problem)
{
        const char *argv[] = { "netext-bundle", "verify", NULL, NULL, NULL };
        size_t n = 2;
        _cleanup_fd_ int trust_fd =
                open(place->trust_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const int fds[] = { folder_fd, trust_fd };

        if (flags & VERIFY_DEVELOPER)
                argv[n++] = "--developer";
        if (flags & VERIFY_SYNC)
                argv[n++] = "--sync";
        if (trust_fd < 0 && errno != ENOENT)
                return text_problem(ret_problem, -errno, "cannot open the trusted roots in %s: %s",
                                    place->trust_directory, strerror(errno));
        return worker_start(worker,
                            &(struct worker_job){
                                    .event = place->event,
                                    .program = place->program,
                                    .instance = place->instance,
                                    .argv = argv,
                                    .fds = fds,
                                    .n_fds = trust_fd < 0 ? 1 : 2,
                                    .done_fn = done_fn,
                                    .userdata = userdata,
                            },
                            ret_problem);
}

char *verify_explain(const struct bundle_answer *answer, const char *problem,
                     enum nx_request_error *ret_code)
{
        const struct bundle_finding *failure = bundle_report_failure(&answer->bundle.report);
        _cleanup_free_ char *file = NULL, *key = NULL, *said = NULL;
        char *text = NULL;

        *ret_code = NX_REQUEST_ERROR_UNKNOWN;
        if (problem || !failure) {
                said = text_clean(answer->problem);
                text_set(&text, "%s", problem ?: said ?: "the bundle could not be looked at");
                return text;
        }
        *ret_code = (enum nx_request_error)bundle_check_code(failure->check);
        file = text_clean(failure->file);
        key = text_clean(failure->key);
        said = text_clean(failure->text);
        text_set(&text, "%s%s%s%s%s: %s", file ?: "", file && key ? ": " : "", key ?: "",
                 file || key ? ": " : "", bundle_check_name(failure->check), said ?: "it failed");
        return text;
}
