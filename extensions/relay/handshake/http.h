/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "relay/handshake/credentials.h"
#include "relay/handshake/exchange.h"
#include "relay/rule/address.h"

#define HTTP_STATUS_LINE_MAX 12    /* "HTTP/1.1 200": as much as matters */
#define HTTP_HEAD_MAX        16384 /* of all heads of one answer */

struct http {
        size_t n_head;   /* bytes of it so far */
        size_t n_line;   /* of the line they are in, a CR counts */
        bool has_status; /* this head's status line is over */
        bool has_credentials;
        bool ended_in_cr; /* the line, so far */
        unsigned int status;
        char status_line[HTTP_STATUS_LINE_MAX];
};

/* Sends the request. credentials: or NULL; not needed later. */
void http_begin(struct http *http, struct exchange *exchange, const struct address *destination,
                const struct credentials *credentials);
/* Bytes that came; the number of those that were the upstream's own. */
size_t http_take(struct http *http, struct exchange *exchange, const uint8_t *bytes, size_t size);
