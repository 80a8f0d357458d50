/* SPDX-License-Identifier: Apache-2.0 */

/* What a rule does not say is not shown. A word that is none by itself stands in quotes. */

#include <inttypes.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/rules/rule.h"

static void put_word(FILE *out, const char *word)
{
        bool is_plain = *word && *word != '#' && !word[strcspn(word, " \t\"\\")];

        if (is_plain) {
                fputs(word, out);
                return;
        }
        fputc('"', out);
        for (; *word; word++)
                fprintf(out, "%s%c", *word == '"' || *word == '\\' ? "\\" : "", *word);
        fputc('"', out);
}

static void put(FILE *out, const struct nx_properties *rule, const char *key, const char *keyword)
{
        const char *word = nx_properties_get_string(rule, key);

        if (!word)
                return;
        fprintf(out, " %s ", keyword);
        put_word(out, word);
}

static void put_number(FILE *out, const struct nx_properties *rule, const char *key,
                       const char *keyword)
{
        if (nx_properties_has(rule, key))
                fprintf(out, " %s %" PRIu64, keyword, nx_properties_get_uint64(rule, key));
}

static void put_inode(FILE *out, const struct nx_properties *rule)
{
        if (nx_properties_has(rule, "program_inode"))
                fprintf(out, " inode %" PRIu64 ":%" PRIu64,
                        nx_properties_get_uint64(rule, "program_device"),
                        nx_properties_get_uint64(rule, "program_inode"));
}

static void put_ports(FILE *out, const char *keyword, uint64_t first, uint64_t last)
{
        if (last > first)
                fprintf(out, " %s %" PRIu64 "-%" PRIu64, keyword, first, last);
        else if (first)
                fprintf(out, " %s %" PRIu64, keyword, first);
}

/* Each clause was put with a blank before it. */
static char *finish(FILE *out, char **text)
{
        char *clauses;

        fclose(out);
        clauses = cli_format("%s", **text == ' ' ? *text + 1 : *text);
        free(*text);
        return clauses;
}

char *rule_clauses(const struct nx_properties *rule)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                cli_no_memory();
        put(out, rule, "direction", "direction");
        put(out, rule, "interface", "interface");
        put(out, rule, "program", "program");
        put(out, rule, "program_digest", "digest");
        put_inode(out, rule);
        put(out, rule, "signer", "signer");
        put(out, rule, "started_by", "started-by");
        put(out, rule, "cgroup", "cgroup");
        put(out, rule, "unit", "unit");
        put_number(out, rule, "uid", "user");
        put(out, rule, "network", "to");
        put(out, rule, "domain", "to domain");
        if (nx_properties_has(rule, "set"))
                fprintf(out, " to set:%s", nx_properties_get_string(rule, "set"));
        put_ports(out, "port", nx_properties_get_uint64(rule, "port_first"),
                  nx_properties_get_uint64(rule, "port_last"));
        put(out, rule, "local_network", "local");
        put_ports(out, "local-port", nx_properties_get_uint64(rule, "local_port_first"),
                  nx_properties_get_uint64(rule, "local_port_last"));
        put(out, rule, "protocol", "protocol");
        put_number(out, rule, "ip_protocol", "protocol");
        return finish(out, &text);
}

char *answer_clauses(const struct nx_properties *answer)
{
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                cli_no_memory();
        if (strcmp(nx_properties_get_string(answer, "direction") ?: "", "inbound") == 0)
                put(out, answer, "direction", "direction");
        put(out, answer, "program", "program");
        put_number(out, answer, "pid", "process");
        put_number(out, answer, "uid", "user");
        put(out, answer, "remote_address", "to");
        put(out, answer, "remote_name", "to domain");
        put_number(out, answer, "local_port", "port");
        put_number(out, answer, "remote_port", "port");
        put(out, answer, "protocol", "protocol");
        return finish(out, &text);
}
