/* SPDX-License-Identifier: Apache-2.0 */

/* What is done with private keys. */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <string.h>

#include "keys/key.h"

/* The first of a type is its default. */
static const struct scheme {
        enum nx_signature_scheme number;
        enum nx_key_type type;
        const char *digest; /* NULL: the key's own way */
        int padding;        /* of RSA */
} schemes[] = {
        { NX_SIGNATURE_ED25519, NX_KEY_TYPE_ED25519 },
        { NX_SIGNATURE_ECDSA_SECP256R1_SHA256, NX_KEY_TYPE_P256, "SHA256" },
        { NX_SIGNATURE_ECDSA_SECP384R1_SHA384, NX_KEY_TYPE_P384, "SHA384" },
        { NX_SIGNATURE_RSA_PSS_RSAE_SHA256, NX_KEY_TYPE_RSA, "SHA256", RSA_PKCS1_PSS_PADDING },
        { NX_SIGNATURE_RSA_PSS_RSAE_SHA384, NX_KEY_TYPE_RSA, "SHA384", RSA_PKCS1_PSS_PADDING },
        { NX_SIGNATURE_RSA_PSS_RSAE_SHA512, NX_KEY_TYPE_RSA, "SHA512", RSA_PKCS1_PSS_PADDING },
        { NX_SIGNATURE_RSA_PKCS1_SHA256, NX_KEY_TYPE_RSA, "SHA256", RSA_PKCS1_PADDING },
        { NX_SIGNATURE_RSA_PKCS1_SHA384, NX_KEY_TYPE_RSA, "SHA384", RSA_PKCS1_PADDING },
        { NX_SIGNATURE_RSA_PKCS1_SHA512, NX_KEY_TYPE_RSA, "SHA512", RSA_PKCS1_PADDING },
};

static const struct scheme *find_scheme(enum nx_key_type type, unsigned int number)
{
        for (size_t i = 0; i < ARRAY_SIZE(schemes); i++)
                if (schemes[i].type == type && (number == 0 || schemes[i].number == number))
                        return &schemes[i];
        return NULL;
}

static void cleanup_digest(EVP_MD_CTX **context)
{
        EVP_MD_CTX_free(*context);
}

static void cleanup_context(EVP_PKEY_CTX **context)
{
        EVP_PKEY_CTX_free(*context);
}

/* As TLS has it: the salt is as long as the digest. */
static bool begin(EVP_MD_CTX *digest, const struct scheme *scheme, EVP_PKEY *pair)
{
        EVP_PKEY_CTX *context; /* the digest's */

        if (EVP_DigestSignInit_ex(digest, &context, scheme->digest, NULL, NULL, pair, NULL) != 1)
                return false;
        if (scheme->padding && EVP_PKEY_CTX_set_rsa_padding(context, scheme->padding) != 1)
                return false;
        return scheme->padding != RSA_PKCS1_PSS_PADDING ||
               EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

int key_sign(const struct key *key, unsigned int number, const void *data, size_t size,
             void **ret_signature, size_t *ret_size, struct refusal *why)
{
        const struct scheme *scheme = find_scheme(key_get_type(key), number);
        _cleanup_(cleanup_digest) EVP_MD_CTX *digest = EVP_MD_CTX_new();
        _cleanup_free_ void *signature = NULL;
        size_t signature_size = 0;

        if (!scheme)
                return refuse(why, -EINVAL, "the key cannot sign as scheme 0x%04x says", number);
        if (!digest || !begin(digest, scheme, key->pair) ||
            EVP_DigestSign(digest, NULL, &signature_size, data, size) != 1)
                return refuse(why, -ENOMEM, "the signature could not be made");
        signature = malloc(signature_size);
        if (!signature || EVP_DigestSign(digest, signature, &signature_size, data, size) != 1)
                return refuse(why, -ENOMEM, "the signature could not be made");
        *ret_signature = take_ptr(signature);
        *ret_size = signature_size;
        return 0;
}

int key_decrypt(const struct key *key, const void *data, size_t size, struct locked *ret,
                struct refusal *why)
{
        _cleanup_(cleanup_context) EVP_PKEY_CTX *context =
                EVP_PKEY_CTX_new_from_pkey(NULL, key->pair, NULL);
        _cleanup_locked_ struct locked plain = {};
        size_t room = (size_t)EVP_PKEY_get_size(key->pair);

        if (key_get_type(key) != NX_KEY_TYPE_RSA)
                return refuse(why, -EINVAL, "only an RSA key decrypts, and this is none");
        if (!context || locked_new(&plain, room) < 0)
                return refuse(why, -ENOMEM, "no memory");
        if (EVP_PKEY_decrypt_init(context) != 1 ||
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) != 1 ||
            EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) != 1 ||
            EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) != 1 ||
            EVP_PKEY_decrypt(context, plain.bytes, &room, data, size) != 1)
                return refuse(why, -EBADMSG,
                              "it was not encrypted for this key with OAEP and "
                              "SHA-256");
        if (room == 0)
                return refuse(why, -EBADMSG, "there is nothing in it");
        if (locked_new(ret, room) < 0)
                return refuse(why, -ENOMEM, "no memory");
        memcpy(ret->bytes, plain.bytes, room);
        return 0;
}
