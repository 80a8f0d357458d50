/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A keyword says what may come next, and a table of choices says which keywords there are:
 * the languages of two extensions differ in their tables.
 */

#include <errno.h>
#include <netinet/in.h>

#include "common/lines.h"

const struct choice line_loopbacks[] = {
        { "exclude", false },
        { "include", true },
        {},
};

static const struct choice protocols[] = {
        { "tcp", IPPROTO_TCP },
        { "udp", IPPROTO_UDP },
        { "icmp", IPPROTO_ICMP },
        { "other", IPPROTO_RAW },
        {},
};

static const struct choice directions[] = {
        { "inbound", NX_DIRECTION_INBOUND },
        { "outbound", NX_DIRECTION_OUTBOUND },
        { "any", NX_DIRECTION_ANY },
        {},
};

static int read_line(struct words *words, const struct choice *statements,
                     line_statement_fn *statement_fn, void *userdata)
{
        struct word word;
        int statement, r;

        r = words_next(words, &word);
        if (r == WORDS_END)
                return 0;
        if (r == WORDS_E_INVALID)
                return RULES_E_INVALID;
        r = value_choice(&word, statements, "the start of a line", words->problems, &statement);
        return r ? r : statement_fn(&word, statement, userdata);
}

int lines_read(struct words *words, const struct choice *statements,
               line_statement_fn *statement_fn, void *userdata)
{
        if (words->end - words->at > RULES_FILE_MAX) {
                problems_add(words->problems, (struct position){ 1, 1 },
                             "the file is too large: expected at most 4 MiB");
                return RULES_E_INVALID;
        }
        while (words_next_line(words)) {
                int r = read_line(words, statements, statement_fn, userdata);

                if (r < 0)
                        return r;
        }
        return words->problems->n > 0 ? RULES_E_INVALID : 0;
}

int line_value(struct words *words, const char *keyword, struct word *ret)
{
        int r;

        r = words_next(words, ret);
        if (r == WORDS_WORD)
                return 0;
        if (r == WORDS_END)
                problems_add(words->problems, ret->at, "nothing behind '%s': expected its value",
                             keyword);
        return RULES_E_INVALID;
}

int line_choice(struct words *words, const char *keyword, const struct choice *choices,
                const char *what, int *ret)
{
        struct word word;
        int r;

        r = line_value(words, keyword, &word);
        if (r)
                return r;
        return value_choice(&word, choices, what, words->problems, ret);
}

int line_end(struct words *words)
{
        char shown[WORD_SHOWN_SIZE];
        struct word word;
        int r;

        r = words_next(words, &word);
        if (r == WORDS_END)
                return 0;
        if (r == WORDS_WORD)
                problems_add(words->problems, word.at, "'%s' is too much: expected the line's end",
                             word_show(&word, shown));
        return RULES_E_INVALID;
}

int line_once(struct words *words, const struct word *keyword, unsigned int *seen_line)
{
        if (*seen_line) {
                problems_add(words->problems, keyword->at,
                             "'%s' stands in line %u already: expected it once", keyword->text,
                             *seen_line);
                return RULES_E_INVALID;
        }
        *seen_line = keyword->at.line;
        return 0;
}

int line_setting(struct words *words, const struct word *keyword, const struct choice *choices,
                 const char *what, unsigned int *seen_line, int *ret)
{
        int r;

        r = line_once(words, keyword, seen_line);
        if (r == 0)
                r = line_choice(words, keyword->text, choices, what, ret);
        return r ? r : line_end(words);
}

static int parse_destination(struct words *words, struct match *match)
{
        struct word word;
        int r;

        r = line_value(words, "to", &word);
        if (r)
                return r;
        if (!word_is(&word, "domain"))
                return value_destination(&word, match, words->problems);
        r = line_value(words, "domain", &word);
        return r ? r : value_domain(&word, match, words->problems);
}

static int parse_value(struct words *words, const char *keyword, struct match *match,
                       int (*value)(const struct word *, struct match *, struct problems *))
{
        struct word word;
        int r;

        r = line_value(words, keyword, &word);
        return r ? r : value(&word, match, words->problems);
}

static int parse_protocol(struct words *words, struct match *match)
{
        struct word word;
        int r;

        r = line_value(words, "protocol", &word);
        if (r)
                return r;
        match->protocol_at = word.at;
        return value_choice(&word, protocols, "a protocol", words->problems, &match->protocol);
}

static int parse_direction(struct words *words, struct match *match)
{
        int direction, r;

        r = line_choice(words, "direction", directions, "a direction", &direction);
        if (r == 0)
                match->direction = (enum nx_direction)direction;
        return r;
}

static int parse_clause(struct words *words, enum clause clause, struct match *match)
{
        switch (clause) {
        case CLAUSE_PROGRAM:
                return parse_value(words, "program", match, value_program);
        case CLAUSE_PACKAGE:
                return parse_value(words, "package", match, value_package);
        case CLAUSE_DIGEST:
                return parse_value(words, "digest", match, value_digest);
        case CLAUSE_CGROUP:
                return parse_value(words, "cgroup", match, value_cgroup);
        case CLAUSE_UNIT:
                return parse_value(words, "unit", match, value_unit);
        case CLAUSE_STARTED_BY:
                return parse_value(words, "started-by", match, value_started_by);
        case CLAUSE_INODE:
                return parse_value(words, "inode", match, value_inode);
        case CLAUSE_SIGNER:
                return parse_value(words, "signer", match, value_signer);
        case CLAUSE_USER:
                return parse_value(words, "user", match, value_user);
        case CLAUSE_TO:
                return parse_destination(words, match);
        case CLAUSE_PORT:
                return parse_value(words, "port", match, value_port);
        case CLAUSE_LOCAL:
                return parse_value(words, "local", match, value_local);
        case CLAUSE_LOCAL_PORT:
                return parse_value(words, "local-port", match, value_local_port);
        case CLAUSE_PROTOCOL:
                return parse_protocol(words, match);
        case CLAUSE_DIRECTION:
                return parse_direction(words, match);
        }
        return -EINVAL;
}

/* local_end: the last clause about it. Where a program's own flow begins is not known in time. */
static int check_local_end(const struct words *words, const struct word *local_end,
                           const struct match *match)
{
        if (!local_end->at.line || match->direction == NX_DIRECTION_INBOUND)
                return 0;
        problems_add(words->problems, local_end->at,
                     "'%s' is about flows that others open: expected 'direction inbound' in the "
                     "same rule",
                     local_end->text);
        return RULES_E_INVALID;
}

int line_clauses(struct words *words, const struct choice *clauses, struct match *match)
{
        struct word word, local_end = {};
        unsigned int seen = 0;
        int clause = 0, r;

        while ((r = words_next(words, &word)) == WORDS_WORD) {
                r = value_choice(&word, clauses, "a clause", words->problems, &clause);
                if (r)
                        return r;
                if (seen & 1U << clause) {
                        problems_add(words->problems, word.at,
                                     "'%s' stands twice: expected each clause at most once",
                                     word.text);
                        return RULES_E_INVALID;
                }
                seen |= 1U << clause;
                if (clause == CLAUSE_LOCAL || clause == CLAUSE_LOCAL_PORT)
                        local_end = word;
                r = parse_clause(words, (enum clause)clause, match);
                if (r)
                        return r;
        }
        return r == WORDS_END ? check_local_end(words, &local_end, match) : RULES_E_INVALID;
}
