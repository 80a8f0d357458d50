/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What OpenSSL needs to be told for a signature that signature.c accepts. Nothing here touches
 * a file, and keys leave only as the PEM that was asked for.
 */

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/cleanup.h"
#include "bundle/signing.h"

static void cleanup_bio(BIO **bio)
{
        BIO_free_all(*bio);
}

static void cleanup_cms(CMS_ContentInfo **cms)
{
        CMS_ContentInfo_free(*cms);
}

void signing_key_deinit(struct signing_key *key)
{
        EVP_PKEY_free(key->key);
        X509_free(key->certificate);
        sk_X509_pop_free(key->issuers, X509_free);
        *key = (struct signing_key){};
        ERR_clear_error();
}

/* --- making ---------------------------------------------------------------------------- */

static bool add_extension(X509 *certificate, int nid, const char *value)
{
        X509V3_CTX context;
        X509_EXTENSION *extension;
        bool added;

        X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
        extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
        added = extension && X509_add_ext(certificate, extension, -1) == 1;
        X509_EXTENSION_free(extension);
        return added;
}

static bool set_subject(X509 *certificate, const char *team, const char *name)
{
        X509_NAME *subject = X509_get_subject_name(certificate);

        return X509_NAME_add_entry_by_NID(subject, NID_organizationalUnitName, MBSTRING_UTF8,
                                          (const unsigned char *)team, -1, -1, 0) == 1 &&
               X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                          (const unsigned char *)name, -1, -1, 0) == 1 &&
               X509_set_issuer_name(certificate, subject) == 1;
}

static bool set_serial(X509 *certificate)
{
        BIGNUM *number = BN_new();
        bool set = number && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
                   BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));

        BN_free(number);
        return set;
}

/* The clocks of other machines may be behind. */
static bool set_validity(X509 *certificate)
{
        return X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
               X509_gmtime_adj(X509_getm_notAfter(certificate), 86400L * SIGNING_DAYS);
}

int signing_key_generate(const char *team, const char *name, struct signing_key *ret)
{
        ret->key = EVP_EC_gen("P-256");
        ret->certificate = X509_new();
        if (!ret->key || !ret->certificate)
                return -EIO;
        if (X509_set_version(ret->certificate, X509_VERSION_3) != 1 ||
            !set_serial(ret->certificate) || !set_validity(ret->certificate) ||
            !set_subject(ret->certificate, team, name) ||
            X509_set_pubkey(ret->certificate, ret->key) != 1 ||
            !add_extension(ret->certificate, NID_basic_constraints, "critical,CA:FALSE") ||
            !add_extension(ret->certificate, NID_key_usage, "critical,digitalSignature") ||
            !add_extension(ret->certificate, NID_ext_key_usage, "codeSigning") ||
            !add_extension(ret->certificate, NID_subject_key_identifier, "hash") ||
            X509_sign(ret->certificate, ret->key, EVP_sha256()) == 0)
                return -EIO;
        return 0;
}

/* What was written to memory. Caller owns. */
static int take_text(BIO *out, char **ret_text)
{
        char *text;
        long size = BIO_get_mem_data(out, &text);

        *ret_text = strndup(text, (size_t)size);
        return *ret_text ? 0 : -ENOMEM;
}

int signing_key_to_pem(const struct signing_key *key, const char *passphrase, char **ret_pem)
{
        _cleanup_(cleanup_bio) BIO *out = BIO_new(BIO_s_secmem());

        if (!out || PEM_write_bio_PKCS8PrivateKey(
                            out, key->key, passphrase ? EVP_aes_256_cbc() : NULL, passphrase,
                            passphrase ? (int)strlen(passphrase) : 0, NULL, NULL) != 1)
                return -EIO;
        return take_text(out, ret_pem);
}

int signing_certificate_to_pem(const struct signing_key *key, char **ret_pem)
{
        _cleanup_(cleanup_bio) BIO *out = BIO_new(BIO_s_mem());

        if (!out || PEM_write_bio_X509(out, key->certificate) != 1)
                return -EIO;
        return take_text(out, ret_pem);
}

/* --- reading --------------------------------------------------------------------------- */

struct asking {
        signing_passphrase_fn *fn;
        void *userdata;
        bool was_asked;
};

static int ask(char *buffer, int size, int for_writing, void *userdata)
{
        struct asking *asking = userdata;

        (void)for_writing;
        asking->was_asked = true;
        return asking->fn(buffer, size, asking->userdata);
}

int signing_read_key(const char *pem, size_t size, signing_passphrase_fn *fn, void *userdata,
                     struct signing_key *ret)
{
        struct asking asking = { fn, userdata, false };
        _cleanup_(cleanup_bio) BIO *in = BIO_new_mem_buf(pem, (int)size);

        if (!in)
                return -ENOMEM;
        ret->key = PEM_read_bio_PrivateKey(in, NULL, ask, &asking);
        ERR_clear_error();
        if (ret->key)
                return 0;
        return asking.was_asked ? -EKEYREJECTED : -EBADMSG;
}

int signing_read_certificates(const char *pem, size_t size, struct signing_key *ret)
{
        _cleanup_(cleanup_bio) BIO *in = BIO_new_mem_buf(pem, (int)size);
        X509 *certificate;

        ret->issuers = sk_X509_new_null();
        if (!in || !ret->issuers)
                return -ENOMEM;
        ret->certificate = PEM_read_bio_X509(in, NULL, NULL, NULL);
        while (ret->certificate && (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)))
                if (sk_X509_push(ret->issuers, certificate) <= 0) {
                        X509_free(certificate);
                        return -ENOMEM;
                }
        ERR_clear_error();
        return ret->certificate ? 0 : -EBADMSG;
}

bool signing_key_fits(const struct signing_key *key)
{
        bool fits = X509_check_private_key(key->certificate, key->key) == 1;

        ERR_clear_error();
        return fits;
}

/* --- signing --------------------------------------------------------------------------- */

int signing_sign(const struct signing_key *key, const void *content, size_t size,
                 unsigned char **ret_signature, size_t *ret_size)
{
        const unsigned int flags = CMS_BINARY | CMS_DETACHED | CMS_NOSMIMECAP;
        _cleanup_(cleanup_bio) BIO *in = BIO_new_mem_buf(content, (int)size);
        _cleanup_(cleanup_cms) CMS_ContentInfo *cms =
                CMS_sign(NULL, NULL, key->issuers, NULL, flags | CMS_PARTIAL);
        unsigned char *der = NULL;
        int length;

        if (!in || !cms || !CMS_add1_signer(cms, key->certificate, key->key, EVP_sha256(), flags) ||
            CMS_final(cms, in, NULL, flags) != 1)
                return -EIO;
        length = i2d_CMS_ContentInfo(cms, &der);
        if (length < 0)
                return -EIO;
        *ret_signature = der;
        *ret_size = (size_t)length;
        return 0;
}
