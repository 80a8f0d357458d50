/* SPDX-License-Identifier: Apache-2.0 */

/*
 * SOCKS5, RFC 1928, with the user and password of RFC 1929. Every answer tells its own length,
 * so each is gathered to its last byte and not one further:
 *
 *      hello: 5 n methods          ->  5 method
 *      1 user password             ->  1 status       (where the method is 2)
 *      5 1 0 type address port     ->  5 reply 0 type address port
 *
 * The destination is sent as the address that the program connected to: its name is a
 * hint, and resolving it once more could lead elsewhere.
 */

#include <string.h>

#include "relay/handshake/socks5.h"

#define VERSION       5
#define LOGIN_VERSION 1

enum method {
        METHOD_NONE = 0,
        METHOD_PASSWORD = 2,
        METHOD_NONE_ACCEPTABLE = 0xff,
};

enum address_type {
        TYPE_IPV4 = 1,
        TYPE_DOMAIN = 3,
        TYPE_IPV6 = 4,
};

static const enum cause causes_of_replies[] = {
        [0] = CAUSE_NONE,
        [1] = CAUSE_DESTINATION_FAILED,
        [2] = CAUSE_FORBIDDEN,
        [3] = CAUSE_DESTINATION_NETWORK,
        [4] = CAUSE_DESTINATION_HOST,
        [5] = CAUSE_DESTINATION_REFUSED,
        [6] = CAUSE_DESTINATION_SILENT, /* TTL expired */
        [7] = CAUSE_NOT_SUPPORTED,
        [8] = CAUSE_FAMILY_NOT_SUPPORTED,
};

static void write_login(struct socks5 *socks5, const struct credentials *credentials)
{
        size_t n_user = strlen(credentials->user), n_password = strlen(credentials->password);
        uint8_t *at = socks5->login;

        *at++ = LOGIN_VERSION;
        *at++ = (uint8_t)n_user;
        at = mempcpy(at, credentials->user, n_user);
        *at++ = (uint8_t)n_password;
        at = mempcpy(at, credentials->password, n_password);
        socks5->n_login = (size_t)(at - socks5->login);
}

static void write_request(struct socks5 *socks5, const struct address *destination)
{
        uint8_t *at = mempcpy(socks5->request, (uint8_t[]){ VERSION, 1, 0 }, 3);

        if (address_is_ipv4(destination)) {
                *at++ = TYPE_IPV4;
                at = mempcpy(at, address_ipv4(destination), 4);
        } else {
                *at++ = TYPE_IPV6;
                at = mempcpy(at, &destination->host, 16);
        }
        *at++ = (uint8_t)(destination->port >> 8);
        *at++ = (uint8_t)destination->port;
        socks5->n_request = (size_t)(at - socks5->request);
}

void socks5_begin(struct socks5 *socks5, struct exchange *exchange,
                  const struct address *destination, const struct credentials *credentials)
{
        static const uint8_t hello[] = { VERSION, 1, METHOD_NONE };
        static const uint8_t hello_with_login[] = { VERSION, 2, METHOD_NONE, METHOD_PASSWORD };

        *socks5 = (struct socks5){};
        *exchange = (struct exchange){};
        write_request(socks5, destination);
        if (credentials) {
                write_login(socks5, credentials);
                exchange_say(exchange, hello_with_login, sizeof(hello_with_login));
        } else {
                exchange_say(exchange, hello, sizeof(hello));
        }
}

/* How long the awaited answer is, as far as is known by now. */
static size_t answer_size(const struct socks5 *socks5)
{
        if (socks5->step != SOCKS5_REPLY)
                return 2;
        if (socks5->n_answer < 5)
                return 5;
        switch (socks5->answer[3]) {
        case TYPE_IPV4:
                return 4 + 4 + 2;
        case TYPE_IPV6:
                return 4 + 16 + 2;
        default:
                return 4 + 1 + (size_t)socks5->answer[4] + 2;
        }
}

size_t socks5_certain(const struct socks5 *socks5)
{
        return answer_size(socks5) - socks5->n_answer;
}

static void say_request(struct socks5 *socks5, struct exchange *exchange)
{
        socks5->step = SOCKS5_REPLY;
        exchange_say(exchange, socks5->request, socks5->n_request);
}

static void handle_method(struct socks5 *socks5, struct exchange *exchange)
{
        switch (socks5->answer[1]) {
        case METHOD_NONE:
                say_request(socks5, exchange);
                return;
        case METHOD_PASSWORD:
                if (socks5->n_login == 0)
                        break;
                socks5->step = SOCKS5_LOGIN;
                exchange_say(exchange, socks5->login, socks5->n_login);
                return;
        case METHOD_NONE_ACCEPTABLE:
                exchange_fail(exchange,
                              socks5->n_login > 0 ? CAUSE_NO_METHOD : CAUSE_CREDENTIALS_WANTED);
                return;
        }
        exchange_fail(exchange, CAUSE_MALFORMED); /* a method that was not offered */
}

static void handle_login(struct socks5 *socks5, struct exchange *exchange)
{
        if (socks5->answer[1] == 0)
                say_request(socks5, exchange);
        else
                exchange_fail(exchange, CAUSE_CREDENTIALS_REFUSED);
}

static void handle_answer(struct socks5 *socks5, struct exchange *exchange)
{
        socks5->n_answer = 0;
        switch (socks5->step) {
        case SOCKS5_METHOD:
                handle_method(socks5, exchange);
                return;
        case SOCKS5_LOGIN:
                handle_login(socks5, exchange);
                return;
        case SOCKS5_REPLY:
                exchange->state = EXCHANGE_DONE; /* a failure was seen at its second byte */
                return;
        }
}

static enum cause cause_of_reply(uint8_t reply)
{
        return reply < sizeof(causes_of_replies) / sizeof(causes_of_replies[0])
                       ? causes_of_replies[reply]
                       : CAUSE_DESTINATION_FAILED;
}

/* What can be seen of a faulty answer is seen at once: some upstreams send no more of it. */
static enum cause check_byte(const struct socks5 *socks5, size_t at, uint8_t byte)
{
        uint8_t version = socks5->step == SOCKS5_LOGIN ? LOGIN_VERSION : VERSION;

        if (at == 0)
                return byte == version ? CAUSE_NONE : CAUSE_MALFORMED;
        if (socks5->step != SOCKS5_REPLY)
                return CAUSE_NONE;
        if (at == 1)
                return cause_of_reply(byte);
        if (at == 3 && byte != TYPE_IPV4 && byte != TYPE_DOMAIN && byte != TYPE_IPV6)
                return CAUSE_MALFORMED;
        return CAUSE_NONE;
}

size_t socks5_take(struct socks5 *socks5, struct exchange *exchange, const uint8_t *bytes,
                   size_t size)
{
        size_t n = 0;

        while (n < size && exchange->state == EXCHANGE_GOES_ON) {
                enum cause cause = check_byte(socks5, socks5->n_answer, bytes[n]);

                socks5->answer[socks5->n_answer++] = bytes[n++];
                if (cause != CAUSE_NONE)
                        exchange_fail(exchange, cause);
                else if (socks5->n_answer == answer_size(socks5))
                        handle_answer(socks5, exchange);
        }
        return n;
}
