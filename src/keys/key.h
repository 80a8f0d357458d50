/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A private key and the certificates that came with it, its own first. */

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include <netext/key.h>

#include "keys/locked.h"
#include "keys/refusal.h"

struct key {
        EVP_PKEY *pair;
        STACK_OF(X509) * certificates; /* NULL: none */
};

void key_deinit(struct key *key);
#define _cleanup_key_ _cleanup_(key_deinit)

/* 0: it is of none that is kept here. */
enum nx_key_type key_get_type(const struct key *key);

/* Each 0, or negative errno with a refusal. */

int key_generate(enum nx_key_type type, struct key *ret, struct refusal *why);
/* Of a file that somebody gives us, PEM or PKCS#12. passphrase: "" for none. */
int key_import(const void *file, size_t size, const char *passphrase, struct key *ret,
               struct refusal *why);
int key_to_private(const struct key *key, struct locked *ret, struct refusal *why);
/* The public key and the certificates, as PEM. Caller owns. */
int key_to_public(const struct key *key, void **ret_pem, size_t *ret_size, struct refusal *why);

/* scheme: enum nx_signature_scheme. Caller owns. */
int key_sign(const struct key *key, unsigned int scheme, const void *data, size_t size,
             void **ret_signature, size_t *ret_size, struct refusal *why);
int key_decrypt(const struct key *key, const void *data, size_t size, struct locked *ret,
                struct refusal *why);

/* Of what key_to_private() wrote. 0, -EBADMSG or -ENOMEM. */
int key_from_private(const struct locked *pem, struct key *ret);

/* Of its own certificate. False: it has none. */
bool key_get_certificate(const struct key *key, char *subject, size_t subject_size,
                         uint64_t *ret_expires_ns);

/* For import.c: one more certificate, in its turn. 0 or -ENOMEM. */
int key_add_certificate(struct key *key, X509 *certificate);

static inline void cleanup_bio(BIO **bio)
{
        BIO_free_all(*bio);
}
#define _cleanup_bio_ _cleanup_(cleanup_bio)
