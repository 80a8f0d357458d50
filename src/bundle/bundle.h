/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A bundle: a folder with a manifest, a program, whatever that needs, and a signature over all
 * of it. One function looks at it, for netextctl and for netextd's worker alike; it trusts
 * nothing that it reads.
 */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "bundle/manifest.h"
#include "bundle/report.h"

#define BUNDLE_FILES_MAX 4096                /* files and folders */
#define BUNDLE_SIZE_MAX  (512 * 1024 * 1024) /* bytes of all files */
#define BUNDLE_PATH_MAX  512                 /* bytes of a path */
#define BUNDLE_DEPTH_MAX 16                  /* folders in folders */

#define BUNDLE_DIGEST_SIZE 65 /* SHA-256 in hexadecimal digits, with NUL */

/* Who signed. Strings are owned, and NULL where there is no signature that could be read. */
struct bundle_signer {
        char *team;     /* OU of the certificate */
        char *name;     /* CN of the certificate */
        char *root;     /* CN of the root that vouches for it; NULL: none that is trusted here */
        char *identity; /* who that is, for good: "root:DIGEST" of the root's certificate, or
                         * "key:DIGEST" of the signer's key where no root vouches for it */
        char certificate[BUNDLE_DIGEST_SIZE]; /* SHA-256 of the signer's certificate */
        int64_t signed_at;                    /* seconds since 1970; 0: does not say */
        int64_t valid_until;                  /* of the certificate */
        bool is_trusted; /* all checks of signature.* passed; without: developer mode only */
};

struct bundle {
        struct manifest manifest;
        struct bundle_signer signer;
        char digest[BUNDLE_DIGEST_SIZE]; /* of signature/files: the same for the same content */
        uint64_t size;
        uint64_t n_files;
        struct bundle_report report;
};

struct bundle_options {
        bool unknown_signer;    /* developer mode: a signer whom no root vouches for is a warning */
        bool without_signature; /* lint: the signature is not looked at */
        time_t now;             /* 0: what the clock says */
};

/*
 * Looks at all of the folder. trust_fd: the folder with roots (*.pem) and revocation lists
 * (*.crl), or -1. 0: ret says what was found, good or bad (bundle_report_is_good()); a negative
 * errno where it could not look. Free ret in any case.
 */
int bundle_verify(int folder_fd, int trust_fd, const struct bundle_options *options,
                  struct bundle *ret);
void bundle_deinit(struct bundle *bundle);
