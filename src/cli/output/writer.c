/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records to a table or to JSON. The table has the columns a verb chose, the JSON all
 * keys in the daemon's order, so that a key that a later daemon adds needs no new
 * netextctl. JSON is written as it goes: nothing is kept but the depth.
 */

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"

static void emit_next(struct emitter *json, const char *key)
{
        if (json->follows)
                fputc(',', json->out);
        if (!key && json->depth > 0)
                fputc('\n', json->out);
        else if (json->follows)
                fputc(' ', json->out);
        if (key) {
                escape_json(json->out, key);
                fputs(": ", json->out);
        }
        json->follows = true;
}

void emit_begin(struct emitter *json, const char *key, char bracket)
{
        emit_next(json, key);
        fputc(bracket, json->out);
        json->depth++;
        json->follows = false;
}

void emit_end(struct emitter *json, char bracket)
{
        if (bracket == ']' && json->follows)
                fputc('\n', json->out);
        fputc(bracket, json->out);
        json->depth--;
        json->follows = json->depth > 0;
        if (json->depth == 0)
                fputc('\n', json->out);
}

void emit_string(struct emitter *json, const char *key, const char *value)
{
        emit_next(json, key);
        if (value)
                escape_json(json->out, value);
        else
                fputs("null", json->out);
}

void emit_uint64(struct emitter *json, const char *key, uint64_t value)
{
        emit_next(json, key);
        fprintf(json->out, "%" PRIu64, value);
}

void emit_int64(struct emitter *json, const char *key, int64_t value)
{
        emit_next(json, key);
        fprintf(json->out, "%" PRId64, value);
}

void emit_bool(struct emitter *json, const char *key, bool value)
{
        emit_next(json, key);
        fputs(value ? "true" : "false", json->out);
}

void emit_keys(struct emitter *json, const struct nx_properties *properties)
{
        for (size_t i = 0; i < nx_properties_get_count(properties); i++) {
                const char *key = nx_properties_get_key(properties, i);

                switch (nx_properties_get_type(properties, i)) {
                case NX_PROPERTY_BOOL:
                        emit_bool(json, key, nx_properties_get_bool(properties, key));
                        break;
                case NX_PROPERTY_UINT64:
                        emit_uint64(json, key, nx_properties_get_uint64(properties, key));
                        break;
                case NX_PROPERTY_INT64:
                        emit_int64(json, key, nx_properties_get_int64(properties, key));
                        break;
                case NX_PROPERTY_STRING:
                        emit_string(json, key, nx_properties_get_string(properties, key));
                        break;
                }
        }
}

void emit_record(struct emitter *json, const char *key, const struct nx_properties *properties)
{
        emit_begin(json, key, '{');
        emit_keys(json, properties);
        emit_end(json, '}');
}

void emit_list(struct emitter *json, const char *key, const struct nx_list *list)
{
        emit_begin(json, key, '[');
        for (size_t i = 0; i < nx_list_get_count(list); i++)
                emit_record(json, NULL, nx_list_get(list, i));
        emit_end(json, ']');
}

static bool find_type(const struct nx_properties *properties, const char *key,
                      enum nx_property_type *ret_type)
{
        for (size_t i = 0; i < nx_properties_get_count(properties); i++)
                if (strcmp(nx_properties_get_key(properties, i), key) == 0) {
                        *ret_type = nx_properties_get_type(properties, i);
                        return true;
                }
        return false;
}

char *property_to_text(const struct nx_properties *properties, const char *key)
{
        enum nx_property_type type;

        if (!find_type(properties, key, &type))
                return cli_format("%s", "");
        switch (type) {
        case NX_PROPERTY_BOOL:
                return cli_format("%s", nx_properties_get_bool(properties, key) ? "yes" : "no");
        case NX_PROPERTY_UINT64:
                return cli_format("%" PRIu64, nx_properties_get_uint64(properties, key));
        case NX_PROPERTY_INT64:
                return cli_format("%" PRId64, nx_properties_get_int64(properties, key));
        case NX_PROPERTY_STRING:
                return cli_format("%s", nx_properties_get_string(properties, key));
        }
        return cli_format("%s", "");
}

static void add_row(struct table *table, const struct writer_column *columns,
                    const struct nx_properties *properties)
{
        for (; columns->title; columns++)
                if (columns->fn)
                        columns->fn(table, properties);
                else
                        table_add_taken(table, property_to_text(properties, columns->key));
}

void writer_table(FILE *out, const struct nx_list *list, const struct writer_column *columns,
                  int indent, const char *nothing)
{
        _cleanup_(table_deinit) struct table table = {};

        if (nx_list_get_count(list) == 0) {
                fprintf(out, "%*s%s\n", indent, "", nothing);
                return;
        }
        for (const struct writer_column *column = columns; column->title; column++)
                table.n_columns++;
        for (const struct writer_column *column = columns; column->title; column++)
                table_add_coloured(&table, TABLE_DIM, column->title);
        for (size_t i = 0; i < nx_list_get_count(list); i++)
                add_row(&table, columns, nx_list_get(list, i));
        table_print(&table, out, colour_wanted(out), indent);
}

void writer_list(bool json, const struct nx_list *list, const struct writer_column *columns,
                 const char *nothing)
{
        struct emitter out = EMITTER_INIT(stdout);

        if (json)
                emit_list(&out, NULL, list);
        else
                writer_table(stdout, list, columns, 0, nothing);
}

static void handle_interrupt(int signo)
{
        _exit(CLI_OK);
}

void writer_begin_watch(void)
{
        setlinebuf(stdout);
        signal(SIGINT, handle_interrupt);
}

int writer_finish(FILE *out)
{
        if (fflush(out) == 0 && !ferror(out))
                return CLI_OK;
        return cli_complain("cannot write: %s", strerror(errno));
}
