/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Making keys and signatures. Private keys are PEM files (PKCS #8), with a passphrase or
 * without; certificates are PEM files, the signer's first, then what leads to its root.
 */

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#define SIGNING_DAYS 3650 /* that a self-made certificate is valid */

struct signing_key {
        EVP_PKEY *key;
        X509 *certificate;
        STACK_OF(X509) * issuers;
};

void signing_key_deinit(struct signing_key *key);

/* A P-256 key and a certificate that it signs itself: OU is the team, CN the name. 0, or -EIO. */
int signing_key_generate(const char *team, const char *name, struct signing_key *ret);
/* As PEM, to write into a file. passphrase: NULL for none. 0 or -EIO; caller owns. */
int signing_key_to_pem(const struct signing_key *key, const char *passphrase, char **ret_pem);
int signing_certificate_to_pem(const struct signing_key *key, char **ret_pem);

/* Called where the key has a passphrase. How long it is in buffer, or -1. */
typedef int signing_passphrase_fn(char *buffer, int size, void *userdata);

/* 0; -EBADMSG: no key is there that could be read; -EKEYREJECTED: not with that passphrase. */
int signing_read_key(const char *pem, size_t size, signing_passphrase_fn *fn, void *userdata,
                     struct signing_key *ret);
/* 0, or -EBADMSG: no certificate is there. */
int signing_read_certificates(const char *pem, size_t size, struct signing_key *ret);
bool signing_key_fits(const struct signing_key *key);

/* Signs the content: what signature/files.p7s has. 0 or -EIO; caller owns. */
int signing_sign(const struct signing_key *key, const void *content, size_t size,
                 unsigned char **ret_signature, size_t *ret_size);
