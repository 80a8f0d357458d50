/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Rows of cells with their columns in line. Cells are escaped as they are added; the
 * last column is as long as it is.
 */

#include <stdbool.h>
#include <stdio.h>

enum table_colour {
        TABLE_PLAIN,
        TABLE_GREEN,
        TABLE_RED,
        TABLE_YELLOW,
        TABLE_DIM,
};

struct table_cell {
        char *text;
        size_t width;
        enum table_colour colour;
};

struct table {
        size_t n_columns;
        size_t n_cells;
        size_t capacity;
        struct table_cell *cells;
};

#define TABLE_COLUMNS_MAX 16

#define TABLE_INIT(columns)                                                                        \
        {                                                                                          \
                .n_columns = (columns)                                                             \
        }

void table_deinit(struct table *table);

/* Cells come row by row. text: borrowed for the call; NULL and "" show as "-". */
void table_add(struct table *table, const char *text);
void table_add_coloured(struct table *table, enum table_colour colour, const char *text);
/* Takes text over. */
void table_add_taken(struct table *table, char *text);

/* indent: blanks before each row. */
void table_print(const struct table *table, FILE *out, bool coloured, int indent);

/* Whether escape sequences make sense there: a terminal, and NO_COLOR is not set. */
bool colour_wanted(FILE *out);
/* The sequences that turn a colour on, and off again; "" for plain. */
const char *colour_on(enum table_colour colour);
const char *colour_off(enum table_colour colour);

/* text, escaped, and blanks up to width characters. */
void print_padded(FILE *out, const char *text, size_t width);
