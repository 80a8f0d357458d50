/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Upstreams are given by address: a name would have to be looked up, which takes time and
 * goes through the very network that is to be relayed.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "relay/rule/upstream.h"

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

static const struct choice kinds[] = {
        { "socks5", UPSTREAM_SOCKS5 },
        { "connect", UPSTREAM_CONNECT },
        { "tunnel", UPSTREAM_TUNNEL },
        {},
};

enum option {
        OPTION_CREDENTIALS,
};

static const struct choice options[] = {
        { "credentials", OPTION_CREDENTIALS },
        {},
};

static int keep(char **text, const struct word *word)
{
        *text = strdup(word->text);
        return *text ? 0 : -ENOMEM;
}

int upstream_parse_name(const struct word *word, struct problems *problems)
{
        size_t length = strlen(word->text);

        if (length <= UPSTREAM_NAME_MAX && strspn(word->text, NAME_CHARACTERS) == length)
                return 0;
        return value_refuse(word, problems,
                            "is not a name for an upstream: expected letters, digits, dashes, dots "
                            "and underscores, at most %d",
                            UPSTREAM_NAME_MAX);
}

static int parse_name(struct words *words, struct upstream *upstream)
{
        struct word word;
        int r;

        r = line_value(words, "upstream", &word);
        if (r == 0)
                r = upstream_parse_name(&word, words->problems);
        return r ? r : keep(&upstream->name, &word);
}

/* Splits "198.18.0.2:1080" or "[fd00::2]:1080", in place. NULL where it has no port. */
static char *split_port(char *text, char **ret_host)
{
        char *colon = strrchr(text, ':');

        if (!colon)
                return NULL;
        *colon = '\0';
        *ret_host = text;
        if (text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
                colon[-1] = '\0';
                *ret_host = text + 1;
        } else if (strchr(text, ':')) {
                return NULL;
        }
        return colon + 1;
}

static int parse_address(struct words *words, const char *keyword, struct address *ret)
{
        struct word word, split;
        char *port_text, *host;
        uint32_t port;
        int r;

        r = line_value(words, keyword, &word);
        if (r)
                return r;
        split = word;
        port_text = split_port(split.text, &host);
        if (port_text && value_parse_number(port_text, strlen(port_text), UINT16_MAX, &port) &&
            port > 0 && address_parse(ret, host, (uint16_t)port))
                return 0;
        return value_refuse(&word, words->problems,
                            "is not an upstream's address: expected one such as 198.18.0.2:1080 or "
                            "[fd00::2]:1080, in numbers");
}

static int parse_credentials(struct words *words, struct upstream *upstream)
{
        struct word word;
        int r;

        r = line_value(words, "credentials", &word);
        if (r)
                return r;
        upstream->credentials_at = word.at;
        if (strchr(word.text, '/'))
                return value_refuse(&word, words->problems,
                                    "is a path: expected the name of a file that the session was "
                                    "given, by --file NAME=PATH");
        if (strcmp(word.text, RULES_FILE) == 0 || strcmp(word.text, PACKAGES_FILE) == 0)
                return value_refuse(&word, words->problems,
                                    "is the name of another file of the session: expected one of "
                                    "its own");
        return keep(&upstream->credentials, &word);
}

static int parse_options(struct words *words, struct upstream *upstream)
{
        struct word word;
        int option, r;

        r = words_next(words, &word);
        if (r == WORDS_END)
                return 0;
        if (r == WORDS_E_INVALID)
                return RULES_E_INVALID;
        r = value_choice(&word, options, "an option", words->problems, &option);
        if (r == 0)
                r = parse_credentials(words, upstream);
        return r ? r : line_end(words);
}

/* Which it is, and whether it is a tunnel, the kernel says for each flow. */
static int parse_tunnel(struct words *words, struct upstream *upstream)
{
        struct word word;
        int r;

        r = line_value(words, "tunnel", &word);
        if (r)
                return r;
        if (strlen(word.text) >= IF_NAMESIZE || strchr(word.text, '/'))
                return value_refuse(&word, words->problems,
                                    "is not an interface's name: expected one such as wg0, at most "
                                    "%d characters without '/'",
                                    IF_NAMESIZE - 1);
        strcpy(upstream->interface, word.text);
        return line_end(words);
}

int upstream_parse(struct words *words, struct upstream *upstream)
{
        int kind = UPSTREAM_SOCKS5, r;

        r = parse_name(words, upstream);
        if (r == 0)
                r = line_choice(words, upstream->name, kinds, "a kind of upstream", &kind);
        if (r)
                return r;
        upstream->kind = (enum upstream_kind)kind;
        if (kind == UPSTREAM_TUNNEL)
                return parse_tunnel(words, upstream);
        r = parse_address(words, kind == UPSTREAM_SOCKS5 ? "socks5" : "connect",
                          &upstream->address);
        return r ? r : parse_options(words, upstream);
}

void upstream_deinit(struct upstream *upstream)
{
        free(upstream->name);
        free(upstream->credentials);
}
