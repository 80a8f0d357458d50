/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a DNS answer says: addresses of the name that was asked for. */

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_NAME_MAX 256 /* lower case, without the last dot, with its NUL (RFC 1035) */

typedef void answer_fn(const char *name, const struct in6_addr *address, uint32_t ttl_s,
                       void *userdata);

/*
 * Calls fn for each A and AAAA record of a successful answer to one question, under the
 * name in the question: that is what the program asked for, whatever aliases lie between.
 * 0, or -EBADMSG for what is no such message.
 */
int answer_parse(const uint8_t *bytes, size_t size, answer_fn *fn, void *userdata);
