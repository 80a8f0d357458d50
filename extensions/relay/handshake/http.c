/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The method CONNECT of HTTP/1.1, RFC 9110 9.3.6, with the scheme Basic of RFC 7617. Of the
 * answer only its status counts; header fields are passed over, since an answer of 2xx to
 * CONNECT has no content, whatever they say. The tunnel begins behind the blank line.
 * Heads of 1xx come before the one that counts.
 */

#include <stdio.h>
#include <string.h>

#include "relay/handshake/http.h"

#define BASIC_SIZE ((2 * CREDENTIALS_WORD_MAX + 1 + 2) / 3 * 4 + 1)

/* RFC 4648. */
static void write_base64(char text[BASIC_SIZE], const char *bytes, size_t size)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789+/";

        for (size_t i = 0; i < size; i += 3) {
                uint32_t group = 0;

                for (size_t j = 0; j < 3; j++)
                        group = group << 8 | (i + j < size ? (uint8_t)bytes[i + j] : 0);
                *text++ = digits[group >> 18];
                *text++ = digits[group >> 12 & 63];
                *text++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
                *text++ = i + 2 < size ? digits[group & 63] : '=';
        }
        *text = '\0';
}

static void say_text(struct exchange *exchange, const char *text)
{
        exchange_say(exchange, text, strlen(text));
}

static void say_credentials(struct exchange *exchange, const struct credentials *credentials)
{
        char pair[2 * CREDENTIALS_WORD_MAX + 2], basic[BASIC_SIZE];
        int length;

        length = snprintf(pair, sizeof(pair), "%s:%s", credentials->user, credentials->password);
        write_base64(basic, pair, (size_t)length);
        say_text(exchange, "Proxy-Authorization: Basic ");
        say_text(exchange, basic);
        say_text(exchange, "\r\n");
        explicit_bzero(pair, sizeof(pair));
        explicit_bzero(basic, sizeof(basic));
}

void http_begin(struct http *http, struct exchange *exchange, const struct address *destination,
                const struct credentials *credentials)
{
        char text[ADDRESS_TEXT_SIZE];

        *http = (struct http){ .has_credentials = credentials };
        *exchange = (struct exchange){};
        address_write(destination, text);
        say_text(exchange, "CONNECT ");
        say_text(exchange, text);
        say_text(exchange, " HTTP/1.1\r\nHost: ");
        say_text(exchange, text);
        say_text(exchange, "\r\n");
        if (credentials)
                say_credentials(exchange, credentials);
        say_text(exchange, "\r\n");
}

static enum cause cause_of_status(const struct http *http)
{
        switch (http->status) {
        case 401: /* of tinyproxy, where the password is wrong */
        case 407:
                return http->has_credentials ? CAUSE_CREDENTIALS_REFUSED : CAUSE_CREDENTIALS_WANTED;
        case 403:
                return CAUSE_FORBIDDEN;
        case 405:
        case 501:
                return CAUSE_NOT_SUPPORTED;
        case 502:
        case 503:
                return CAUSE_DESTINATION_HOST;
        case 504:
                return CAUSE_DESTINATION_SILENT;
        default:
                return CAUSE_DESTINATION_FAILED;
        }
}

/* Whether this is how a status line goes on: "HTTP/1.x ddd", and then a blank or the end. */
static bool fits_status_line(size_t at, char c)
{
        static const char pattern[HTTP_STATUS_LINE_MAX + 1] = "HTTP/1.d ddd";

        if (at == HTTP_STATUS_LINE_MAX)
                return c == ' ' || c == '\r';
        if (at > HTTP_STATUS_LINE_MAX)
                return true;
        return pattern[at] == 'd' ? c >= '0' && c <= '9' : c == pattern[at];
}

static unsigned int digit(const struct http *http, size_t at)
{
        return (unsigned int)(http->status_line[at] - '0');
}

/* A final answer but 2xx needs no more of its head, and 101 leads to no tunnel of ours. */
static void end_status_line(struct http *http, struct exchange *exchange)
{
        if (http->n_line < HTTP_STATUS_LINE_MAX) {
                exchange_fail(exchange, CAUSE_MALFORMED);
                return;
        }
        http->status = digit(http, 9) * 100 + digit(http, 10) * 10 + digit(http, 11);
        http->has_status = true;
        if (http->status < 100 || http->status == 101)
                exchange_fail(exchange, CAUSE_MALFORMED);
        else if (http->status >= 300)
                exchange_fail(exchange, cause_of_status(http));
}

static void end_head(struct http *http, struct exchange *exchange)
{
        http->has_status = false;
        if (http->status >= 200)
                exchange->state = EXCHANGE_DONE;
}

static void end_line(struct http *http, struct exchange *exchange)
{
        if (!http->has_status)
                end_status_line(http, exchange);
        else if (http->n_line == (http->ended_in_cr ? 1 : 0))
                end_head(http, exchange);
        http->n_line = 0;
        http->ended_in_cr = false;
}

static void take_character(struct http *http, struct exchange *exchange, char c)
{
        if (c == '\n') {
                end_line(http, exchange);
                return;
        }
        if (!http->has_status && !fits_status_line(http->n_line, c)) {
                exchange_fail(exchange, CAUSE_MALFORMED);
                return;
        }
        if (!http->has_status && http->n_line < HTTP_STATUS_LINE_MAX)
                http->status_line[http->n_line] = c;
        http->ended_in_cr = c == '\r';
        http->n_line++;
}

size_t http_take(struct http *http, struct exchange *exchange, const uint8_t *bytes, size_t size)
{
        size_t n = 0;

        while (n < size && exchange->state == EXCHANGE_GOES_ON) {
                take_character(http, exchange, (char)bytes[n++]);
                if (exchange->state == EXCHANGE_GOES_ON && ++http->n_head == HTTP_HEAD_MAX)
                        exchange_fail(exchange, CAUSE_MALFORMED);
        }
        return n;
}
