/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Root can change what is on disk, whatever its owner and mode. That cannot be kept from happening,
 * but it is found out before it runs, and the file is named.
 */

#include <errno.h>
#include <string.h>

#include "manager/loop/text.h"
#include "manager/priv/staged.h"
#include "manager/store/check.h"

void check_end(struct check *check)
{
        worker_end(&check->worker);
        check->folder_fd = close_fd(check->folder_fd);
        check->copy = NULL;
}

/* Another bundle may be perfectly in order. */
static const char *find_difference(const struct copy *copy, const struct bundle *found)
{
        if (strcmp(copy->bundle.digest, found->digest) != 0 ||
            strcmp(copy->bundle.manifest.identifier, found->manifest.identifier) != 0)
                return "it was exchanged for another bundle";
        if (strcmp(copy->bundle.signer.identity ?: "", found->signer.identity ?: "") != 0)
                return "its signer is another than when it was staged";
        return NULL;
}

/* The copy gets what was found. Caller owns the problem; NULL: there is none. */
static char *take_answer(struct copy *copy, struct bundle_answer *answer, const char *problem)
{
        enum nx_request_error error;
        const char *difference;
        char *text;

        if (problem || !bundle_answer_is_bundle(answer)) {
                text = verify_explain(answer, problem, &error);
                copy_set_report(copy, &answer->bundle.report);
                return text ?: strdup("it cannot be verified");
        }
        difference = find_difference(copy, &answer->bundle);
        if (difference)
                return strdup(difference);
        copy_set_bundle(copy, &answer->bundle);
        return NULL;
}

static void conclude(struct check *check, const char *problem)
{
        check_end(check);
        check->done_fn(check, problem, check->userdata);
}

static void answered(struct worker *worker, const char *problem, void *userdata)
{
        struct check *check = userdata;
        _cleanup_free_ char *text = take_answer(check->copy, &worker->answer, problem);

        conclude(check, text);
}

void check_start(struct check *check, const struct store_place *place, struct copy *copy,
                 bool developer, check_done_fn *done_fn, void *userdata)
{
        _cleanup_free_ char *folder = copy_get_folder(copy), *problem = NULL;
        int r;

        check_end(check);
        check->copy = copy;
        check->done_fn = done_fn;
        check->userdata = userdata;
        check->folder_fd = folder ? staged_open(place->store_fd, folder) : -ENOMEM;
        if (check->folder_fd < 0) {
                text_set(&problem, "its copy cannot be opened: %s", strerror(-check->folder_fd));
                conclude(check, problem ?: "its copy cannot be opened");
                return;
        }
        r = verify_start(&check->worker, place, check->folder_fd, developer ? VERIFY_DEVELOPER : 0,
                         answered, check, &problem);
        if (r < 0)
                conclude(check, problem ?: strerror(-r));
}
