/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The one look at a bundle: its files, who signed what, whether that is what is there, what it
 * says that it is, and whether it can run. A failure does not keep the rest from being looked
 * at, so that one look shows all there is to mend; only what has nothing to look at is skipped.
 */

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/cleanup.h"
#include "bundle/bundle.h"
#include "bundle/contained.h"
#include "bundle/files.h"
#include "bundle/signature.h"

struct look {
        int folder_fd;
        int trust_fd;
        const struct bundle_options *options;
        struct tree tree;
        struct trust trust;
        struct file_list list;
        struct bundle *bundle;
};

static void look_deinit(struct look *look)
{
        tree_deinit(&look->tree);
        trust_deinit(&look->trust);
        file_list_deinit(&look->list);
}

/* One of the bundle's own files, whole. 0, -ENOENT after a complaint, or -ENOMEM. */
static int read_own_file(struct look *look, const char *path, size_t max, enum bundle_check missing,
                         enum bundle_check size, char **ret_text, size_t *ret_size)
{
        struct bundle_report *report = &look->bundle->report;
        int r = tree_read_file(look->folder_fd, path, max, ret_text, ret_size);

        bundle_report_asked(report, missing, missing);
        if (r == 0 || r == -ENOMEM)
                return r;
        if (r == -ENOENT)
                bundle_report_fail(report, missing, path, NULL, "is not there%s",
                                   missing == BUNDLE_CHECK_MANIFEST_MISSING
                                           ? ": every bundle has one"
                                           : ": sign the bundle");
        else if (r == -EFBIG)
                bundle_report_fail(report, size, path, NULL, "is too large: at most %zu KiB",
                                   max >> 10);
        else
                bundle_report_fail(report, BUNDLE_CHECK_FOLDER_READABLE, path, NULL,
                                   "cannot be read: %s", strerror(-r));
        return -ENOENT;
}

static int look_at_signature(struct look *look, const char *list, size_t list_size)
{
        struct bundle *bundle = look->bundle;
        _cleanup_free_ char *bytes = NULL;
        size_t size = 0;
        struct signature signature;
        int r = read_own_file(look, FILES_SIGNATURE, SIGNATURE_SIZE_MAX,
                              BUNDLE_CHECK_SIGNATURE_MISSING, BUNDLE_CHECK_SIGNATURE_FORM, &bytes,
                              &size);

        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (!list)
                return 0;
        signature = (struct signature){ bytes, size, list, list_size };
        r = trust_read(look->trust_fd, &look->trust, &bundle->report);
        if (r < 0)
                return r;
        return signature_verify(&signature, &look->trust, look->options, &bundle->signer,
                                &bundle->report);
}

/* The list is compared whoever signed it: that tells which file it is that was changed. */
static int look_at_files(struct look *look)
{
        struct bundle_report *report = &look->bundle->report;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r = read_own_file(look, FILES_LIST, FILES_LIST_MAX, BUNDLE_CHECK_FILES_MISSING,
                              BUNDLE_CHECK_FILES_FORM, &text, &size);

        if (r == -ENOMEM)
                return r;
        r = look_at_signature(look, text, size);
        if (r < 0 || !text)
                return r;
        if (digest_bytes(text, size, look->bundle->digest) < 0)
                return -ENOMEM;
        r = file_list_parse(&look->list, text, size, report);
        if (r >= 0)
                r = file_list_compare(&look->list, look->folder_fd, &look->tree, report);
        return r;
}

static int look_at_manifest(struct look *look)
{
        struct bundle *bundle = look->bundle;
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r = read_own_file(look, MANIFEST_FILE, MANIFEST_SIZE_MAX, BUNDLE_CHECK_MANIFEST_MISSING,
                              BUNDLE_CHECK_MANIFEST_SIZE, &text, &size);

        if (r < 0)
                return r == -ENOMEM ? r : 0;
        manifest_parse(&bundle->manifest, text, size, &bundle->report);
        return 0;
}

/* Without a signer's team there is nothing to compare, and signature.team says why. */
static void look_at_team(struct look *look)
{
        const char *signer = look->bundle->signer.team, *team = look->bundle->manifest.team;
        struct bundle_report *report = &look->bundle->report;

        report->asked[BUNDLE_CHECK_TEAM_SIGNER] = signer && team;
        if (signer && team && strcmp(signer, team) != 0)
                bundle_report_fail(report, BUNDLE_CHECK_TEAM_SIGNER, MANIFEST_FILE, "team",
                                   "is '%s', and the signer's certificate is of '%s' (its OU)",
                                   team, signer);
}

static int look_at_all(struct look *look)
{
        struct bundle *bundle = look->bundle;
        int r = tree_read(look->folder_fd, &look->tree, &bundle->report);

        if (r < 0)
                return r == -E2BIG ? 0 : r;
        bundle->n_files = look->tree.n_files;
        bundle->size = look->tree.size;
        if (!look->options->without_signature)
                r = look_at_files(look);
        if (r >= 0)
                r = look_at_manifest(look);
        if (r < 0)
                return r;
        look_at_team(look);
        return contained_check(look->folder_fd, &look->tree, &bundle->manifest, &bundle->report);
}

int bundle_verify(int folder_fd, int trust_fd, const struct bundle_options *options,
                  struct bundle *ret)
{
        _cleanup_(look_deinit) struct look look = {
                .folder_fd = folder_fd,
                .trust_fd = trust_fd,
                .options = options,
                .bundle = ret,
        };
        int r;

        /* What a machine's openssl.cnf says is not for bundles: all have to say the same. */
        OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
        r = look_at_all(&look);
        if (r < 0)
                return r;
        return bundle_report_finish(&ret->report, BUNDLE_CHECK_FOLDER_READABLE,
                                    _BUNDLE_CHECK_MAX - 1);
}
