/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The summary after a run. A program often makes the same connection many times, so
 * flows that read the same are one row with a count, in the order in which each was
 * first seen.
 */

#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/flow.h"
#include "cli/output/writer.h"
#include "cli/run/summary.h"

struct row {
        char *outcome;
        char *program;
        char *remote;
        char *why;
        size_t first; /* index of the first flow of it */
        size_t n_flows;
};

struct rows {
        struct row *rows;
        size_t n_rows;
};

static void row_deinit(struct row *row)
{
        free(row->outcome);
        free(row->program);
        free(row->remote);
        free(row->why);
}

static void rows_deinit(struct rows *rows)
{
        for (size_t i = 0; i < rows->n_rows; i++)
                row_deinit(&rows->rows[i]);
        free(rows->rows);
}

static int compare_text(const struct row *a, const struct row *b)
{
        int r = strcmp(a->outcome, b->outcome);

        r = r ? r : strcmp(a->program, b->program);
        r = r ? r : strcmp(a->remote, b->remote);
        return r ? r : strcmp(a->why, b->why);
}

static int compare_rows(const void *a, const void *b)
{
        const struct row *left = a, *right = b;
        int r = compare_text(left, right);

        return r ? r : (left->first > right->first) - (left->first < right->first);
}

static int compare_first(const void *a, const void *b)
{
        const struct row *left = a, *right = b;

        return (left->first > right->first) - (left->first < right->first);
}

static void row_fill(struct row *row, const struct nx_properties *flow, size_t index)
{
        *row = (struct row){
                .outcome = cli_format("%s", flow_outcome(flow)),
                .program = flow_program_name(flow),
                .remote = flow_remote(flow),
                .why = flow_why(flow),
                .first = index,
                .n_flows = 1,
        };
}

/* Sorted: equal rows stand together, and the earliest leads. */
static void rows_merge(struct rows *rows)
{
        size_t n_kept = 0;

        for (size_t i = 0; i < rows->n_rows; i++) {
                struct row *row = &rows->rows[i];

                if (n_kept > 0 && compare_text(&rows->rows[n_kept - 1], row) == 0) {
                        rows->rows[n_kept - 1].n_flows++;
                        row_deinit(row);
                } else {
                        rows->rows[n_kept++] = *row;
                }
        }
        rows->n_rows = n_kept;
}

static struct rows rows_of(const struct nx_list *flows)
{
        size_t n_flows = nx_list_get_count(flows);
        struct rows rows = { .rows = calloc(n_flows + 1, sizeof(struct row)), .n_rows = n_flows };

        if (!rows.rows)
                cli_no_memory();
        for (size_t i = 0; i < n_flows; i++)
                row_fill(&rows.rows[i], nx_list_get(flows, i), i);
        qsort(rows.rows, rows.n_rows, sizeof(struct row), compare_rows);
        rows_merge(&rows);
        qsort(rows.rows, rows.n_rows, sizeof(struct row), compare_first);
        return rows;
}

static void print_rows(FILE *out, const struct rows *rows)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(5);

        for (size_t i = 0; i < rows->n_rows; i++) {
                const struct row *row = &rows->rows[i];

                table_add_coloured(&table, flow_outcome_colour(row->outcome), row->outcome);
                table_add_taken(&table, cli_format("%zux", row->n_flows));
                table_add(&table, row->program);
                table_add(&table, row->remote);
                table_add(&table, row->why);
        }
        table_print(&table, out, colour_wanted(out), 2);
}

static void print_text(FILE *out, const struct run_outcome *outcome, const struct nx_list *flows)
{
        _cleanup_(rows_deinit) struct rows rows = rows_of(flows);
        size_t n_flows = nx_list_get_count(flows);

        fputs("netext: ", out);
        escape_text(out, outcome->command);
        if (n_flows == 0)
                fputs(" made no flows.\n", out);
        else
                fprintf(out, " made %zu flow%s:\n", n_flows, n_flows == 1 ? "" : "s");
        print_rows(out, &rows);
}

void run_summary_print(FILE *out, bool json, const struct run_outcome *outcome,
                       const struct nx_list *flows)
{
        struct emitter emitter = EMITTER_INIT(out);

        if (!json) {
                print_text(out, outcome, flows);
                return;
        }
        emit_begin(&emitter, NULL, '{');
        emit_string(&emitter, "instance", outcome->instance);
        emit_string(&emitter, "command", outcome->command);
        emit_int64(&emitter, "status", outcome->status);
        emit_list(&emitter, "flows", flows);
        emit_end(&emitter, '}');
}
