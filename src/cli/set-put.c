/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl set put: takes a file apart into its lines, which the daemon reads; what it
 * complains about has a line and a column, and gets the file's name here.
 */

#include <errno.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/writer.h"

#define FILE_MAX (8 * 1024 * 1024)

struct lines {
        const char **items; /* in the text */
        size_t n_items;
};

static void lines_deinit(struct lines *lines)
{
        free(lines->items);
}

/* The whole file, ended by a NUL. Caller owns; NULL with a complaint made. */
static char *read_text(const char *path, FILE *file)
{
        _cleanup_free_ char *text = malloc(FILE_MAX + 2);
        size_t size;

        if (!text)
                cli_no_memory();
        size = fread(text, 1, FILE_MAX + 1, file);
        text[size] = '\0';
        if (ferror(file))
                cli_complain("cannot read '%s': %s", path, strerror(errno));
        else if (size > FILE_MAX)
                cli_complain("'%s' is too large for a set: expected at most 8 MiB", path);
        else if (strlen(text) != size)
                cli_complain("'%s' is not text: there is a zero byte in it", path);
        else
                return take_ptr(text);
        return NULL;
}

static const char *shown(const char *path)
{
        return strcmp(path, "-") == 0 ? "standard input" : path;
}

static char *read_file(const char *path)
{
        _cleanup_file_ FILE *file = NULL;

        if (strcmp(path, "-") == 0)
                return read_text(shown(path), stdin);
        file = fopen(path, "re");
        if (file)
                return read_text(path, file);
        cli_complain("cannot read '%s': %s", path, strerror(errno));
        return NULL;
}

/* Cuts text into its lines. */
static void split(struct lines *lines, char *text)
{
        size_t n_lines = 1;

        for (const char *c = text; *c; c++)
                n_lines += *c == '\n';
        lines->items = calloc(n_lines, sizeof(*lines->items));
        if (!lines->items)
                cli_no_memory();
        while (lines->n_items < n_lines)
                lines->items[lines->n_items++] = strsep(&text, "\n");
}

static int print_set(struct nx_manager *manager, const char *name)
{
        _cleanup_list_ struct nx_list *sets = NULL;
        struct emitter json = EMITTER_INIT(stdout);

        if (nx_manager_list_sets(manager, &sets))
                return cli_complain("%s", nx_manager_get_error(manager));
        for (size_t i = 0; i < nx_list_get_count(sets); i++)
                if (strcmp(nx_properties_get_string(nx_list_get(sets, i), "name") ?: "", name) == 0)
                        emit_record(&json, NULL, nx_list_get(sets, i));
        return CLI_OK;
}

int verb_set_put(struct cli *cli)
{
        const char *name = cli->arguments[0], *path = cli->arguments[1];
        _cleanup_manager_ struct nx_manager *manager = NULL;
        _cleanup_free_ char *text = read_file(path);
        _cleanup_(lines_deinit) struct lines lines = {};
        int r;

        if (!text)
                return CLI_FAILED;
        split(&lines, text);
        manager = cli_open_to_change(cli->instance);
        if (!manager)
                return CLI_FAILED;
        r = nx_manager_put_set(manager, name, lines.items, lines.n_items);
        if (r == -EBADMSG || r == -E2BIG)
                return cli_complain("%s:%s", shown(path), nx_manager_get_error(manager));
        if (r)
                return cli_complain("%s", nx_manager_get_error(manager));
        return cli->json ? print_set(manager, name) : CLI_OK;
}
