/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files from outside, by OpenSSL's parsers: PEM, whose parts may come in any order, or PKCS#12.
 * What it says is checked here once, so that what is kept can be used: a key of a type that we
 * know, whole, and certificates of which one is the key's.
 */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdbool.h>
#include <string.h>

#include "keys/key.h"

#define CERTIFICATES_MAX 8

static const char *reason(void)
{
        return ERR_reason_error_string(ERR_peek_last_error()) ?: "no reason given";
}

/* --- PEM --------------------------------------------------------------------------------- */

struct asked {
        const char *passphrase;
        bool asked;
};

static int answer(char *buffer, int size, int is_to_write, void *userdata)
{
        struct asked *asked = userdata;
        size_t length = strlen(asked->passphrase);

        asked->asked = true;
        if (length == 0 || length > (size_t)size)
                return -1;
        memcpy(buffer, asked->passphrase, length);
        return (int)length;
}

static int add(struct key *key, X509 *certificate, struct refusal *why)
{
        int r = 0;

        if (sk_X509_num(key->certificates) >= CERTIFICATES_MAX)
                r = refuse(why, -E2BIG, "there are more than %d certificates in it",
                           CERTIFICATES_MAX);
        else if (key_add_certificate(key, certificate) < 0)
                r = refuse(why, -ENOMEM, "no memory");
        if (r < 0)
                X509_free(certificate);
        return r;
}

static int read_pem_key(BIO *bio, const char *passphrase, struct key *key, struct refusal *why)
{
        struct asked asked = { .passphrase = passphrase };

        key->pair = PEM_read_bio_PrivateKey(bio, NULL, answer, &asked);
        if (key->pair)
                return 0;
        if (asked.asked && !*passphrase)
                return refuse(why, -EKEYREJECTED,
                              "its private key is encrypted, and no passphrase "
                              "was given");
        if (asked.asked)
                return refuse(why, -EKEYREJECTED, "the passphrase is wrong");
        return refuse(why, -EBADMSG, "there is no private key in it that can be read (%s)",
                      reason());
}

static int read_pem(const void *file, size_t size, const char *passphrase, struct key *key,
                    struct refusal *why)
{
        _cleanup_bio_ BIO *keys = BIO_new_mem_buf(file, (int)size);
        _cleanup_bio_ BIO *others = BIO_new_mem_buf(file, (int)size);
        X509 *certificate;
        int r;

        if (!keys || !others)
                return refuse(why, -ENOMEM, "no memory");
        r = read_pem_key(keys, passphrase, key, why);
        ERR_clear_error();
        while (r >= 0 && (certificate = PEM_read_bio_X509(others, NULL, NULL, NULL)))
                r = add(key, certificate, why);
        if (r >= 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
                return refuse(why, -EBADMSG, "a certificate in it cannot be read (%s)", reason());
        return r;
}

/* --- PKCS#12 ----------------------------------------------------------------------------- */

static void cleanup_pkcs12(PKCS12 **pkcs12)
{
        PKCS12_free(*pkcs12);
}

static int take_chain(struct key *key, STACK_OF(X509) * chain, struct refusal *why)
{
        int r = 0;

        while (r >= 0 && sk_X509_num(chain) > 0)
                r = add(key, sk_X509_shift(chain), why);
        sk_X509_pop_free(chain, X509_free);
        return r;
}

static int open_pkcs12(PKCS12 *pkcs12, const char *passphrase, struct key *key, struct refusal *why)
{
        STACK_OF(X509) *chain = NULL;
        X509 *own = NULL;
        int r = 0;

        if (PKCS12_mac_present(pkcs12) != 1)
                return refuse(why, -EBADMSG,
                              "it has no MAC, so nobody can tell whether it was changed; export it "
                              "with one");
        if (PKCS12_parse(pkcs12, passphrase, &key->pair, &own, &chain) != 1) {
                if (ERR_GET_REASON(ERR_peek_last_error()) == PKCS12_R_MAC_VERIFY_FAILURE)
                        return refuse(why, -EKEYREJECTED,
                                      *passphrase ? "the passphrase is wrong"
                                                  : "it has a passphrase, and "
                                                    "none was given");
                return refuse(why, -EBADMSG, "it is PKCS#12, but what is in it cannot be read (%s)",
                              reason());
        }
        if (own)
                r = add(key, own, why);
        if (r < 0) {
                sk_X509_pop_free(chain, X509_free);
                return r;
        }
        r = take_chain(key, chain, why);
        if (r >= 0 && !key->pair)
                return refuse(why, -EBADMSG, "there is no private key in it");
        return r;
}

static int read_pkcs12(const void *file, size_t size, const char *passphrase, struct key *key,
                       struct refusal *why)
{
        const unsigned char *bytes = file;
        _cleanup_(cleanup_pkcs12) PKCS12 *pkcs12 = d2i_PKCS12(NULL, &bytes, (long)size);

        if (!pkcs12)
                return refuse(why, -EBADMSG, "it is neither PEM nor PKCS#12");
        return open_pkcs12(pkcs12, passphrase, key, why);
}

/* --- both -------------------------------------------------------------------------------- */

static bool is_pem(const void *file, size_t size)
{
        return memmem(file, size, "-----BEGIN ", strlen("-----BEGIN ")) != NULL;
}

static int check_pair(const struct key *key, struct refusal *why)
{
        EVP_PKEY_CTX *context;
        bool is_whole;

        if (key_get_type(key) == 0)
                return refuse(why, -EOPNOTSUPP,
                              "its key is %s of %d bits; kept are ed25519, p256, p384, and rsa of "
                              "2048 to 4096 bits",
                              EVP_PKEY_get0_type_name(key->pair) ?: "of an unknown type",
                              EVP_PKEY_get_bits(key->pair));
        context = EVP_PKEY_CTX_new_from_pkey(NULL, key->pair, NULL);
        is_whole = context && EVP_PKEY_check(context) == 1;
        EVP_PKEY_CTX_free(context);
        return is_whole
                       ? 0
                       : refuse(why, -EBADMSG, "its private and public key do not belong together");
}

/* The key's own comes first. */
static int sort_certificates(struct key *key, struct refusal *why)
{
        int n = sk_X509_num(key->certificates);

        for (int i = 0; i < n; i++) {
                X509 *certificate = sk_X509_value(key->certificates, i);

                if (X509_check_private_key(certificate, key->pair) != 1)
                        continue;
                (void)sk_X509_delete(key->certificates, i);
                (void)sk_X509_unshift(key->certificates, certificate);
                return 0;
        }
        return n <= 0 ? 0 : refuse(why, -EBADMSG, "its certificate is of another key");
}

int key_import(const void *file, size_t size, const char *passphrase, struct key *ret,
               struct refusal *why)
{
        _cleanup_key_ struct key key = {};
        int r;

        ERR_clear_error();
        r = is_pem(file, size) ? read_pem(file, size, passphrase, &key, why)
                               : read_pkcs12(file, size, passphrase, &key, why);
        if (r >= 0)
                r = check_pair(&key, why);
        if (r >= 0)
                r = sort_certificates(&key, why);
        if (r < 0)
                return r;
        *ret = key;
        key = (struct key){};
        return 0;
}
