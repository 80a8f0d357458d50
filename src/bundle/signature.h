/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * signature/files.p7s: CMS SignedData (RFC 5652), DER, detached, over the digest list, with the
 * signer's certificate and what leads from it to a root.
 *
 * When is a certificate too old? It has to be valid at the time that the signature says it was
 * made. What was signed in time stays good when the certificate runs out, or every extension
 * would stop on one day. That time is the signer's word: a key that was stolen is revoked, and
 * what is revoked is refused whenever it was signed.
 */

#include "bundle/bundle.h"
#include "bundle/trust.h"

#define SIGNATURE_SIZE_MAX (256 * 1024)
#define SIGNATURE_BITS_MIN 112 /* of security: RSA from 2048 bits, every curve in use */

struct signature {
        const void *bytes;
        size_t size;
        const void *content; /* what it is over */
        size_t content_size;
};

/* Says in the report what is wrong, and in *ret who signed, so far as that can be said. 0, or
 * -ENOMEM. */
int signature_verify(const struct signature *signature, const struct trust *trust,
                     const struct bundle_options *options, struct bundle_signer *ret,
                     struct bundle_report *report);
