/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whom this machine trusts: the certificates of a folder (*.pem), and the revocation lists
 * beside them (*.crl).
 */

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "bundle/report.h"

#define TRUST_FILES_MAX 256

struct trust_crl {
        char *file;
        X509_CRL *crl;
};

struct trust {
        X509_STORE *roots;
        size_t n_roots;
        struct trust_crl *crls;
        size_t n_crls;
};

/*
 * Reads the folder; -1 is one with nothing in it. A root that cannot be read is trusted by
 * nobody, which is a warning; a revocation list that cannot be read is a failure. 0 or -ENOMEM.
 * Free ret in any case.
 */
int trust_read(int folder_fd, struct trust *ret, struct bundle_report *report);
void trust_deinit(struct trust *trust);

/*
 * The list that revokes the certificate, or NULL. issuer: of the certificate. Lists that claim to
 * be the issuer's and are not, or are out of date, go to the report.
 */
const struct trust_crl *trust_find_revocation(const struct trust *trust, X509 *certificate,
                                              X509 *issuer, time_t now,
                                              struct bundle_report *report);
