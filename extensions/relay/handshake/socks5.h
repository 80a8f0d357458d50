/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "relay/handshake/credentials.h"
#include "relay/handshake/exchange.h"
#include "relay/rule/address.h"

#define SOCKS5_REPLY_MAX   262 /* with a domain of 255 bytes */
#define SOCKS5_REQUEST_MAX 22
#define SOCKS5_LOGIN_MAX   (3 + 2 * CREDENTIALS_WORD_MAX)

/* Which answer is awaited. */
enum socks5_step {
        SOCKS5_METHOD,
        SOCKS5_LOGIN,
        SOCKS5_REPLY,
};

struct socks5 {
        enum socks5_step step;
        size_t n_answer, n_login, n_request;
        uint8_t answer[SOCKS5_REPLY_MAX]; /* what came of it */
        uint8_t login[SOCKS5_LOGIN_MAX];
        uint8_t request[SOCKS5_REQUEST_MAX];
};

/* Says hello. credentials: or NULL; not needed later. */
void socks5_begin(struct socks5 *socks5, struct exchange *exchange,
                  const struct address *destination, const struct credentials *credentials);
/* Bytes that came; the number of those that were the upstream's own. */
size_t socks5_take(struct socks5 *socks5, struct exchange *exchange, const uint8_t *bytes,
                   size_t size);
/* What is known to be missing of the awaited answer. */
size_t socks5_certain(const struct socks5 *socks5);
