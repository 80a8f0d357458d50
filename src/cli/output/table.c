/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A table is a list of cells that is laid out when it is printed: only then is known
 * how wide a column must be. Widths count characters, not bytes and not escapes.
 */

#include <string.h>
#include <unistd.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/table.h"

#define COLUMN_GAP 2

void table_deinit(struct table *table)
{
        for (size_t i = 0; i < table->n_cells; i++)
                free(table->cells[i].text);
        free(table->cells);
}

static struct table_cell *table_grow(struct table *table)
{
        if (table->n_cells == table->capacity) {
                size_t capacity = table->capacity ? table->capacity * 2 : 64;
                struct table_cell *cells = reallocarray(table->cells, capacity, sizeof(*cells));

                if (!cells)
                        cli_no_memory();
                table->cells = cells;
                table->capacity = capacity;
        }
        return &table->cells[table->n_cells++];
}

void table_add_coloured(struct table *table, enum table_colour colour, const char *text)
{
        struct table_cell *cell = table_grow(table);
        size_t size;
        FILE *out;

        *cell = (struct table_cell){ .colour = colour };
        out = open_memstream(&cell->text, &size);
        if (!out)
                cli_no_memory();
        cell->width = escape_text(out, text && *text ? text : "-");
        fclose(out);
        if (!cell->text)
                cli_no_memory();
}

void table_add(struct table *table, const char *text)
{
        table_add_coloured(table, TABLE_PLAIN, text);
}

void table_add_taken(struct table *table, char *text)
{
        table_add(table, text);
        free(text);
}

static size_t column_width(const struct table *table, size_t column)
{
        size_t width = 0;

        for (size_t i = column; i < table->n_cells; i += table->n_columns)
                if (table->cells[i].width > width)
                        width = table->cells[i].width;
        return width;
}

static void print_cell(const struct table_cell *cell, FILE *out, bool coloured, int padding)
{
        enum table_colour colour = coloured ? cell->colour : TABLE_PLAIN;

        fprintf(out, "%s%s%s%*s", colour_on(colour), cell->text, colour_off(colour), padding, "");
}

void table_print(const struct table *table, FILE *out, bool coloured, int indent)
{
        size_t widths[TABLE_COLUMNS_MAX];

        for (size_t column = 0; column < table->n_columns; column++)
                widths[column] = column_width(table, column);
        for (size_t i = 0; i < table->n_cells; i++) {
                const struct table_cell *cell = &table->cells[i];
                size_t column = i % table->n_columns;
                bool last = column == table->n_columns - 1;

                if (column == 0)
                        fprintf(out, "%*s", indent, "");
                print_cell(cell, out, coloured,
                           last ? 0 : (int)(widths[column] - cell->width) + COLUMN_GAP);
                if (last)
                        fputc('\n', out);
        }
}

bool colour_wanted(FILE *out)
{
        const char *no_color = getenv("NO_COLOR");
        const char *term = getenv("TERM");

        return isatty(fileno(out)) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

const char *colour_on(enum table_colour colour)
{
        static const char *const sequences[] = {
                [TABLE_PLAIN] = "",          [TABLE_GREEN] = "\033[32m", [TABLE_RED] = "\033[31m",
                [TABLE_YELLOW] = "\033[33m", [TABLE_DIM] = "\033[2m",
        };

        return sequences[colour];
}

const char *colour_off(enum table_colour colour)
{
        return colour == TABLE_PLAIN ? "" : "\033[0m";
}

void print_padded(FILE *out, const char *text, size_t width)
{
        size_t n_shown = escape_text(out, text);

        if (n_shown < width)
                fprintf(out, "%*s", (int)(width - n_shown), "");
}
