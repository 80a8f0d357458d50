/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/manager/set/content.c src/manager/loop/text.c src/base/endpoint.c */

/*
 * The lines of a set. Each has nothing in it, a problem with a place in that line and a
 * printable sentence, or an entry that reads back as itself.
 */

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "manager/set/content.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_problem(const char *problem, const char *line, unsigned int number)
{
        unsigned int said_number = 0, column = 0;

        require(problem && sscanf(problem, "%u:%u: '", &said_number, &column) == 2);
        require(said_number == number && column >= 1 && column <= strlen(line));
        for (const char *c = problem; *c; c++)
                require((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void check_entry(const struct set_entry *entry)
{
        _cleanup_set_content_ struct set_content again = {};
        _cleanup_free_ char *problem = NULL;
        char text[SET_DOMAIN_SIZE], same[SET_DOMAIN_SIZE];

        set_entry_to_string(entry, text);
        require(set_content_add(&again, text, 1, &problem) == 0 && again.n_entries == 1);
        require(strcmp(set_entry_to_string(&again.entries[0], same), text) == 0);
        require(!entry->domain == !again.entries[0].domain);
        require(entry->prefix == again.entries[0].prefix);
        require(memcmp(&entry->network, &again.entries[0].network, sizeof(entry->network)) == 0);
}

static void check_line(struct set_content *content, const char *line, unsigned int number)
{
        _cleanup_free_ char *problem = NULL;
        size_t n = content->n_entries;
        int r = set_content_add(content, line, number, &problem);

        require(r == 0 || r == -EBADMSG || r == -E2BIG);
        require(content->n_entries == n || (r == 0 && content->n_entries == n + 1));
        if (r < 0)
                check_problem(problem, line, number);
        else if (content->n_entries > n)
                check_entry(&content->entries[n]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_free_ char *text = strndup((const char *)data, size);
        _cleanup_set_content_ struct set_content content = {};
        unsigned int number = 0;
        char *rest = text, *line;

        while ((line = strsep(&rest, "\n")))
                check_line(&content, line, ++number);
        return 0;
}
