/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netext-bundle: the process in which netextd has bundles copied, unpacked and verified, so
 * that it parses none itself. One job a process, told by arguments and descriptors
 * (bundle/answer.h); the sandbox is entered before the first byte is read. It runs as a user of
 * its own without capabilities, and whatever it is run as, it is confined to its job.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "base/cleanup.h"
#include "bundle/answer.h"
#include "bundle/stage.h"
#include "bundle/sync.h"
#include "bundle/worker/sandbox.h"

#define ANSWER_FD 3
#define SOURCE_FD 4
#define OTHER_FD  5

#define EXIT_USAGE 2

#ifdef __SANITIZE_ADDRESS__
/* To look for leaks it would have to read /proc, which its sandbox does not let it. */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void)
{
        return 1;
}
#endif

static bool is_folder(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int stage(struct bundle *ret, const char **ret_problem)
{
        const int readable[] = { SOURCE_FD };
        int r = sandbox_enter(readable, is_folder(SOURCE_FD) ? 1 : 0, OTHER_FD);

        if (r < 0) {
                *ret_problem = "cannot enter its sandbox";
                return r;
        }
        r = bundle_stage(SOURCE_FD, OTHER_FD, &ret->report);
        if (r < 0)
                *ret_problem = "cannot copy the bundle";
        return r;
}

struct verify {
        bool developer;
        bool sync;
};

static int verify(const struct verify *how, struct bundle *ret, const char **ret_problem)
{
        const struct bundle_options options = { .unknown_signer = how->developer };
        bool has_trust = fcntl(OTHER_FD, F_GETFD) >= 0;
        const int readable[] = { SOURCE_FD, OTHER_FD };
        int r = sandbox_enter(readable, has_trust ? 2 : 1, -1);

        if (r < 0) {
                *ret_problem = "cannot enter its sandbox";
                return r;
        }
        r = bundle_verify(SOURCE_FD, has_trust ? OTHER_FD : -1, &options, ret);
        if (r < 0) {
                *ret_problem = "cannot look at the bundle";
                return r;
        }
        r = how->sync && bundle_report_is_good(&ret->report) ? bundle_sync(SOURCE_FD) : 0;
        if (r < 0)
                *ret_problem = "cannot have the bundle written to disk";
        return r;
}

/* False: there is a word that is no option of verify. */
static bool parse_verify(struct verify *how, char **words)
{
        for (; *words; words++)
                if (strcmp(*words, "--developer") == 0)
                        how->developer = true;
                else if (strcmp(*words, "--sync") == 0)
                        how->sync = true;
                else
                        return false;
        return true;
}

static int explain(void)
{
        fputs("netext-bundle is started by netextd; netext-bundle(5) says how.\n"
              "To look at a bundle: netextctl extension verify FOLDER-OR-ARCHIVE\n",
              stderr);
        return EXIT_USAGE;
}

int main(int argc, char *argv[])
{
        bool is_stage = argc == 2 && strcmp(argv[1], "stage") == 0;
        bool is_verify = argc >= 2 && strcmp(argv[1], "verify") == 0;
        struct verify how = {};
        struct channel channel = CHANNEL_NULL;
        struct bundle bundle = {};
        const char *problem = NULL;
        int r;

        if (!is_stage && (!is_verify || !parse_verify(&how, argv + 2)))
                return explain();
        if (fcntl(ANSWER_FD, F_GETFD) < 0 || fcntl(SOURCE_FD, F_GETFD) < 0 ||
            (is_stage && !is_folder(OTHER_FD)) || (is_verify && !is_folder(SOURCE_FD)))
                return explain();
        r = channel_init(&channel, ANSWER_FD);
        if (r < 0)
                return EXIT_FAILURE;
        r = is_stage ? stage(&bundle, &problem) : verify(&how, &bundle, &problem);
        r = bundle_answer_send(&channel, &bundle, r, problem);
        if (r >= 0)
                r = channel_flush_all(&channel); /* the peer may read slowly */
        bundle_deinit(&bundle);
        channel_deinit(&channel);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
