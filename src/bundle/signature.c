/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OpenSSL says whether the signature fits and whether a chain leads to a root; which of them it
 * was that failed, and with which certificate, is taken apart here, a check each.
 */

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/cleanup.h"
#include "bundle/files.h"
#include "bundle/signature.h"
#include "bundle/text.h"

#define CLOCK_SKEW_S (24 * 3600) /* a signature from a machine whose clock is ahead */
#define CHAIN_MAX    8

/* What the checks look at. */
struct inquiry {
        const struct signature *signature;
        const struct trust *trust;
        const struct bundle_options *options;
        struct bundle_signer *signer;
        struct bundle_report *report;
        CMS_ContentInfo *cms;
        STACK_OF(X509) * certificates; /* that came along */
        X509 *certificate;             /* the signer's, of those */
        STACK_OF(X509) * chain;        /* from it to a root; NULL: there is none */
        time_t now;
};

#define fail(inquiry, check, ...)                                                                  \
        bundle_report_fail((inquiry)->report, BUNDLE_CHECK_##check, FILES_SIGNATURE, NULL,         \
                           __VA_ARGS__)

static void asked(struct inquiry *inquiry, enum bundle_check check)
{
        bundle_report_asked(inquiry->report, check, check);
}

static void inquiry_deinit(struct inquiry *inquiry)
{
        CMS_ContentInfo_free(inquiry->cms);
        sk_X509_pop_free(inquiry->certificates, X509_free);
        sk_X509_pop_free(inquiry->chain, X509_free);
        ERR_clear_error();
}

static void cleanup_bio(BIO **bio)
{
        BIO_free(*bio);
}

/* "2026-11-25". buffer: 16 bytes. */
static const char *day_of(time_t time, char *buffer)
{
        struct tm tm;

        if (!gmtime_r(&time, &tm) || strftime(buffer, 16, "%Y-%m-%d", &tm) == 0)
                return "?";
        return buffer;
}

static bool to_time(const ASN1_TIME *time, time_t *ret)
{
        struct tm tm;

        if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
                return false;
        *ret = timegm(&tm);
        return true;
}

/* --- what nothing signs ---------------------------------------------------------------- */

/* A walk over DER that OpenSSL has read and written again already. */
struct der {
        const unsigned char *at;
        const unsigned char *end;
};

/* Into the object at the walk's place. False where there is none. */
static bool der_enter(struct der *der)
{
        long size;
        int tag, class;

        if (der->at >= der->end ||
            ASN1_get_object(&der->at, &size, &tag, &class, der->end - der->at) & 0x80)
                return false;
        der->end = der->at + size;
        return true;
}

/* Behind the object at the walk's place, which is *ret with its header. */
static bool der_next(struct der *der, struct der *ret)
{
        struct der inner = *der;

        if (!der_enter(&inner))
                return false;
        *ret = (struct der){ der->at, inner.end };
        der->at = inner.end;
        return true;
}

static bool der_is_version(struct der der, unsigned char version)
{
        return der_enter(&der) && der.end - der.at == 1 && *der.at == version;
}

static bool der_is_same(struct der one, struct der other)
{
        return one.end - one.at == other.end - other.at &&
               memcmp(one.at, other.at, (size_t)(one.end - one.at)) == 0;
}

/*
 * SignedData and SignerInfo each have a version that follows from their content, and SignedData
 * repeats the signer's digest. OpenSSL does not look at them, and they are not signed: without
 * this they would be the only bytes of a bundle that could be changed and nobody would tell.
 */
static bool has_one_form(const struct inquiry *inquiry, unsigned char version)
{
        const unsigned char *bytes = inquiry->signature->bytes;
        struct der data = { bytes, bytes + inquiry->signature->size };
        struct der type, number, digests, content, certificates, signers, id, digest;

        if (!der_enter(&data) || !der_next(&data, &type) || !der_enter(&data) ||
            !der_enter(&data) || !der_next(&data, &number) || !der_next(&data, &digests) ||
            !der_next(&data, &content) || !der_next(&data, &certificates) ||
            !der_next(&data, &signers) || data.at != data.end)
                return false;
        if (!der_is_version(number, version) || !der_enter(&digests))
                return false;
        return der_enter(&signers) && der_enter(&signers) && der_next(&signers, &number) &&
               der_is_version(number, version) && der_next(&signers, &id) &&
               der_next(&signers, &digest) && der_is_same(digest, digests);
}

/* --- form ------------------------------------------------------------------------------ */

static bool check_form(struct inquiry *inquiry)
{
        const struct signature *signature = inquiry->signature;
        const unsigned char *at = signature->bytes;
        _cleanup_free_ unsigned char *again = NULL;
        int size;

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_FORM);
        inquiry->cms = d2i_CMS_ContentInfo(NULL, &at, (long)signature->size);
        if (!inquiry->cms || OBJ_obj2nid(CMS_get0_type(inquiry->cms)) != NID_pkcs7_signed)
                fail(inquiry, SIGNATURE_FORM, "is no CMS SignedData (DER): sign the bundle again");
        else if (CMS_is_detached(inquiry->cms) != 1)
                fail(inquiry, SIGNATURE_FORM, "is not detached: it has a content of its own");
        else if (size = i2d_CMS_ContentInfo(inquiry->cms, &again),
                 size < 0 || (size_t)size != signature->size ||
                         memcmp(again, signature->bytes, signature->size) != 0)
                fail(inquiry, SIGNATURE_FORM,
                     "is not encoded in the one way that DER has, or has more behind it");
        else
                return true;
        return false;
}

static CMS_SignerInfo *signer_info(const struct inquiry *inquiry)
{
        return sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(inquiry->cms), 0);
}

static bool check_signer(struct inquiry *inquiry)
{
        int n_signers = sk_CMS_SignerInfo_num(CMS_get0_SignerInfos(inquiry->cms));
        int n_certificates = 0;

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_SIGNER);
        if (n_signers != 1) {
                fail(inquiry, SIGNATURE_SIGNER, "has %d signers: expected one",
                     n_signers < 0 ? 0 : n_signers);
                return false;
        }
        inquiry->certificates = CMS_get1_certs(inquiry->cms);
        for (int i = 0; i < sk_X509_num(inquiry->certificates); i++) {
                X509 *certificate = sk_X509_value(inquiry->certificates, i);

                if (CMS_SignerInfo_cert_cmp(signer_info(inquiry), certificate) != 0)
                        continue;
                inquiry->certificate = certificate;
                n_certificates++;
        }
        /* Of two that are named alike, one could sign and the other be trusted. */
        if (n_certificates != 1)
                fail(inquiry, SIGNATURE_SIGNER,
                     "has %d certificates in it that are named as the signer's: expected one; sign "
                     "the bundle again",
                     n_certificates);
        return n_certificates == 1;
}

/* OpenSSL finds the signer's certificate by names that need not have the same bytes: upper and
 * lower case, for one, are the same to it. */
static bool is_named_exactly(X509_NAME *issuer, const X509 *certificate)
{
        const unsigned char *one, *other;
        size_t one_size, other_size;

        return X509_NAME_get0_der(issuer, &one, &one_size) == 1 &&
               X509_NAME_get0_der(X509_get_issuer_name(certificate), &other, &other_size) == 1 &&
               one_size == other_size && memcmp(one, other, one_size) == 0;
}

/* Of a signature with one signer. */
static bool check_rest(struct inquiry *inquiry)
{
        ASN1_OCTET_STRING *key_id = NULL;
        X509_NAME *issuer = NULL;

        CMS_SignerInfo_get0_signer_id(signer_info(inquiry), &key_id, &issuer, NULL);
        if (has_one_form(inquiry, key_id ? 3 : 1) &&
            (!issuer || is_named_exactly(issuer, inquiry->certificate)) &&
            OBJ_obj2nid(CMS_get0_eContentType(inquiry->cms)) == NID_pkcs7_data &&
            CMS_unsigned_get_attr_count(signer_info(inquiry)) <= 0)
                return true;
        fail(inquiry, SIGNATURE_FORM,
             "has something in it that is not signed, or versions and digests that do not fit");
        return false;
}

/* The signature's algorithm has to name the digest and the kind of key that it is made with. */
static bool is_algorithm_of(const X509_ALGOR *algorithm, int digest, const EVP_PKEY *key)
{
        const ASN1_OBJECT *object = NULL;
        int nid, its_digest, its_key, type;

        X509_ALGOR_get0(&object, &type, NULL, algorithm);
        nid = OBJ_obj2nid(object);
        if (nid == NID_rsaEncryption)
                return EVP_PKEY_is_a(key, "RSA") && type == V_ASN1_NULL;
        if (nid == NID_rsassaPss)
                return EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS");
        return OBJ_find_sigid_algs(nid, &its_digest, &its_key) == 1 && its_digest == digest &&
               its_key == EVP_PKEY_get_base_id(key);
}

static bool check_algorithm(struct inquiry *inquiry)
{
        EVP_PKEY *key = X509_get0_pubkey(inquiry->certificate);
        X509_ALGOR *algorithm = NULL, *signing = NULL;
        const ASN1_OBJECT *digest = NULL;
        int nid;

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_ALGORITHM);
        CMS_SignerInfo_get0_algs(signer_info(inquiry), NULL, NULL, &algorithm, &signing);
        X509_ALGOR_get0(&digest, NULL, NULL, algorithm);
        nid = OBJ_obj2nid(digest);
        if (nid != NID_sha256 && nid != NID_sha384 && nid != NID_sha512)
                fail(inquiry, SIGNATURE_ALGORITHM, "uses the digest %s: expected SHA-256 or better",
                     OBJ_nid2sn(nid));
        else if (!key || EVP_PKEY_get_security_bits(key) < SIGNATURE_BITS_MIN)
                fail(inquiry, SIGNATURE_ALGORITHM,
                     "is made with a key of %d bits that is too weak: expected P-256, or RSA with "
                     "2048 bits or more",
                     key ? EVP_PKEY_get_bits(key) : 0);
        else if (!is_algorithm_of(signing, nid, key))
                fail(inquiry, SIGNATURE_ALGORITHM,
                     "names an algorithm that is not that of its key and digest");
        else
                return true;
        return false;
}

/* Whether it is by the key of the certificate that the other checks are about. */
static bool is_signed_by(struct inquiry *inquiry)
{
        STACK_OF(X509) *signers = CMS_get0_signers(inquiry->cms);
        bool is_same = sk_X509_num(signers) == 1 &&
                       X509_cmp(sk_X509_value(signers, 0), inquiry->certificate) == 0;

        sk_X509_free(signers);
        return is_same;
}

static bool check_content(struct inquiry *inquiry)
{
        const struct signature *signature = inquiry->signature;
        _cleanup_(cleanup_bio) BIO *content =
                BIO_new_mem_buf(signature->content, (int)signature->content_size);

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_CONTENT);
        if (content &&
            CMS_verify(inquiry->cms, NULL, NULL, content, NULL,
                       CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) == 1 &&
            is_signed_by(inquiry))
                return true;
        bundle_report_fail(inquiry->report, BUNDLE_CHECK_SIGNATURE_CONTENT, FILES_LIST, NULL,
                           "is not what " FILES_SIGNATURE
                           " signs: one of them was changed after it was signed");
        return false;
}

/* --- the certificate ------------------------------------------------------------------- */

static bool check_time(struct inquiry *inquiry)
{
        int at = CMS_signed_get_attr_by_NID(signer_info(inquiry), NID_pkcs9_signingTime, -1);
        X509_ATTRIBUTE *attribute = at < 0 ? NULL : CMS_signed_get_attr(signer_info(inquiry), at);
        ASN1_TYPE *value = attribute ? X509_ATTRIBUTE_get0_type(attribute, 0) : NULL;
        time_t signed_at;

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_TIME);
        if (!value || (value->type != V_ASN1_UTCTIME && value->type != V_ASN1_GENERALIZEDTIME) ||
            !to_time((const ASN1_TIME *)value->value.asn1_string, &signed_at)) {
                fail(inquiry, SIGNATURE_TIME,
                     "does not say when it was made (the attribute signingTime)");
                return false;
        }
        inquiry->signer->signed_at = signed_at;
        if (signed_at > inquiry->now + CLOCK_SKEW_S) {
                char day[16];

                fail(inquiry, SIGNATURE_TIME,
                     "says that it was made on %s, which is to come: look at this machine's clock",
                     day_of(signed_at, day));
                return false;
        }
        return true;
}

static void check_purpose(struct inquiry *inquiry)
{
        X509 *certificate = inquiry->certificate;
        uint32_t flags = X509_get_extension_flags(certificate);

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_PURPOSE);
        if (flags & EXFLAG_XKUSAGE &&
            !(X509_get_extended_key_usage(certificate) & (XKU_CODE_SIGN | XKU_ANYEKU)))
                fail(inquiry, SIGNATURE_PURPOSE,
                     "is made with a certificate for something else: its extended key usage lacks "
                     "codeSigning");
        else if (flags & EXFLAG_KUSAGE && !(X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE))
                fail(inquiry, SIGNATURE_PURPOSE,
                     "is made with a certificate whose key usage lacks digitalSignature");
}

/* The only entry of that kind in the subject. Caller owns; NULL: none, or *ret_n of them. */
static char *subject_entry(X509 *certificate, int nid, int *ret_n)
{
        X509_NAME *subject = X509_get_subject_name(certificate);
        unsigned char *utf8 = NULL;
        char *text = NULL;
        int at = -1, found = -1, length;

        for (*ret_n = 0; (at = X509_NAME_get_index_by_NID(subject, nid, at)) >= 0; (*ret_n)++)
                found = at;
        if (*ret_n != 1)
                return NULL;
        length = ASN1_STRING_to_UTF8(&utf8,
                                     X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, found)));
        if (length >= 0 && strlen((char *)utf8) == (size_t)length &&
            text_is_printable((char *)utf8))
                text = strdup((char *)utf8);
        OPENSSL_free(utf8);
        return text;
}

static void check_team(struct inquiry *inquiry)
{
        int n_units;

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_TEAM);
        inquiry->signer->team =
                subject_entry(inquiry->certificate, NID_organizationalUnitName, &n_units);
        if (n_units != 1)
                fail(inquiry, SIGNATURE_TEAM,
                     "is made with a certificate that has %d OUs in its subject: expected one, the "
                     "team",
                     n_units);
        else if (!inquiry->signer->team || !manifest_is_team(inquiry->signer->team))
                fail(inquiry, SIGNATURE_TEAM,
                     "is made with a certificate whose OU '%s' is no team: expected letters, "
                     "digits and dashes, at most %d",
                     inquiry->signer->team ?: "", MANIFEST_TEAM_MAX);
}

/* The certificate has to be valid when it signed; later it may run out. */
static bool check_expired(struct inquiry *inquiry)
{
        time_t from, until, signed_at = inquiry->signer->signed_at;
        char day[16], signed_day[16];

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_EXPIRED);
        if (!to_time(X509_get0_notBefore(inquiry->certificate), &from) ||
            !to_time(X509_get0_notAfter(inquiry->certificate), &until)) {
                fail(inquiry, SIGNATURE_EXPIRED, "has a certificate whose validity cannot be read");
                return false;
        }
        inquiry->signer->valid_until = until;
        day_of(signed_at, signed_day);
        if (signed_at < from)
                fail(inquiry, SIGNATURE_EXPIRED,
                     "was made on %s, with a certificate that is valid from %s on: look at the "
                     "clock of the machine that signed",
                     signed_day, day_of(from, day));
        else if (signed_at > until)
                fail(inquiry, SIGNATURE_EXPIRED,
                     "was made on %s, with a certificate that ended on %s: sign with a valid one",
                     signed_day, day_of(until, day));
        else
                return true;
        return false;
}

/* --- the chain ------------------------------------------------------------------------- */

static int set_digest_of(X509 *certificate, char *ret_digest)
{
        unsigned char *der = NULL;
        int size = i2d_X509(certificate, &der);
        int r = size < 0 ? -ENOMEM : digest_bytes(der, (size_t)size, ret_digest);

        OPENSSL_free(der);
        return r;
}

static int set_digest_of_key(X509 *certificate, char *ret_digest)
{
        unsigned char *der = NULL;
        int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
        int r = size < 0 ? -ENOMEM : digest_bytes(der, (size_t)size, ret_digest);

        OPENSSL_free(der);
        return r;
}

static void complain_unknown(struct inquiry *inquiry)
{
        const char *name = inquiry->signer->name ?: "somebody without a name";

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_CHAIN);
        if (inquiry->options->unknown_signer)
                bundle_report_warn(inquiry->report, BUNDLE_CHECK_SIGNATURE_CHAIN, FILES_SIGNATURE,
                                   NULL,
                                   "is by %s, for whom no root of this machine vouches: that is "
                                   "let pass in developer mode",
                                   name);
        else
                fail(inquiry, SIGNATURE_CHAIN,
                     "is by %s, for whom no root of this machine vouches (there %s %zu): put the "
                     "certificate of the signer, or of who issued it, into the trust folder, or "
                     "use developer mode",
                     name, inquiry->trust->n_roots == 1 ? "is" : "are", inquiry->trust->n_roots);
}

static void complain_chain(struct inquiry *inquiry, int error)
{
        switch (error) {
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_CERT_UNTRUSTED:
                complain_unknown(inquiry);
                return;
        case X509_V_ERR_CERT_NOT_YET_VALID:
        case X509_V_ERR_CERT_HAS_EXPIRED:
                fail(inquiry, SIGNATURE_EXPIRED,
                     "has a certificate of an issuer that was not valid when it was signed");
                return;
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
        case X509_V_ERR_CA_MD_TOO_WEAK:
                fail(inquiry, SIGNATURE_ALGORITHM, "has a certificate that is too weak: %s",
                     X509_verify_cert_error_string(error));
                return;
        default:
                asked(inquiry, BUNDLE_CHECK_SIGNATURE_CHAIN);
                fail(inquiry, SIGNATURE_CHAIN, "has a certificate that cannot be trusted: %s",
                     X509_verify_cert_error_string(error));
        }
}

static void cleanup_context(X509_STORE_CTX **context)
{
        X509_STORE_CTX_free(*context);
}

static int find_chain(struct inquiry *inquiry)
{
        _cleanup_(cleanup_context) X509_STORE_CTX *context = X509_STORE_CTX_new();
        X509_VERIFY_PARAM *param;

        if (!context || X509_STORE_CTX_init(context, inquiry->trust->roots, inquiry->certificate,
                                            inquiry->certificates) != 1)
                return -ENOMEM;
        param = X509_STORE_CTX_get0_param(context);
        X509_VERIFY_PARAM_set_time(param, (time_t)inquiry->signer->signed_at);
        X509_VERIFY_PARAM_set_flags(param,
                                    X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_CHECK_SS_SIGNATURE);
        X509_VERIFY_PARAM_set_auth_level(param, 2); /* SIGNATURE_BITS_MIN, for all of them */
        X509_VERIFY_PARAM_set_depth(param, CHAIN_MAX);
        if (X509_verify_cert(context) != 1) {
                complain_chain(inquiry, X509_STORE_CTX_get_error(context));
                return 0;
        }
        inquiry->chain = X509_STORE_CTX_get1_chain(context);
        if (!inquiry->chain)
                return -ENOMEM;
        asked(inquiry, BUNDLE_CHECK_SIGNATURE_CHAIN);
        return 0;
}

/* Every certificate that came along has its place in the chain: nothing is carried unread. */
static void check_company(struct inquiry *inquiry)
{
        for (int i = 0; i < sk_X509_num(inquiry->certificates); i++) {
                X509 *certificate = sk_X509_value(inquiry->certificates, i);
                bool is_used = false;

                for (int k = 0; k < sk_X509_num(inquiry->chain); k++)
                        is_used |= X509_cmp(certificate, sk_X509_value(inquiry->chain, k)) == 0;
                if (!is_used)
                        fail(inquiry, SIGNATURE_CHAIN,
                             "has a certificate in it that does not lead to the root: sign with "
                             "those only that do");
        }
}

static void check_revoked(struct inquiry *inquiry)
{
        int n = sk_X509_num(inquiry->chain);

        asked(inquiry, BUNDLE_CHECK_SIGNATURE_REVOKED);
        for (int i = 0; i < n; i++) {
                X509 *certificate = sk_X509_value(inquiry->chain, i);
                X509 *issuer = sk_X509_value(inquiry->chain, i + 1 < n ? i + 1 : i);
                const struct trust_crl *crl = trust_find_revocation(
                        inquiry->trust, certificate, issuer, inquiry->now, inquiry->report);
                int n_names;
                _cleanup_free_ char *name = subject_entry(certificate, NID_commonName, &n_names);

                if (crl)
                        fail(inquiry, SIGNATURE_REVOKED,
                             "leads through the certificate '%s', which was revoked (%s)",
                             name ?: "without a name", crl->file);
        }
}

static int set_identity(struct inquiry *inquiry)
{
        struct bundle_signer *signer = inquiry->signer;
        X509 *root = inquiry->chain ? sk_X509_value(inquiry->chain, sk_X509_num(inquiry->chain) - 1)
                                    : NULL;
        char digest[BUNDLE_DIGEST_SIZE];
        int n_names, r = root ? set_digest_of(root, digest)
                              : set_digest_of_key(inquiry->certificate, digest);

        if (r >= 0)
                r = set_digest_of(inquiry->certificate, signer->certificate);
        if (r < 0)
                return -ENOMEM;
        if (asprintf(&signer->identity, "%s:%s", root ? "root" : "key", digest) < 0) {
                signer->identity = NULL;
                return -ENOMEM;
        }
        if (root)
                signer->root = subject_entry(root, NID_commonName, &n_names);
        return 0;
}

static int check_certificate(struct inquiry *inquiry)
{
        int n_names, r;

        inquiry->signer->name = subject_entry(inquiry->certificate, NID_commonName, &n_names);
        check_team(inquiry);
        check_purpose(inquiry);
        if (check_time(inquiry) && check_expired(inquiry)) {
                r = find_chain(inquiry);
                if (r < 0)
                        return r;
        }
        if (inquiry->chain) {
                check_company(inquiry);
                check_revoked(inquiry);
        }
        return set_identity(inquiry);
}

int signature_verify(const struct signature *signature, const struct trust *trust,
                     const struct bundle_options *options, struct bundle_signer *ret,
                     struct bundle_report *report)
{
        _cleanup_(inquiry_deinit) struct inquiry inquiry = {
                .signature = signature,
                .trust = trust,
                .options = options,
                .signer = ret,
                .report = report,
                .now = options->now ?: time(NULL),
        };
        size_t n_failed = report->n_failed;
        int r;

        if (!check_form(&inquiry) || !check_signer(&inquiry) || !check_rest(&inquiry) ||
            !check_algorithm(&inquiry) || !check_content(&inquiry))
                return 0;
        r = check_certificate(&inquiry);
        ret->is_trusted = r >= 0 && inquiry.chain && report->n_failed == n_failed;
        return r;
}
