/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Signatures by the clock, and byte by byte. Keys, certificates and signatures are made with
 * OpenSSL here, of the kinds that people use.
 */

#include <errno.h>
#include <fcntl.h>
#include <openssl/cms.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "bundle/files.h"
#include "bundle/signature.h"
#include "bundle/signing.h"

#define DAY 86400L

/* Who signs, and who vouches for that. */
struct party {
        struct signing_key signer;
        X509 *root;
        EVP_PKEY *root_key;
};

static const char content[] = "netext-files 1\n";

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
        X509V3_CTX context;
        X509_EXTENSION *extension;

        X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
        extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
        assert_non_null(extension);
        assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
        X509_EXTENSION_free(extension);
}

/* As somebody reads it who got it in a file. */
static X509 *reread(X509 *certificate)
{
        unsigned char *der = NULL;
        int size = i2d_X509(certificate, &der);
        const unsigned char *at = der;
        X509 *again = d2i_X509(NULL, &at, size);

        assert_non_null(again);
        OPENSSL_free(der);
        X509_free(certificate);
        return again;
}

/* Valid from..until, in seconds from now. issuer: NULL for itself. */
static X509 *make_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key,
                              bool is_authority, long from, long until)
{
        X509 *certificate = X509_new();
        X509_NAME *subject = X509_get_subject_name(certificate);

        assert_int_equal(X509_set_version(certificate, X509_VERSION_3), 1);
        assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(certificate), is_authority ? 1 : 7),
                         1);
        assert_non_null(X509_gmtime_adj(X509_getm_notBefore(certificate), from));
        assert_non_null(X509_gmtime_adj(X509_getm_notAfter(certificate), until));
        X509_NAME_add_entry_by_txt(subject, "OU", MBSTRING_UTF8, (const unsigned char *)"EXAMPLE",
                                   -1, -1, 0);
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                   -1, 0);
        X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject);
        X509_set_pubkey(certificate, key);
        add_extension(certificate, issuer ?: certificate, NID_basic_constraints,
                      is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
        assert_true(X509_sign(certificate, issuer_key ?: key, EVP_sha256()) > 0);
        return reread(certificate);
}

static void party_init(struct party *party, EVP_PKEY *key, bool has_issuer, long from, long until)
{
        *party = (struct party){ .signer.key = key };
        party->root_key = has_issuer ? EVP_EC_gen("P-256") : NULL;
        party->root = has_issuer ? make_certificate(party->root_key, "root", NULL, NULL, true,
                                                    -100 * DAY, 100 * DAY)
                                 : NULL;
        party->signer.certificate =
                make_certificate(key, "signer", party->root, party->root_key, false, from, until);
        party->signer.issuers = sk_X509_new_null();
        if (has_issuer) {
                X509_up_ref(party->root);
                sk_X509_push(party->signer.issuers, party->root);
        } else {
                X509_up_ref(party->signer.certificate);
                party->root = party->signer.certificate;
        }
}

static void party_deinit(struct party *party)
{
        X509_free(party->root);
        EVP_PKEY_free(party->root_key);
        signing_key_deinit(&party->signer);
}

/* Verifies the bytes at a time, in seconds from now. */
static void verify(const struct party *party, const unsigned char *bytes, size_t size, long later,
                   bool developer, struct bundle *ret)
{
        const struct signature signature = { bytes, size, content, sizeof(content) - 1 };
        const struct bundle_options options = { .now = time(NULL) + later,
                                                .unknown_signer = developer };
        struct trust trust = { .roots = X509_STORE_new(), .n_roots = 1 };

        if (!developer)
                X509_STORE_add_cert(trust.roots, party->root);
        assert_int_equal(signature_verify(&signature, &trust, &options, &ret->signer, &ret->report),
                         0);
        trust_deinit(&trust);
}

static void sign(const struct party *party, unsigned char **ret_bytes, size_t *ret_size)
{
        assert_int_equal(
                signing_sign(&party->signer, content, sizeof(content) - 1, ret_bytes, ret_size), 0);
}

/* The check that failed at that time, or "". */
static const char *failure_of(const struct party *party, long later)
{
        _cleanup_(bundle_deinit) struct bundle bundle = {};
        const struct bundle_finding *failure;
        unsigned char *bytes;
        size_t size;

        sign(party, &bytes, &size);
        verify(party, bytes, size, later, false, &bundle);
        OPENSSL_free(bytes);
        failure = bundle_report_failure(&bundle.report);
        assert_int_equal(bundle.signer.is_trusted, !failure);
        return failure ? bundle_check_name(failure->check) : "";
}

static void test_a_certificate_has_to_be_valid_when_it_signs(void **state)
{
        static const struct {
                long from, until; /* of the certificate */
                long later;       /* when somebody looks */
                const char *failure;
        } cases[] = {
                { -DAY, DAY, 0, "" },
                { -DAY, DAY, 2 * DAY, "" }, /* it has run out since */
                { -DAY, DAY, 5000 * DAY, "" },
                { -2 * DAY, -DAY, 0, "signature.expired" },
                { DAY, 2 * DAY, 0, "signature.expired" },
                { -DAY, DAY, -DAY / 2, "" }, /* a clock that is a little behind */
                { -9 * DAY, DAY, -3 * DAY, "signature.time" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                for (int has_issuer = 0; has_issuer <= 1; has_issuer++) {
                        struct party party;

                        party_init(&party, EVP_EC_gen("P-256"), has_issuer, cases[i].from,
                                   cases[i].until);
                        assert_string_equal(failure_of(&party, cases[i].later), cases[i].failure);
                        party_deinit(&party);
                }
}

static void test_identity_is_the_root_or_else_the_key(void **state)
{
        _cleanup_(bundle_deinit) struct bundle rooted = {}, stranger = {};
        struct party party;
        unsigned char *bytes;
        size_t size;

        party_init(&party, EVP_EC_gen("P-256"), true, -DAY, DAY);
        sign(&party, &bytes, &size);
        verify(&party, bytes, size, 0, false, &rooted);
        verify(&party, bytes, size, 0, true, &stranger);
        assert_memory_equal(rooted.signer.identity, "root:", 5);
        assert_string_equal(rooted.signer.root, "root");
        assert_memory_equal(stranger.signer.identity, "key:", 4);
        assert_null(stranger.signer.root);
        assert_false(stranger.signer.is_trusted);
        assert_string_equal(rooted.signer.team, "EXAMPLE");
        assert_string_equal(rooted.signer.certificate, stranger.signer.certificate);
        OPENSSL_free(bytes);
        party_deinit(&party);
}

/* Flips a low bit of each byte, and the one that tells upper from lower case; counts what nobody
 * noticed, and says where that is. */
static size_t count_unnoticed(const struct party *party, bool developer)
{
        unsigned char *bytes;
        size_t size, n = 0;

        sign(party, &bytes, &size);
        for (size_t i = 0; i < size; i++)
                for (unsigned int bit = 0; bit < 8; bit += 5) {
                        _cleanup_(bundle_deinit) struct bundle bundle = {};

                        bytes[i] ^= (unsigned char)(1U << bit);
                        verify(party, bytes, size, 0, developer, &bundle);
                        if (bundle.report.n_failed == 0) {
                                print_message("byte %zu of %zu, bit %u\n", i, size, bit);
                                n++;
                        }
                        bytes[i] ^= (unsigned char)(1U << bit);
                }
        OPENSSL_free(bytes);
        return n;
}

static void test_every_byte_of_a_signature_counts(void **state)
{
        for (int has_issuer = 0; has_issuer <= 1; has_issuer++) {
                struct party party;

                party_init(&party, has_issuer ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), has_issuer,
                           -DAY, DAY);
                assert_string_equal(failure_of(&party, 0), "");
                assert_int_equal(count_unnoticed(&party, false), 0);
                party_deinit(&party);
        }
}

/* A certificate that is named like a trusted signer's, with a key of our own, beside the true one;
 * looked at as any machine does, and in developer mode. */
static void test_a_namesake_cannot_sign(void **state)
{
        for (int developer = 0; developer < 2; developer++) {
                _cleanup_(bundle_deinit) struct bundle bundle = {};
                struct party party;
                struct signing_key impostor = { .issuers = sk_X509_new_null() };
                EVP_PKEY *false_root = EVP_EC_gen("P-256");
                unsigned char *bytes;
                size_t size;

                party_init(&party, EVP_EC_gen("P-256"), true, -DAY, DAY);
                impostor.key = EVP_EC_gen("P-256");
                impostor.certificate = make_certificate(impostor.key, "signer", party.root,
                                                        false_root, false, -DAY, DAY);
                X509_up_ref(party.signer.certificate);
                sk_X509_push(impostor.issuers, party.signer.certificate);
                assert_int_equal(
                        signing_sign(&impostor, content, sizeof(content) - 1, &bytes, &size), 0);
                verify(&party, bytes, size, 0, developer == 1, &bundle);
                assert_int_equal(bundle.report.n_failed, 1);
                assert_string_equal(bundle_check_name(bundle_report_failure(&bundle.report)->check),
                                    "signature.signer");
                OPENSSL_free(bytes);
                EVP_PKEY_free(false_root);
                signing_key_deinit(&impostor);
                party_deinit(&party);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_certificate_has_to_be_valid_when_it_signs),
                cmocka_unit_test(test_identity_is_the_root_or_else_the_key),
                cmocka_unit_test(test_a_namesake_cannot_sign),
                cmocka_unit_test(test_every_byte_of_a_signature_counts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
