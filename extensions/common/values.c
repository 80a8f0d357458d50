/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Values are checked as strictly as a person would want who mistyped one: what could be
 * read in two ways is refused, with the way to write it. Canonical text comes out, so
 * that later code has nothing left to decide.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/package.h"
#include "common/values.h"

#define DOMAIN_MAX      253
#define LABEL_MAX       63
#define SET_NAME_MAX    40
#define TEAM_MAX        32
#define INODE_DIGITS_MAX 19 /* they fit into 64 bits */
#define IDENTIFIER_MAX  128
#define DIGEST_PREFIX   "sha256:"
#define DIGEST_DIGITS   64
#define CGROUP_MOUNT    "/sys/fs/cgroup"
#define CGROUP_NAME_MAX 255
#define KEYWORD_MAX     12
#define NETWORK_SIZE    (INET6_ADDRSTRLEN + sizeof("/128"))

int value_refuse(const struct word *word, struct problems *problems, const char *format, ...)
{
        char shown[WORD_SHOWN_SIZE], text[PROBLEM_TEXT_MAX];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        problems_add(problems, word->at, "'%s' %s", word_show(word, shown), text);
        return RULES_E_INVALID;
}

static int keep(char **text, const char *value)
{
        *text = strdup(value);
        return *text ? 0 : -ENOMEM;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
        size_t least = a < b ? a : b;

        return least < c ? least : c;
}

/* How many characters have to change, go or come to make one word of the other. */
static size_t edit_distance(const char *a, const char *b)
{
        size_t n = strlen(b), row[KEYWORD_MAX + 1], diagonal, above;

        for (size_t j = 0; j <= n; j++)
                row[j] = j;
        for (size_t i = 0; a[i]; i++) {
                diagonal = row[0];
                row[0] = i + 1;
                for (size_t j = 0; j < n; j++) {
                        above = row[j + 1];
                        row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
                        diagonal = above;
                }
        }
        return row[n];
}

/* The choice that was probably meant, cut short or mistyped; or NULL. */
static const char *nearest(const char *text, const struct choice *choices)
{
        size_t length = strlen(text), least = 3, distance;
        const char *found = NULL;

        if (length < 2 || length > KEYWORD_MAX)
                return NULL;
        for (; choices->word; choices++) {
                if (strncmp(text, choices->word, length) == 0)
                        return choices->word;
                distance = edit_distance(text, choices->word);
                if (distance < least && distance < strlen(choices->word) && distance < length) {
                        least = distance;
                        found = choices->word;
                }
        }
        return found;
}

static int refuse_choice(const struct word *word, const struct choice *choices, const char *what,
                         struct problems *problems)
{
        const char *meant = nearest(word->text, choices), *separator = "";
        char expected[192];
        size_t n = 0;

        if (word->quoted)
                return value_refuse(word, problems, "is in quotes: expected %s, without quotes",
                                    what);
        for (const struct choice *choice = choices; choice->word; choice++) {
                n += (size_t)snprintf(expected + n, sizeof(expected) - n, "%s%s", separator,
                                      choice->word);
                separator = choice[1].word && !choice[2].word ? " or " : ", ";
        }
        if (meant)
                return value_refuse(word, problems, "is not %s: expected %s (did you mean '%s'?)",
                                    what, expected, meant);
        return value_refuse(word, problems, "is not %s: expected %s", what, expected);
}

int value_choice(const struct word *word, const struct choice *choices, const char *what,
                 struct problems *problems, int *ret)
{
        for (const struct choice *choice = choices; choice->word; choice++) {
                if (word_is(word, choice->word)) {
                        *ret = choice->value;
                        return 0;
                }
        }
        return refuse_choice(word, choices, what, problems);
}

static int keep_path(const struct word *word, char **path, struct problems *problems)
{
        if (word->text[0] != '/')
                return value_refuse(word, problems,
                                    "is not an absolute path: expected one such as /usr/bin/curl");
        return keep(path, word->text);
}

int value_program(const struct word *word, struct match *match, struct problems *problems)
{
        match->program_at = word->at;
        return keep_path(word, &match->program, problems);
}

int value_started_by(const struct word *word, struct match *match, struct problems *problems)
{
        match->started_by_at = word->at;
        return keep_path(word, &match->started_by, problems);
}

int value_package(const struct word *word, struct match *match, struct problems *problems)
{
        if (!package_is_name(word->text))
                return value_refuse(word, problems,
                                    "is not the name of a package: expected one such as curl, "
                                    "libc6:amd64 or glibc.i686");
        match->package_at = word->at;
        return keep(&match->package, word->text);
}

/* "sha256:" in front says what it is, and that it is the whole of it. */
int value_digest(const struct word *word, struct match *match, struct problems *problems)
{
        const char *digits = word->text + strlen(DIGEST_PREFIX);
        size_t n;

        if (strncmp(word->text, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) != 0)
                return value_refuse(word, problems,
                                    "is not a digest: expected '" DIGEST_PREFIX
                                    "' and what sha256sum(1) prints");
        n = strspn(digits, "0123456789abcdef");
        if (n != DIGEST_DIGITS || digits[n])
                return value_refuse(
                        word, problems,
                        "is not a digest: expected %d digits, 0 to 9 and a to f, behind "
                        "'" DIGEST_PREFIX "'",
                        DIGEST_DIGITS);
        return keep(&match->digest, word->text);
}

/* "/a/b", of not too many names. */
static bool is_cgroup(const char *path)
{
        size_t n_levels = 0, size;

        while (*path == '/') {
                size = strcspn(++path, "/");
                if (size == 0 || size > CGROUP_NAME_MAX)
                        return false;
                n_levels++;
                path += size;
        }
        return !*path && n_levels > 0 && n_levels <= NX_RULE_CGROUP_LEVELS;
}

int value_cgroup(const struct word *word, struct match *match, struct problems *problems)
{
        char path[sizeof(word->text)];
        size_t length;

        strcpy(path, word->text);
        length = strlen(path);
        if (length > 1 && path[length - 1] == '/')
                path[length - 1] = '\0';
        if (strncmp(path, CGROUP_MOUNT "/", strlen(CGROUP_MOUNT "/")) == 0)
                return value_refuse(
                        word, problems,
                        "is where the cgroup is mounted: expected its path without " CGROUP_MOUNT);
        if (!is_cgroup(path))
                return value_refuse(word, problems,
                                    "is not a cgroup: expected an absolute path of at most %d "
                                    "names, such as /system.slice/ssh.service",
                                    NX_RULE_CGROUP_LEVELS);
        return keep(&match->cgroup, path);
}

/* As systemd spells it out: "ssh" could be ssh.service or ssh.socket. */
int value_unit(const struct word *word, struct match *match, struct problems *problems)
{
        static const char *const types[] = { "service", "scope", "socket", "mount", "swap", NULL };
        const char *dot = strrchr(word->text, '.');
        char shown[WORD_SHOWN_SIZE];
        size_t i = 0;

        if (dot && strcmp(dot, ".slice") == 0)
                return value_refuse(word, problems,
                                    "is a slice, which holds units: expected a unit, or "
                                    "'cgroup /%s'",
                                    word_show(word, shown));
        while (dot && types[i] && strcmp(dot + 1, types[i]) != 0)
                i++;
        if (!dot || dot == word->text || !types[i] || strchr(word->text, '/') ||
            strlen(word->text) > CGROUP_NAME_MAX)
                return value_refuse(word, problems,
                                    "is not a unit: expected a whole name such as ssh.service, "
                                    "ending in service, scope, socket, mount or swap");
        return keep(&match->unit, word->text);
}

/* A label of an identifier, or a team: letters, digits and hyphens. */
static size_t label_length(const char *text)
{
        return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
}

/* "EXAMPLE", or "EXAMPLE.com.example.filter"; see netext-bundle(5). */
static bool is_signer(const char *text)
{
        size_t length = label_length(text), n_labels = 0;

        if (length == 0 || length > TEAM_MAX)
                return false;
        for (text += length; *text == '.'; n_labels++) {
                length = label_length(++text);
                if (length == 0 || length > LABEL_MAX)
                        return false;
                text += length;
        }
        return !*text && n_labels != 1;
}

/* Two numbers of 64 bits, and the second is one that a file has. */
static bool is_inode(const char *text)
{
        size_t device = strspn(text, "0123456789");
        const char *inode = text + device + 1;

        if (device == 0 || device > INODE_DIGITS_MAX || text[device] != ':')
                return false;
        return *inode >= '1' && *inode <= '9' && strlen(inode) <= INODE_DIGITS_MAX &&
               !inode[strspn(inode, "0123456789")];
}

int value_inode(const struct word *word, struct match *match, struct problems *problems)
{
        if (!is_inode(word->text))
                return value_refuse(word, problems,
                                    "is no file: expected the numbers of its device and inode, as "
                                    "'stat -c %%d:%%i FILE' prints them");
        return keep(&match->inode, word->text);
}

int value_signer(const struct word *word, struct match *match, struct problems *problems)
{
        if (!is_signer(word->text) || strlen(word->text) > TEAM_MAX + 1 + IDENTIFIER_MAX)
                return value_refuse(
                        word, problems,
                        "is no signer: expected a team such as EXAMPLE, or an extension "
                        "of it such as EXAMPLE.com.example.filter");
        return keep(&match->signer, word->text);
}

static bool is_digits(const char *text, size_t length)
{
        for (size_t i = 0; i < length; i++)
                if (text[i] < '0' || text[i] > '9')
                        return false;
        return length > 0;
}

bool value_parse_number(const char *text, size_t length, uint32_t max, uint32_t *ret)
{
        uint64_t number = 0;

        if (!is_digits(text, length))
                return false;
        for (size_t i = 0; i < length && number <= max; i++)
                number = number * 10 + (uint64_t)(text[i] - '0');
        if (number > max)
                return false;
        *ret = (uint32_t)number;
        return true;
}

int value_number(const struct word *word, uint32_t min, uint32_t max, const char *what,
                 struct problems *problems, uint32_t *ret)
{
        uint32_t number;

        if (!value_parse_number(word->text, strlen(word->text), max, &number) || number < min)
                return value_refuse(word, problems, "is not %s: expected a number from %u to %u",
                                    what, min, max);
        *ret = number;
        return 0;
}

int value_user(const struct word *word, struct match *match, struct problems *problems)
{
        size_t length = strlen(word->text);

        match->user_at = word->at;
        if (!is_digits(word->text, length))
                return keep(&match->user, word->text);
        if (!value_parse_number(word->text, length, NX_ANY_USER - 1, &match->uid))
                return value_refuse(word, problems,
                                    "is not a user id: expected at most 4294967294");
        return 0;
}

static int parse_ports(const struct word *word, struct problems *problems, uint16_t *ret_first,
                       uint16_t *ret_last)
{
        const char *dash = strchr(word->text, '-');
        const char *second = dash ? dash + 1 : word->text;
        size_t length = dash ? (size_t)(dash - word->text) : strlen(word->text);
        uint32_t first, last;

        if (!value_parse_number(word->text, length, UINT16_MAX, &first) ||
            !value_parse_number(second, strlen(second), UINT16_MAX, &last) || first == 0)
                return value_refuse(word, problems,
                                    "is not a port: expected a number from 1 to 65535, "
                                    "or a range such as 1000-2000");
        if (first > last)
                return value_refuse(word, problems,
                                    "is not a range of ports: expected the lower first");
        *ret_first = (uint16_t)first;
        *ret_last = (uint16_t)last;
        return 0;
}

int value_port(const struct word *word, struct match *match, struct problems *problems)
{
        return parse_ports(word, problems, &match->port_first, &match->port_last);
}

int value_local_port(const struct word *word, struct match *match, struct problems *problems)
{
        return parse_ports(word, problems, &match->local_port_first, &match->local_port_last);
}

/* What keeps name from being a domain, or NULL. name is in lower case. */
static const char *domain_problem(const char *name)
{
        const char *label = name;
        size_t length;

        if (strncmp(name, "*.", 2) == 0)
                return "needs no '*.': a domain matches all below it too";
        if (strlen(name) > DOMAIN_MAX)
                return "is too long for a domain: expected at most 253 characters";
        for (;; label += length + 1) {
                length = strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-_");
                if (length == 0 || length > LABEL_MAX || (label[length] && label[length] != '.'))
                        return "is not a domain: expected labels of letters, digits and dashes "
                               "with dots between them (international names as xn--...)";
                if (!label[length])
                        break;
        }
        /* RFC 1123, 2.1: the last label of a name is never all digits. */
        if (is_digits(label, length))
                return "is neither an address nor a domain: expected four numbers from 0 to 255, "
                       "or a name";
        return NULL;
}

int value_domain(const struct word *word, struct match *match, struct problems *problems)
{
        char name[sizeof(word->text)];
        size_t length = strlen(word->text);
        const char *problem;

        if (length > 1 && word->text[length - 1] == '.')
                length--; /* the root's dot */
        for (size_t i = 0; i < length; i++) {
                char c = word->text[i];

                name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        name[length] = '\0';
        problem = domain_problem(name);
        return problem ? value_refuse(word, problems, "%s", problem) : keep(&match->domain, name);
}

struct network {
        int family; /* AF_INET, AF_INET6, or 0 for text that is no address */
        uint8_t bytes[16];
};

static struct network parse_address(const char *text)
{
        struct network network = {};

        if (inet_pton(AF_INET, text, network.bytes) == 1)
                network.family = AF_INET;
        else if (inet_pton(AF_INET6, text, network.bytes) == 1)
                network.family = AF_INET6;
        return network;
}

/* ::ffff:198.18.0.1 would name the same host as 198.18.0.1, with another prefix. */
static bool is_mapped(const struct network *network)
{
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

        return network->family == AF_INET6 && memcmp(network->bytes, mapped, sizeof(mapped)) == 0;
}

static int keep_address(const struct word *word, char **address, struct problems *problems)
{
        struct network network = parse_address(word->text);
        char text[INET6_ADDRSTRLEN];

        if (!network.family || is_mapped(&network))
                return value_refuse(word, problems,
                                    "is not an address: expected one such as "
                                    "198.18.0.1 or fd00::1, without a port");
        inet_ntop(network.family, network.bytes, text, sizeof(text));
        return keep(address, text);
}

/* Clears what is behind the prefix. True if something was there. */
static bool clear_host_bits(struct network *network, uint32_t prefix)
{
        bool cleared = false;

        for (uint32_t i = 0; i < sizeof(network->bytes); i++) {
                uint32_t kept = prefix > i * 8 ? prefix - i * 8 : 0;
                uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff00 >> kept);

                cleared |= network->bytes[i] & ~mask;
                network->bytes[i] &= mask;
        }
        return cleared;
}

static int keep_network(const struct word *word, char **kept, struct problems *problems)
{
        const char *slash = strchr(word->text, '/');
        char text[NETWORK_SIZE] = "", address[INET6_ADDRSTRLEN];
        struct network network = {};
        uint32_t prefix, max;

        if (slash - word->text < INET6_ADDRSTRLEN) {
                memcpy(text, word->text, (size_t)(slash - word->text));
                network = parse_address(text);
        }
        max = network.family == AF_INET ? 32 : 128;
        if (!network.family || is_mapped(&network))
                return value_refuse(word, problems,
                                    "is not a network: expected one such as "
                                    "198.18.0.0/15 or fd00::/8");
        if (!value_parse_number(slash + 1, strlen(slash + 1), max, &prefix))
                return value_refuse(word, problems,
                                    "is not a network: expected a prefix from 0 to %u", max);
        if (clear_host_bits(&network, prefix)) {
                inet_ntop(network.family, network.bytes, address, sizeof(address));
                return value_refuse(word, problems,
                                    "is not a network, it has bits behind its prefix: "
                                    "expected %s/%u, or an address without prefix",
                                    address, prefix);
        }
        inet_ntop(network.family, network.bytes, address, sizeof(address));
        snprintf(text, sizeof(text), "%s/%u", address, prefix);
        return keep(kept, text);
}

int value_local(const struct word *word, struct match *match, struct problems *problems)
{
        if (strchr(word->text, '/'))
                return keep_network(word, &match->local_network, problems);
        return keep_address(word, &match->local_network, problems);
}

#define SET_PREFIX "set:"

static int value_set(const struct word *word, struct match *match, struct problems *problems)
{
        const char *name = word->text + strlen(SET_PREFIX);
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

        if (length == 0 || length > SET_NAME_MAX || name[length])
                return value_refuse(word, problems,
                                    "is not a set: expected 'set:' and 1 to %d lower-case letters, "
                                    "digits and dashes",
                                    SET_NAME_MAX);
        return keep(&match->set, name);
}

int value_destination(const struct word *word, struct match *match, struct problems *problems)
{
        const char *text = word->text;

        if (word_is(word, "*"))
                return 0;
        if (strncmp(text, SET_PREFIX, strlen(SET_PREFIX)) == 0)
                return value_set(word, match, problems);
        if (strchr(text, '/'))
                return keep_network(word, &match->network, problems);
        if (strchr(text, ':') || parse_address(text).family)
                return keep_address(word, &match->network, problems);
        if (strchr(text, '.'))
                return value_domain(word, match, problems);
        return value_refuse(word, problems,
                            "is not a destination: expected an address, a network, a "
                            "domain with a dot, 'domain NAME', set:NAME, or * for all");
}
