/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The name that a TLS client asks for in its first message (server_name, RFC 6066), found
 * without a TLS library. The bytes are anybody's: what is not plainly a ClientHello is none.
 */

#include <stddef.h>
#include <stdint.h>

#define CLIENT_HELLO_NAME_MAX    256   /* with its NUL */
#define CLIENT_HELLO_SIZE_MAX    16384 /* of a message */
#define CLIENT_HELLO_RECORD_SIZE 5     /* of a record's header, which is where to begin */

/* Outcomes: the hello has no name; it is not all there. */
#define CLIENT_HELLO_E_NONE 1
#define CLIENT_HELLO_E_MORE 2

/*
 * bytes are the first of a stream. 0: ret_name is the name, in lower case. CLIENT_HELLO_E_MORE:
 * *ret_needed is how many of the stream's first bytes to come back with, at least. -EBADMSG: no
 * ClientHello, or one that breaks its rules. -EMSGSIZE: larger than any should be.
 */
int client_hello_parse(const uint8_t *bytes, size_t size,
                       char ret_name[static CLIENT_HELLO_NAME_MAX], size_t *ret_needed);
