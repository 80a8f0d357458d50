/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SipHash-2-4 over whole words (Aumasson and Bernstein, 2012), for kernel and user space
 * alike: a keyed hash stands for a path in a rule, and nobody without the key can find a
 * second path with the same one.
 */

#include <linux/types.h>

#define SIPHASH_ROTATE(x, n) (((x) << (n)) | ((x) >> (64 - (n))))

struct siphash {
        __u64 v0, v1, v2, v3;
};

static inline __attribute__((always_inline)) void siphash_round(struct siphash *s)
{
        s->v0 += s->v1;
        s->v1 = SIPHASH_ROTATE(s->v1, 13) ^ s->v0;
        s->v0 = SIPHASH_ROTATE(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = SIPHASH_ROTATE(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = SIPHASH_ROTATE(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = SIPHASH_ROTATE(s->v1, 17) ^ s->v2;
        s->v2 = SIPHASH_ROTATE(s->v2, 32);
}

static inline __attribute__((always_inline)) void siphash_begin(struct siphash *s, __u64 key0,
                                                                __u64 key1)
{
        s->v0 = 0x736f6d6570736575ULL ^ key0;
        s->v1 = 0x646f72616e646f6dULL ^ key1;
        s->v2 = 0x6c7967656e657261ULL ^ key0;
        s->v3 = 0x7465646279746573ULL ^ key1;
}

static inline __attribute__((always_inline)) void siphash_word(struct siphash *s, __u64 word)
{
        s->v3 ^= word;
        siphash_round(s);
        siphash_round(s);
        s->v0 ^= word;
}

/* size: of the message in bytes; its last word was padded with zeros. */
static inline __attribute__((always_inline)) __u64 siphash_end(struct siphash *s, __u64 size)
{
        siphash_word(s, size << 56);
        s->v2 ^= 0xff;
        siphash_round(s);
        siphash_round(s);
        siphash_round(s);
        siphash_round(s);
        return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}
