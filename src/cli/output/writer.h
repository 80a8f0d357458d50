/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one way out: records become a table for people or JSON for machines. A verb
 * names its columns; what JSON shows is every key the daemon sent, under its own name.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <netext/manager.h>

#include "cli/output/table.h"

/* JSON in one pass: values where a value can stand, keys where they have a key. */
struct emitter {
        FILE *out; /* borrowed */
        unsigned int depth;
        bool follows; /* a value stands before the next one in its container */
};

#define EMITTER_INIT(file)                                                                         \
        {                                                                                          \
                .out = (file)                                                                      \
        }

/* key: NULL in an array and at the top. bracket: '{' or '['. The elements of a list stand
 * on lines of their own; emit_end() of the outermost ends the line. */
void emit_begin(struct emitter *json, const char *key, char bracket);
void emit_end(struct emitter *json, char bracket);
void emit_string(struct emitter *json, const char *key, const char *value); /* NULL: null */
void emit_uint64(struct emitter *json, const char *key, uint64_t value);
void emit_int64(struct emitter *json, const char *key, int64_t value);
void emit_bool(struct emitter *json, const char *key, bool value);
/* Keys and values of one record, without brackets. */
void emit_keys(struct emitter *json, const struct nx_properties *properties);
/* One record and one list of them. */
void emit_record(struct emitter *json, const char *key, const struct nx_properties *properties);
void emit_list(struct emitter *json, const char *key, const struct nx_list *list);

/* The value as a person reads it: a number in digits, yes or no, "" if absent. Caller owns. */
char *property_to_text(const struct nx_properties *properties, const char *key);

struct writer_column {
        const char *title;
        const char *key; /* shown as it is, unless there is fn */
        void (*fn)(struct table *table, const struct nx_properties *properties);
};

/* columns ends with a NULL title. nothing: the sentence for an empty list. */
void writer_table(FILE *out, const struct nx_list *list, const struct writer_column *columns,
                  int indent, const char *nothing);
/* On stdout, as JSON or as table. */
void writer_list(bool json, const struct nx_list *list, const struct writer_column *columns,
                 const char *nothing);
/* From here on stdout gets lines whole and at once, and Ctrl-C is how that ends well. */
void writer_begin_watch(void);
/* What was written arrived: CLI_OK, or CLI_FAILED with a complaint. */
int writer_finish(FILE *out);
