/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A revocation list speaks for its issuer's certificates, whatever the time: what is revoked
 * stays so, and a list that is out of date still says what it said. A machine without a network
 * must not stop trusting everybody because a list got old.
 */

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "bundle/trust.h"
#include "bundle/tree.h"

static void cleanup_bio(BIO **bio)
{
        BIO_free(*bio);
}

static void cleanup_certificate(X509 **certificate)
{
        X509_free(*certificate);
}

void trust_deinit(struct trust *trust)
{
        X509_STORE_free(trust->roots);
        for (size_t i = 0; i < trust->n_crls; i++) {
                free(trust->crls[i].file);
                X509_CRL_free(trust->crls[i].crl);
        }
        free(trust->crls);
        *trust = (struct trust){};
}

static bool ends_with(const char *text, const char *end)
{
        size_t length = strlen(text), size = strlen(end);

        return length > size && strcmp(text + length - size, end) == 0;
}

static void read_roots(struct trust *trust, const char *name, BIO *text,
                       struct bundle_report *report)
{
        size_t n_before = trust->n_roots;

        for (;;) {
                _cleanup_(cleanup_certificate) X509 *root =
                        PEM_read_bio_X509(text, NULL, NULL, NULL);

                if (!root)
                        break;
                trust->n_roots += X509_STORE_add_cert(trust->roots, root) == 1;
        }
        ERR_clear_error();
        if (trust->n_roots == n_before)
                bundle_report_warn(report, BUNDLE_CHECK_TRUST_ROOT, NULL, name,
                                   "in the trust folder has no certificate in it (PEM)");
}

static int keep_crl(struct trust *trust, const char *name, X509_CRL *crl)
{
        void *grown = reallocarray(trust->crls, trust->n_crls + 1, sizeof(*trust->crls));

        if (!grown)
                return -ENOMEM;
        trust->crls = grown;
        trust->crls[trust->n_crls] = (struct trust_crl){ strdup(name), crl };
        if (!trust->crls[trust->n_crls].file)
                return -ENOMEM;
        trust->n_crls++;
        return 0;
}

static int read_crls(struct trust *trust, const char *name, BIO *text, struct bundle_report *report)
{
        size_t n_before = trust->n_crls;
        X509_CRL *crl;

        while ((crl = PEM_read_bio_X509_CRL(text, NULL, NULL, NULL)))
                if (keep_crl(trust, name, crl) < 0) {
                        X509_CRL_free(crl);
                        return -ENOMEM;
                }
        ERR_clear_error();
        if (trust->n_crls == n_before)
                bundle_report_fail(report, BUNDLE_CHECK_TRUST_REVOCATIONS, NULL, name,
                                   "in the trust folder has no revocation list in it (PEM): what "
                                   "it revokes is not known, so nothing is trusted");
        return 0;
}

/* Why the worker could not read it, whoever asks: both have to say the same. NULL: it can. */
static const char *find_obstacle(int fd)
{
        struct stat st = {};

        if (fd < 0 && errno == ELOOP)
                return "is a symbolic link: put the file itself there";
        if ((fd < 0 && errno == EACCES) ||
            (fd >= 0 && fstat(fd, &st) == 0 && !(st.st_mode & S_IROTH)))
                return "may not be read by everybody: chmod o+r";
        return fd < 0 || !S_ISREG(st.st_mode) ? "cannot be read" : NULL;
}

static int read_file(int folder_fd, const char *name, struct trust *trust,
                     struct bundle_report *report)
{
        bool is_crl = ends_with(name, ".crl");
        _cleanup_fd_ int fd =
                openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        const char *obstacle = find_obstacle(fd);
        _cleanup_file_ FILE *file = NULL;
        _cleanup_(cleanup_bio) BIO *text = NULL;

        if (obstacle) {
                (is_crl ? bundle_report_fail : bundle_report_warn)(
                        report, is_crl ? BUNDLE_CHECK_TRUST_REVOCATIONS : BUNDLE_CHECK_TRUST_ROOT,
                        NULL, name, "in the trust folder %s", obstacle);
                return 0;
        }
        file = fdopen(fd, "r");
        if (!file)
                return -ENOMEM;
        take_fd(&fd);
        text = BIO_new_fp(file, BIO_NOCLOSE);
        if (!text)
                return -ENOMEM;
        if (is_crl)
                return read_crls(trust, name, text, report);
        read_roots(trust, name, text, report);
        return 0;
}

int trust_read(int folder_fd, struct trust *ret, struct bundle_report *report)
{
        _cleanup_dir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd, r = 0, n_files = 0;

        bundle_report_asked(report, BUNDLE_CHECK_TRUST_ROOT, BUNDLE_CHECK_TRUST_REVOCATIONS);
        ret->roots = X509_STORE_new();
        if (!ret->roots)
                return -ENOMEM;
        if (folder_fd < 0)
                return 0;
        fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir) {
                bundle_report_fail(report, BUNDLE_CHECK_TRUST_REVOCATIONS, NULL, NULL,
                                   "the trust folder cannot be read: %s", strerror(errno));
                close_fd(fd);
                return 0;
        }
        while (r >= 0 && (entry = readdir(dir))) {
                if (entry->d_name[0] == '.' ||
                    (!ends_with(entry->d_name, ".pem") && !ends_with(entry->d_name, ".crl")))
                        continue;
                if (++n_files > TRUST_FILES_MAX) {
                        bundle_report_fail(report, BUNDLE_CHECK_TRUST_REVOCATIONS, NULL, NULL,
                                           "the trust folder has more than %d files",
                                           TRUST_FILES_MAX);
                        break;
                }
                r = read_file(folder_fd, entry->d_name, ret, report);
        }
        return r;
}

/* Is the list the issuer's? */
static bool is_from(const struct trust_crl *crl, X509 *issuer, struct bundle_report *report)
{
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl->crl), X509_get_subject_name(issuer)) != 0)
                return false;
        if (X509_CRL_verify(crl->crl, X509_get0_pubkey(issuer)) == 1)
                return true;
        ERR_clear_error();
        bundle_report_fail(report, BUNDLE_CHECK_TRUST_REVOCATIONS, NULL, crl->file,
                           "in the trust folder is not signed by the certificate that it names as "
                           "its issuer");
        return false;
}

const struct trust_crl *trust_find_revocation(const struct trust *trust, X509 *certificate,
                                              X509 *issuer, time_t now,
                                              struct bundle_report *report)
{
        const struct trust_crl *found = NULL;

        for (size_t i = 0; i < trust->n_crls; i++) {
                const struct trust_crl *crl = &trust->crls[i];
                const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl->crl);
                X509_REVOKED *entry;

                if (!is_from(crl, issuer, report))
                        continue;
                if (next && X509_cmp_time(next, &now) < 0)
                        bundle_report_warn(report, BUNDLE_CHECK_TRUST_REVOCATIONS, NULL, crl->file,
                                           "in the trust folder is out of date: what was revoked "
                                           "since is not known; get a newer one");
                if (X509_CRL_get0_by_cert(crl->crl, &entry, certificate) == 1)
                        found = crl;
        }
        return found;
}
