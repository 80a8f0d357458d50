/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Entries are checked like the destinations of a rule file, for the same reason: what
 * could be read in two ways is refused, with the way to write it. They are told apart by
 * their look: with a slash it is a network, with a colon or as four numbers an address,
 * else a domain.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/endpoint.h"
#include "manager/loop/text.h"
#include "manager/set/content.h"

#define LABEL_MAX        63
#define WORD_SHOWN_MAX   60
#define ENTRY_SIZE       48 /* of an entry without its domain: in memory, or as a message */
#define ADDRESS_EXAMPLES "198.18.0.1 or fd00::1"
#define NETWORK_EXAMPLES "198.18.0.0/15 or fd00::/8"

struct word {
        const char *line;
        unsigned int number; /* of the line */
        const char *at;
        size_t length;
        char text[SET_DOMAIN_SIZE + 1]; /* one more: the root's dot; "" if it is longer */
        char **ret_problem;
};

/* Columns count characters of UTF-8, as editors do: all bytes but its continuations. */
static unsigned int column_of(const char *line, const char *at)
{
        unsigned int column = 1;

        for (; line < at; line++)
                column += ((unsigned char)*line & 0xc0) != 0x80;
        return column;
}

_printf_(3, 4) static int refuse(const struct word *word, int error, const char *format, ...)
{
        bool is_long = word->length > WORD_SHOWN_MAX;
        _cleanup_free_ char *shown = NULL, *clean = NULL, *sentence = NULL;
        va_list args;

        shown = strndup(word->at, is_long ? WORD_SHOWN_MAX : word->length);
        clean = text_clean(shown);
        va_start(args, format);
        if (vasprintf(&sentence, format, args) < 0)
                sentence = NULL;
        va_end(args);
        return text_problem(word->ret_problem, error, "%u:%u: '%s%s' %s", word->number,
                            column_of(word->line, word->at), clean ?: "", is_long ? "..." : "",
                            sentence ?: "");
}

static int grow(struct set_content *content)
{
        size_t n = content->n_entries;
        void *grown;

        if (n & (n - 1))
                return 0;
        grown = reallocarray(content->entries, 2 * n + 1, sizeof(*content->entries));
        if (!grown)
                return -ENOMEM;
        content->entries = grown;
        return 0;
}

static int add_entry(struct set_content *content, const struct word *word,
                     const struct set_entry *entry)
{
        int r;

        if (content->n_entries >= SET_ENTRIES_MAX)
                return refuse(word, -E2BIG, "is one too many: a set has at most %d entries",
                              SET_ENTRIES_MAX);
        r = grow(content);
        if (r < 0)
                return r;
        content->entries[content->n_entries++] = *entry;
        content->n_domains += entry->domain != NULL;
        content->size += ENTRY_SIZE + (entry->domain ? strlen(entry->domain) : 0);
        return 0;
}

static bool is_digits(const char *text)
{
        return *text && !text[strspn(text, "0123456789")];
}

/* What keeps name from being a domain, or NULL. name is in lower case. */
static const char *domain_problem(const char *name)
{
        const char *label = name;
        size_t length;

        if (strncmp(name, "*.", 2) == 0)
                return "needs no '*.': a domain has all below it in it";
        for (;; label += length + 1) {
                length = strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-_");
                if (length == 0 || length > LABEL_MAX || (label[length] && label[length] != '.'))
                        return "is neither a network nor a domain: expected " NETWORK_EXAMPLES
                               ", an address, or a name such as example.org (international ones "
                               "as xn--...)";
                if (!label[length])
                        break;
        }
        /* RFC 1123, 2.1: the last label of a name is never all digits. */
        return is_digits(label) ? "is neither an address nor a domain: expected four numbers from "
                                  "0 to 255, or a name"
                                : NULL;
}

static int add_domain(struct set_content *content, struct word *word)
{
        _cleanup_free_ char *domain = NULL;
        size_t length = strlen(word->text);
        const char *problem;
        int r;

        if (length > 1 && word->text[length - 1] == '.')
                length--; /* the root's dot */
        if (length == 0 || length >= SET_DOMAIN_SIZE)
                return refuse(word, -EBADMSG, "is too long: a domain has at most %d characters",
                              SET_DOMAIN_SIZE - 1);
        domain = strndup(word->text, length);
        if (!domain)
                return -ENOMEM;
        for (char *c = domain; *c; c++)
                if (*c >= 'A' && *c <= 'Z')
                        *c = (char)(*c - 'A' + 'a');
        problem = domain_problem(domain);
        if (problem)
                return refuse(word, -EBADMSG, "%s", problem);
        r = add_entry(content, word, &(struct set_entry){ .domain = domain });
        if (r >= 0)
                take_ptr(domain);
        return r;
}

static bool parse_prefix(const char *text, unsigned int max, unsigned int *ret_prefix)
{
        if (!is_digits(text) || strlen(text) > 3)
                return false;
        *ret_prefix = (unsigned int)strtoul(text, NULL, 10);
        return *ret_prefix <= max;
}

/* Clears what is behind the prefix. True if something was there. */
static bool clear_host_bits(struct in6_addr *address, unsigned int prefix)
{
        bool cleared = false;

        for (unsigned int bit = prefix; bit < 128; bit++) {
                uint8_t mask = (uint8_t)(0x80 >> (bit % 8));

                cleared |= address->s6_addr[bit / 8] & mask;
                address->s6_addr[bit / 8] &= (uint8_t)~mask;
        }
        return cleared;
}

/* text: of an address. ::ffff:198.18.0.1 would name the same host as 198.18.0.1. */
static bool parse_address(const char *text, struct in6_addr *ret_address)
{
        return address_from_string(text, ret_address) >= 0 &&
               !(strchr(text, ':') && address_is_ipv4(ret_address));
}

static int add_address(struct set_content *content, const struct word *word)
{
        struct set_entry entry = { .prefix = 128 };

        if (!parse_address(word->text, &entry.network))
                return refuse(word, -EBADMSG,
                              "is not an address: expected one such as " ADDRESS_EXAMPLES
                              ", without a port");
        return add_entry(content, word, &entry);
}

/* slash: in word->text, which is cut there. */
static int add_network(struct set_content *content, struct word *word, char *slash)
{
        unsigned int prefix, bits = strchr(word->text, ':') ? 128 : 32;
        char expected[SET_DOMAIN_SIZE];
        struct set_entry entry = {};

        *slash = '\0';
        if (!parse_address(word->text, &entry.network))
                return refuse(word, -EBADMSG,
                              "is not a network: expected one such as " NETWORK_EXAMPLES);
        if (!parse_prefix(slash + 1, bits, &prefix))
                return refuse(word, -EBADMSG, "is not a network: expected a prefix from 0 to %u",
                              bits);
        entry.prefix = (uint8_t)(prefix + 128 - bits);
        if (clear_host_bits(&entry.network, entry.prefix))
                return refuse(word, -EBADMSG,
                              "is not a network, it has bits behind its prefix: expected %s, or an "
                              "address without prefix",
                              set_entry_to_string(&entry, expected));
        return add_entry(content, word, &entry);
}

/* The next word of the line; false where a comment or its end is. */
static bool next_word(struct word *word)
{
        const char *at = word->at + word->length;

        at += strspn(at, " \t\r");
        word->at = at;
        word->length = *at == '#' ? 0 : strcspn(at, " \t\r");
        word->text[0] = '\0';
        if (word->length < sizeof(word->text)) {
                memcpy(word->text, at, word->length);
                word->text[word->length] = '\0';
        }
        return word->length > 0;
}

int set_content_add(struct set_content *content, const char *line, unsigned int number,
                    char **ret_problem)
{
        struct word word = { .line = line, .number = number, .at = line };
        struct word more;
        struct in6_addr address;
        char *slash;

        word.ret_problem = ret_problem;
        if (!next_word(&word))
                return 0;
        more = word;
        if (next_word(&more))
                return refuse(&more, -EBADMSG, "is too much: expected one entry a line");
        slash = strchr(word.text, '/');
        if (slash)
                return add_network(content, &word, slash);
        if (strchr(word.text, ':') || address_from_string(word.text, &address) >= 0)
                return add_address(content, &word);
        return add_domain(content, &word);
}

void set_content_deinit(struct set_content *content)
{
        for (size_t i = 0; i < content->n_entries; i++)
                free(content->entries[i].domain);
        free(content->entries);
        *content = (struct set_content){};
}

const char *set_entry_to_string(const struct set_entry *entry, char *buffer)
{
        unsigned int bits = address_is_ipv4(&entry->network) && entry->prefix >= 96 ? 32 : 128;
        size_t length;

        if (entry->domain)
                return strcpy(buffer, entry->domain);
        address_to_string(&entry->network, buffer);
        length = strlen(buffer);
        if (entry->prefix < 128)
                snprintf(buffer + length, SET_DOMAIN_SIZE - length, "/%u",
                         entry->prefix - (128 - bits));
        return buffer;
}
