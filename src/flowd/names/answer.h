/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What DNS messages say: the name that is asked for, and its addresses. */

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

/* The name that a query asks for, one that may be cut off behind it. 0, or -EBADMSG for what is no
 * query of one question. */
int question_parse(const uint8_t *bytes, size_t size, char name[static ANSWER_NAME_MAX]);
