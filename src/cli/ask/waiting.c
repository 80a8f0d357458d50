/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A question is made text when it comes, and nothing else is kept of it. What is in it comes from
 * programs: all of it goes through the escape.
 */

#include <inttypes.h>
#include <pwd.h>
#include <string.h>

#include "cli/ask/waiting.h"
#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"

void waitings_deinit(struct waitings *waitings)
{
        for (size_t i = 0; i < waitings->n_items; i++)
                free(waitings->items[i].text);
        free(waitings->items);
}

static const char *text_of(const struct nx_properties *event, const char *key)
{
        return nx_properties_get_string(event, key) ?: "";
}

static void print_fact(FILE *out, const char *name, const char *text)
{
        if (!*text)
                return;
        fprintf(out, "  %-8s ", name);
        escape_text(out, text);
        fputc('\n', out);
}

/* "example.org (198.18.0.2)" */
static char *host_of(const struct nx_properties *event)
{
        const char *name = text_of(event, "remote_name"),
                   *address = text_of(event, "remote_address");

        return *name ? cli_format("%s (%s)", name, address) : cli_format("%s", address);
}

static char *title_of(const struct nx_properties *event)
{
        const char *program = text_of(event, "program"), *protocol = text_of(event, "protocol");
        bool is_inbound = strcmp(text_of(event, "direction"), "inbound") == 0;
        _cleanup_free_ char *host = host_of(event);

        if (!*program)
                program = "an unknown program";
        if (is_inbound)
                return cli_format("%s may be reached by %s at its port %" PRIu64 " (%s)?", program,
                                  host, nx_properties_get_uint64(event, "local_port"), protocol);
        return cli_format("%s may reach %s, port %" PRIu64 " (%s)?", program, host,
                          nx_properties_get_uint64(event, "remote_port"), protocol);
}

static char *process_of(const struct nx_properties *event)
{
        uint64_t uid = nx_properties_get_uint64(event, "uid");
        const struct passwd *user = getpwuid((uid_t)uid);
        const char *parent = text_of(event, "parent");

        if (!nx_properties_has(event, "pid"))
                return cli_format("%s", "");
        return cli_format("%" PRIu64 " of %s%s%s", nx_properties_get_uint64(event, "pid"),
                          user ? user->pw_name : "an unknown user", *parent ? ", started by " : "",
                          parent);
}

static char *print_question(const struct nx_properties *event)
{
        _cleanup_free_ char *title = title_of(event), *process = process_of(event);
        _cleanup_free_ char *asker = NULL;
        const char *rule = text_of(event, "rule");
        bool is_arranged = *text_of(event, "program") &&
                           !nx_properties_get_bool(event, "program_path_trusted");
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                cli_no_memory();
        asker = cli_format("%s%s%s, and waits %" PRIu64 " s for an answer",
                           text_of(event, "session_name"), *rule ? ", " : "", rule,
                           nx_properties_get_uint64(event, "timeout_ms") / 1000);
        fprintf(out, "\nQuestion %" PRIu64 ": ", nx_properties_get_uint64(event, "question"));
        escape_text(out, title);
        fputc('\n', out);
        print_fact(out, "process", process);
        print_fact(out, "command", text_of(event, "command_line"));
        print_fact(out, "beware", is_arranged ? "a path that its user could have arranged" : "");
        print_fact(out, "asks", asker);
        fclose(out);
        return text;
}

void waitings_add(struct waitings *waitings, const struct nx_properties *event)
{
        struct waiting *items =
                reallocarray(waitings->items, waitings->n_items + 1, sizeof(*items));

        if (!items)
                cli_no_memory();
        waitings->items = items;
        items[waitings->n_items++] = (struct waiting){
                .number = nx_properties_get_uint64(event, "question"),
                .text = print_question(event),
        };
}

bool waitings_remove(struct waitings *waitings, uint64_t number)
{
        for (size_t i = 0; i < waitings->n_items; i++) {
                if (waitings->items[i].number != number)
                        continue;
                free(waitings->items[i].text);
                waitings->n_items--;
                memmove(&waitings->items[i], &waitings->items[i + 1],
                        (waitings->n_items - i) * sizeof(*waitings->items));
                if (i == 0)
                        waitings->is_shown = false;
                return i == 0;
        }
        return false;
}

void waitings_skip(struct waitings *waitings)
{
        struct waiting first = waitings->items[0];

        memmove(&waitings->items[0], &waitings->items[1],
                (waitings->n_items - 1) * sizeof(*waitings->items));
        waitings->items[waitings->n_items - 1] = first;
        waitings->is_shown = false;
}

void waitings_show(struct waitings *waitings)
{
        if (waitings->is_shown || waitings->n_items == 0)
                return;
        waitings->is_shown = true;
        fputs(waitings->items[0].text, stdout);
        if (waitings->n_items > 1)
                printf("  %zu more wait\n", waitings->n_items - 1);
        printf("[a]llow or [d]eny (? explains): ");
        fflush(stdout);
}
