/* SPDX-License-Identifier: Apache-2.0 */

/* How keys are made, written down and read again. */

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

#include "keys/key.h"

#define RSA_BITS     3072
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096
#define NS_PER_S     1000000000ULL
#define DAY_S        86400

void key_deinit(struct key *key)
{
        EVP_PKEY_free(key->pair);
        sk_X509_pop_free(key->certificates, X509_free);
        *key = (struct key){};
        ERR_clear_error();
}

static enum nx_key_type type_of_curve(const EVP_PKEY *pair)
{
        char group[32] = "";

        (void)EVP_PKEY_get_group_name(pair, group, sizeof(group), NULL);
        if (strcmp(group, "prime256v1") == 0)
                return NX_KEY_TYPE_P256;
        return strcmp(group, "secp384r1") == 0 ? NX_KEY_TYPE_P384 : 0;
}

enum nx_key_type key_get_type(const struct key *key)
{
        int bits;

        switch (EVP_PKEY_get_base_id(key->pair)) {
        case EVP_PKEY_ED25519:
                return NX_KEY_TYPE_ED25519;
        case EVP_PKEY_EC:
                return type_of_curve(key->pair);
        case EVP_PKEY_RSA:
                bits = EVP_PKEY_get_bits(key->pair);
                return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? NX_KEY_TYPE_RSA : 0;
        default:
                return 0;
        }
}

int key_generate(enum nx_key_type type, struct key *ret, struct refusal *why)
{
        switch (type) {
        case NX_KEY_TYPE_ED25519:
                ret->pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
                break;
        case NX_KEY_TYPE_P256:
                ret->pair = EVP_EC_gen("P-256");
                break;
        case NX_KEY_TYPE_P384:
                ret->pair = EVP_EC_gen("P-384");
                break;
        case NX_KEY_TYPE_RSA:
                ret->pair = EVP_RSA_gen(RSA_BITS);
                break;
        default:
                return refuse(why, -EINVAL, "there is no such type of key");
        }
        return ret->pair ? 0 : refuse(why, -ENOMEM, "the key could not be made");
}

int key_add_certificate(struct key *key, X509 *certificate)
{
        if (!key->certificates)
                key->certificates = sk_X509_new_null();
        if (!key->certificates || !sk_X509_push(key->certificates, certificate))
                return -ENOMEM;
        return 0;
}

int key_from_private(const struct locked *pem, struct key *ret)
{
        _cleanup_key_ struct key key = {};
        _cleanup_bio_ BIO *bio = BIO_new_mem_buf(pem->bytes, (int)pem->size);
        X509 *certificate;

        if (bio)
                key.pair = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        if (!key.pair)
                return -EBADMSG;
        while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
                if (key_add_certificate(&key, certificate) < 0) {
                        X509_free(certificate);
                        return -ENOMEM;
                }
        *ret = key;
        key = (struct key){};
        return 0;
}

static bool write_certificates(BIO *bio, const struct key *key)
{
        for (int i = 0; i < sk_X509_num(key->certificates); i++)
                if (!PEM_write_bio_X509(bio, sk_X509_value(key->certificates, i)))
                        return false;
        return true;
}

int key_to_private(const struct key *key, struct locked *ret, struct refusal *why)
{
        _cleanup_bio_ BIO *bio = BIO_new(BIO_s_secmem());
        char *text;
        long size;
        int r;

        if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, key->pair, NULL, NULL, 0, NULL, NULL) ||
            !write_certificates(bio, key))
                return refuse(why, -ENOMEM, "the key could not be written");
        size = BIO_get_mem_data(bio, &text);
        r = locked_new(ret, (size_t)size);
        if (r < 0)
                return refuse(why, r, "no memory");
        memcpy(ret->bytes, text, ret->size);
        return 0;
}

int key_to_public(const struct key *key, void **ret_pem, size_t *ret_size, struct refusal *why)
{
        _cleanup_bio_ BIO *bio = BIO_new(BIO_s_mem());
        char *text;
        long size;

        if (!bio || !PEM_write_bio_PUBKEY(bio, key->pair) || !write_certificates(bio, key))
                return refuse(why, -ENOMEM, "the public key could not be written");
        size = BIO_get_mem_data(bio, &text);
        *ret_pem = malloc((size_t)size);
        if (!*ret_pem)
                return refuse(why, -ENOMEM, "no memory");
        memcpy(*ret_pem, text, (size_t)size);
        *ret_size = (size_t)size;
        return 0;
}

static uint64_t time_to_ns(const ASN1_TIME *time)
{
        ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
        int days = 0, seconds = 0;

        if (epoch)
                (void)ASN1_TIME_diff(&days, &seconds, epoch, time);
        ASN1_TIME_free(epoch);
        return days < 0 || seconds < 0 ? 0
                                       : ((uint64_t)days * DAY_S + (uint64_t)seconds) * NS_PER_S;
}

bool key_get_certificate(const struct key *key, char *subject, size_t subject_size,
                         uint64_t *ret_expires_ns)
{
        _cleanup_bio_ BIO *bio = BIO_new(BIO_s_mem());
        const X509 *certificate;
        char *text;
        long size;

        if (!bio || sk_X509_num(key->certificates) <= 0)
                return false;
        certificate = sk_X509_value(key->certificates, 0);
        X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
        size = BIO_get_mem_data(bio, &text);
        snprintf(subject, subject_size, "%.*s", (int)size, size > 0 ? text : "");
        *ret_expires_ns = time_to_ns(X509_get0_notAfter(certificate));
        return true;
}
