/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/keys/import.c src/keys/key.c src/keys/locked.c src/base/log.c */
/* fuzz-flags: -lcrypto */

/* A file with an identity: what is taken is a key of a known type, which is kept and read again;
 * and what is refused has a reason. */

#include <stdlib.h>

#include "keys/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void keep(const struct key *key, struct refusal *why)
{
        _cleanup_locked_ struct locked pem = {};
        _cleanup_key_ struct key again = {};

        require(key_get_type(key) != 0);
        require(key_to_private(key, &pem, why) == 0);
        require(key_from_private(&pem, &again) == 0);
        require(EVP_PKEY_eq(key->pair, again.pair) == 1);
        require(sk_X509_num(key->certificates) == sk_X509_num(again.certificates));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_key_ struct key key = {};
        struct refusal why = {};

        if (size == 0)
                return 0;
        if (key_import(data, size, "secret", &key, &why) < 0)
                require(*why.text);
        else
                keep(&key, &why);
        return 0;
}
