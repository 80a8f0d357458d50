/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/key.h
 *
 * Secrets and keys of an extension, by name. An administrator deposits a secret or an identity
 * (a private key with its certificates) for it, see netext/manager.h; or the extension puts what an
 * app told it at an endpoint, or has a key made. They are kept by a process of their own,
 * netext-keys, also over restarts and upgrades and with nobody logged in, and go with the extension
 * when it is deactivated. A private key never leaves that process: the extension says what is to be
 * signed.
 *
 * An extension has no names but its own, and only one that is installed has any.
 *
 * @code
 * static void handle_signature(int result, const char *problem, const void *value, size_t size,
 *                              void *userdata)
 * {
 *         const struct nx_message answer = { .bytes = value, .size = size };
 *
 *         if (result < 0)
 *                 nx_question_refuse((struct nx_question *)userdata, result, problem);
 *         else
 *                 nx_question_answer((struct nx_question *)userdata, &answer);
 * }
 *
 * static int sign_for_app(struct nx_provider *provider, const struct nx_message *challenge,
 *                         struct nx_question *question)
 * {
 *         return nx_key_sign(provider, "vpn", NX_SIGNATURE_DEFAULT, challenge->bytes,
 *                            challenge->size, handle_signature, question);
 * }
 * @endcode
 */

#include <netext/endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** See nx_provider_new() and nx_extension.handle_begin. */
struct nx_provider;

#define NX_SECRET_SIZE_MAX   (64 * 1024) /**< of one secret, and of a file with an identity */
#define NX_KEY_DATA_SIZE_MAX (32 * 1024) /**< to be signed or decrypted in one call */
#define NX_KEY_CALLS_MAX     32          /**< that wait for their answers */

enum nx_key_type {
        NX_KEY_TYPE_ED25519 = 1,
        NX_KEY_TYPE_P256 = 2,
        NX_KEY_TYPE_P384 = 3,
        NX_KEY_TYPE_RSA = 4, /**< 2048 to 4096 bits; 3072 where it is made here */
};

/** How to sign, by the numbers of TLS (RFC 8446, SignatureScheme). */
enum nx_signature_scheme {
        NX_SIGNATURE_DEFAULT = 0, /**< the first of the following that the key can */
        NX_SIGNATURE_ED25519 = 0x0807,
        NX_SIGNATURE_ECDSA_SECP256R1_SHA256 = 0x0403, /**< DER, as in TLS */
        NX_SIGNATURE_ECDSA_SECP384R1_SHA384 = 0x0503,
        NX_SIGNATURE_RSA_PSS_RSAE_SHA256 = 0x0804,
        NX_SIGNATURE_RSA_PSS_RSAE_SHA384 = 0x0805,
        NX_SIGNATURE_RSA_PSS_RSAE_SHA512 = 0x0806,
        NX_SIGNATURE_RSA_PKCS1_SHA256 = 0x0401,
        NX_SIGNATURE_RSA_PKCS1_SHA384 = 0x0501,
        NX_SIGNATURE_RSA_PKCS1_SHA512 = 0x0601,
};

/**
 * How a call ends, once. result 0: value is what was asked for, borrowed until this returns, and
 * then wiped. Else a negative errno, and problem is the sentence: -ENOENT the extension has nothing
 * of that name, -EEXIST it has, -ENOSPC it has as many as it may, -EINVAL the key cannot do that,
 * -EPERM the extension is not installed, -ECONNRESET netextd or netext-keys ended meanwhile (ask
 * again), -ETIMEDOUT.
 */
typedef void nx_key_fn(int result, const char *problem, const void *value, size_t size,
                       void *userdata);

/**
 * @name Calls
 *
 * Each returns 0, and fn is called once, later, by nx_provider_dispatch() or nx_main(); or a
 * negative errno, and it is not: -EINVAL for a name that is none, -EMSGSIZE for too much data,
 * -EBUSY where NX_KEY_CALLS_MAX wait, -ENOTCONN while netextd is away. name: 1 to 40 lower-case
 * letters, digits and dashes; secrets and keys have names of their own. Thread: that of the
 * provider.
 * @{ */

/** value: the secret that was put there last. */
int nx_secret_read(struct nx_provider *provider, const char *name, nx_key_fn *fn, void *userdata);
/** Puts one, e.g. what an app said at an endpoint, also in place of another; for good when fn is
 *  called. size: 1 to NX_SECRET_SIZE_MAX. value: nothing. */
int nx_secret_put(struct nx_provider *provider, const char *name, const void *secret, size_t size,
                  nx_key_fn *fn, void *userdata);
/** value: nothing. */
int nx_secret_remove(struct nx_provider *provider, const char *name, nx_key_fn *fn, void *userdata);
/** Makes a key. value: as of nx_key_get_public(). */
int nx_key_generate(struct nx_provider *provider, const char *name, enum nx_key_type type,
                    nx_key_fn *fn, void *userdata);
/** value: the public key, and behind it the certificates that came with the private one, its own
 *  first; PEM, not ended by a NUL. */
int nx_key_get_public(struct nx_provider *provider, const char *name, nx_key_fn *fn,
                      void *userdata);
/** value: the signature over data, which is hashed as the scheme says. */
int nx_key_sign(struct nx_provider *provider, const char *name, enum nx_signature_scheme scheme,
                const void *data, size_t size, nx_key_fn *fn, void *userdata);
/** For RSA keys. value: what data is with OAEP and SHA-256 taken off. */
int nx_key_decrypt(struct nx_provider *provider, const char *name, const void *data, size_t size,
                   nx_key_fn *fn, void *userdata);
/** value: nothing. */
int nx_key_remove(struct nx_provider *provider, const char *name, nx_key_fn *fn, void *userdata);
/** @} */

#ifdef __cplusplus
}
#endif
