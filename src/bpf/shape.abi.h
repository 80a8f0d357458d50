/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * In which bucket is a rule? Rules that name the same fields, to the same number of address
 * bits, have a shape in common and are found by a hash of those fields. flowd files the rules
 * (steer/rules.c) and the hooks look for them (judge.bpf.h), both with the functions here.
 *
 * The hash needs no key: who can choose rules can also write ten thousand that match nothing.
 */

#include "bpf/steer.abi.h"

static inline __attribute__((always_inline)) __u64 shape_mix(__u64 hash, __u64 word)
{
        hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL; /* 2^64 / golden ratio (Knuth, 6.4) */
        return hash ^ hash >> 32;
}

/* What a rule of the shape and a question that it could match have alike. */
struct shape_fields {
        struct steer_address remote;
        __u64 program;
        __u64 digest;
        __u32 uid;
        __u32 domain;
        __u16 port;
        __u16 local_port;
};

/* All bits of a word that the shape's rules name, none of another. */
#define SHAPE_MASK(shape, field) (0 - (__u64) !!((shape)->fields & (field)))

/* Without branches, whose ways the kernel's verifier would walk one by one. */
static inline __attribute__((always_inline)) __u32 shape_bucket(const struct steer_shape *shape,
                                                                const struct shape_fields *fields)
{
        __u64 hash = 0;

        hash = shape_mix(hash, fields->remote.high & shape->mask.high);
        hash = shape_mix(hash, fields->remote.low & shape->mask.low);
        hash = shape_mix(hash, fields->program & SHAPE_MASK(shape, STEER_SHAPE_PROGRAM));
        hash = shape_mix(hash, fields->digest & SHAPE_MASK(shape, STEER_SHAPE_DIGEST));
        hash = shape_mix(hash, fields->uid & SHAPE_MASK(shape, STEER_SHAPE_UID));
        hash = shape_mix(hash, fields->port & SHAPE_MASK(shape, STEER_SHAPE_PORT));
        hash = shape_mix(hash, fields->local_port & SHAPE_MASK(shape, STEER_SHAPE_LOCAL_PORT));
        hash = shape_mix(hash, fields->domain & SHAPE_MASK(shape, STEER_SHAPE_DOMAIN));
        return (__u32)hash & (shape->n_buckets - 1);
}
