/* SPDX-License-Identifier: Apache-2.0 */

/* A bundle's report and facts, to tables and to JSON. */

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <netext/netext.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/show.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"

#define KINDS_MAX    32
#define DIGEST_SHOWN 12 /* digits, as `list` shows them */

/* --- the report ------------------------------------------------------------------------ */

static enum table_colour colour_of(enum wire_check_result result)
{
        return result == WIRE_CHECK_PASSED   ? TABLE_GREEN
               : result == WIRE_CHECK_FAILED ? TABLE_RED
               : result == WIRE_CHECK_WARNED ? TABLE_YELLOW
                                             : TABLE_DIM;
}

/* "manifest.json: endpoints[0].name: '…' is no name". Caller owns. */
static char *sentence_of(const struct bundle_finding *finding)
{
        return cli_format("%s%s%s%s%s", finding->file ?: "", finding->file ? ": " : "",
                          finding->key ?: "", finding->key ? ": " : "", finding->text ?: "");
}

static void print_findings(FILE *out, const struct bundle_report *report, bool all)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(3);

        for (size_t i = 0; i < report->n_findings; i++) {
                const struct bundle_finding *finding = &report->findings[i];

                if (!all && finding->result != WIRE_CHECK_FAILED &&
                    finding->result != WIRE_CHECK_WARNED)
                        continue;
                table_add_coloured(&table, colour_of(finding->result),
                                   wire_name_to_string(wire_check_results, (int)finding->result));
                table_add(&table, bundle_check_name(finding->check));
                table_add_taken(&table, sentence_of(finding));
        }
        table_print(&table, out, colour_wanted(out), 0);
}

static size_t count_passed(const struct bundle_report *report)
{
        size_t n = 0;

        for (size_t i = 0; i < report->n_findings; i++)
                n += report->findings[i].result == WIRE_CHECK_PASSED;
        return n;
}

static const char *code_name(enum bundle_code code)
{
        switch (code) {
        case BUNDLE_CODE_MISSING_CAPABILITY:
                return "missing entitlement";
        case BUNDLE_CODE_MISSING_IDENTIFIER:
                return "missing identifier";
        case BUNDLE_CODE_UNKNOWN_CATEGORY:
                return "unknown category";
        case BUNDLE_CODE_SIGNATURE_INVALID:
                return "signature invalid";
        default:
                return "validation failed";
        }
}

void show_report(const struct bundle *bundle, const char *path, bool all)
{
        const struct bundle_report *report = &bundle->report;
        const struct bundle_finding *failure = bundle_report_failure(report);
        _cleanup_free_ char *conclusion = NULL;

        print_findings(stdout, report, all);
        if (failure)
                conclusion = cli_format("%s is refused: %zu failed, %zu warned, %zu passed; error "
                                        "%d, %s.",
                                        path, report->n_failed, report->n_warned,
                                        count_passed(report), bundle_check_code(failure->check),
                                        code_name(bundle_check_code(failure->check)));
        else
                conclusion = cli_format("%s is good: %zu warned, %zu passed.", path,
                                        report->n_warned, count_passed(report));
        escape_text(stdout, conclusion);
        putchar('\n');
}

void show_failures(const struct bundle_report *report)
{
        print_findings(stderr, report, false);
}

/* --- facts ----------------------------------------------------------------------------- */

static void add_fact(struct table *table, const char *name, const char *value)
{
        if (!value)
                return;
        table_add(table, name);
        table_add(table, value);
}

static void add_fact_taken(struct table *table, const char *name, char *value)
{
        add_fact(table, name, value);
        free(value);
}

/* "2026-11-25 20:00 UTC". Caller owns. */
static char *format_time(int64_t seconds)
{
        time_t time = (time_t)seconds;
        char text[32];
        struct tm tm;

        if (seconds == 0 || !gmtime_r(&time, &tm) ||
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm) == 0)
                return NULL;
        return cli_format("%s", text);
}

/* The providers with commas between them. Caller owns; NULL: there are none. */
static char *format_providers(uint32_t kinds)
{
        char *text = NULL;

        for (unsigned int kind = 0; kind < KINDS_MAX; kind++) {
                _cleanup_free_ char *before = text;

                if (kinds & 1U << kind && manifest_provider_name(kind))
                        text = cli_format("%s%s%s", before ?: "", before ? ", " : "",
                                          manifest_provider_name(kind));
                else
                        before = NULL;
        }
        return text;
}

static char *format_peers(const struct manifest_endpoint *endpoint)
{
        char *text = cli_format("%s", "");

        for (size_t i = 0; i < endpoint->n_peers; i++) {
                const struct manifest_peer *peer = &endpoint->peers[i];
                _cleanup_free_ char *before = text;

                text = cli_format("%s%s%s%s%s", before, *before ? ", " : "",
                                  manifest_peer_kind_name(peer->kind), peer->value ? " " : "",
                                  peer->value ?: "");
        }
        return text;
}

static char *format_signer(const struct bundle_signer *signer)
{
        if (!signer->identity)
                return cli_format("nobody");
        return cli_format("%s, team %s, %s%s", signer->name ?: "?", signer->team ?: "?",
                          !signer->is_trusted ? "not trusted here"
                          : signer->root      ? "vouched for by "
                                              : "vouched for by a root of this machine",
                          signer->is_trusted && signer->root ? signer->root : "");
}

static void add_manifest(struct table *table, const struct bundle *bundle)
{
        const struct manifest *manifest = &bundle->manifest;

        add_fact(table, "identifier", manifest->identifier);
        add_fact(table, "name", manifest->name);
        add_fact(table, "vendor", manifest->vendor);
        if (manifest->short_version && manifest->version)
                add_fact_taken(table, "version",
                               cli_format("%s (%s)", manifest->short_version, manifest->version));
        add_fact(table, "team", manifest->team);
        add_fact(table, "category", manifest_category_name(manifest->category));
        add_fact(table, "scope", manifest_scope_name(manifest->scope));
        add_fact(table, "used for", manifest->usage_description);
        add_fact(table, "program", manifest->executable);
        add_fact_taken(table, "providers", format_providers(manifest->kinds));
        for (size_t i = 0; i < manifest->n_endpoints; i++) {
                _cleanup_free_ char *peers = format_peers(&manifest->endpoints[i]);

                add_fact_taken(table, "endpoint",
                               cli_format("%s.%s.%s for %s", manifest->team ?: "?",
                                          manifest->identifier ?: "?",
                                          manifest->endpoints[i].name ?: "?", peers));
        }
        for (size_t i = 0; i < manifest->n_groups; i++)
                add_fact(table, "group", manifest->groups[i]);
        if (manifest->requires_netext)
                add_fact(table, "requires netext", manifest->requires_netext);
        if (manifest->grace_time)
                add_fact_taken(table, "grace time", cli_format("%u s", manifest->grace_time));
}

static void add_signature(struct table *table, const struct bundle *bundle)
{
        add_fact_taken(table, "signed by", format_signer(&bundle->signer));
        add_fact_taken(table, "signed at", format_time(bundle->signer.signed_at));
        if (*bundle->signer.certificate)
                add_fact(table, "certificate", bundle->signer.certificate);
        if (*bundle->digest)
                add_fact_taken(table, "digest", cli_format("%.*s", DIGEST_SHOWN, bundle->digest));
        add_fact_taken(
                table, "content",
                cli_format("%" PRIu64 " files, %" PRIu64 " bytes", bundle->n_files, bundle->size));
}

/* Who asks for it. A signature is what makes that the signer's word. Caller owns. */
static char *format_asker(const struct bundle *bundle)
{
        return cli_format("%s, %s", "manifest.json",
                          bundle->signer.is_trusted ? bundle->signer.name ?: "signed"
                                                    : "not signed by anybody trusted");
}

static void print_capabilities(const struct bundle *bundle)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(3);
        _cleanup_free_ char *asker = format_asker(bundle);

        table_add(&table, "CAPABILITY");
        table_add(&table, "ASKED FOR BY");
        table_add(&table, "GRANTED BY");
        for (unsigned int i = 0; i < _MANIFEST_CAPABILITY_MAX; i++) {
                if (!(bundle->manifest.capabilities & 1U << i))
                        continue;
                table_add(&table, manifest_capability_name(i));
                table_add(&table, asker);
                table_add(&table, "nobody before approval, or a policy");
        }
        putchar('\n');
        table_print(&table, stdout, colour_wanted(stdout), 0);
}

void show_facts(const struct bundle *bundle)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(2);

        add_manifest(&table, bundle);
        add_signature(&table, bundle);
        table_print(&table, stdout, colour_wanted(stdout), 0);
        if (bundle->manifest.capabilities)
                print_capabilities(bundle);
}

/* --- JSON ------------------------------------------------------------------------------ */

static void emit_endpoints(struct emitter *json, const struct manifest *manifest)
{
        emit_begin(json, "endpoints", '[');
        for (size_t i = 0; i < manifest->n_endpoints; i++) {
                const struct manifest_endpoint *endpoint = &manifest->endpoints[i];

                emit_begin(json, NULL, '{');
                emit_string(json, "name", endpoint->name);
                emit_begin(json, "peers", '[');
                for (size_t k = 0; k < endpoint->n_peers; k++) {
                        emit_begin(json, NULL, '{');
                        emit_string(json, "kind", manifest_peer_kind_name(endpoint->peers[k].kind));
                        emit_string(json, "value", endpoint->peers[k].value);
                        emit_end(json, '}');
                }
                emit_end(json, ']');
                emit_begin(json, "activation", '[');
                for (char **word = endpoint->activation; word && *word; word++)
                        emit_string(json, NULL, *word);
                emit_end(json, ']');
                emit_end(json, '}');
        }
        emit_end(json, ']');
}

static void emit_manifest(struct emitter *json, const struct manifest *manifest)
{
        emit_string(json, "identifier", manifest->identifier);
        emit_string(json, "version", manifest->version);
        emit_string(json, "short_version", manifest->short_version);
        emit_string(json, "team", manifest->team);
        emit_string(json, "requires_netext", manifest->requires_netext);
        emit_string(json, "name", manifest->name);
        emit_string(json, "vendor", manifest->vendor);
        emit_string(json, "usage_description", manifest->usage_description);
        emit_string(json, "icon", manifest->icon);
        emit_string(json, "category", manifest_category_name(manifest->category));
        emit_string(json, "scope", manifest_scope_name(manifest->scope));
        emit_string(json, "executable", manifest->executable);
        emit_begin(json, "providers", '[');
        for (unsigned int kind = 0; kind < KINDS_MAX; kind++)
                if (manifest->kinds & 1U << kind)
                        emit_string(json, NULL, manifest_provider_name(kind));
        emit_end(json, ']');
        emit_begin(json, "capabilities", '[');
        for (unsigned int i = 0; i < _MANIFEST_CAPABILITY_MAX; i++)
                if (manifest->capabilities & 1U << i) {
                        emit_begin(json, NULL, '{');
                        emit_string(json, "name", manifest_capability_name(i));
                        emit_string(json, "granted_by", NULL);
                        emit_end(json, '}');
                }
        emit_end(json, ']');
        emit_endpoints(json, manifest);
        emit_begin(json, "groups", '[');
        for (size_t i = 0; i < manifest->n_groups; i++)
                emit_string(json, NULL, manifest->groups[i]);
        emit_end(json, ']');
        if (manifest->grace_time)
                emit_int64(json, "grace_time", manifest->grace_time);
}

static void emit_signer(struct emitter *json, const struct bundle_signer *signer)
{
        emit_begin(json, "signer", '{');
        emit_string(json, "team", signer->team);
        emit_string(json, "name", signer->name);
        emit_string(json, "root", signer->root);
        emit_string(json, "identity", signer->identity);
        emit_string(json, "certificate", *signer->certificate ? signer->certificate : NULL);
        emit_int64(json, "signed_at", signer->signed_at);
        emit_int64(json, "valid_until", signer->valid_until);
        emit_bool(json, "trusted", signer->is_trusted);
        emit_end(json, '}');
}

static void emit_checks(struct emitter *json, const struct bundle_report *report)
{
        emit_begin(json, "checks", '[');
        for (size_t i = 0; i < report->n_findings; i++) {
                const struct bundle_finding *finding = &report->findings[i];

                emit_begin(json, NULL, '{');
                emit_string(json, "check", bundle_check_name(finding->check));
                emit_string(json, "result",
                            wire_name_to_string(wire_check_results, (int)finding->result));
                emit_uint64(json, "code", bundle_check_code(finding->check));
                emit_string(json, "file", finding->file);
                emit_string(json, "key", finding->key);
                emit_string(json, "text", finding->text);
                emit_end(json, '}');
        }
        emit_end(json, ']');
}

void show_json(const struct bundle *bundle)
{
        const struct bundle_finding *failure = bundle_report_failure(&bundle->report);
        struct emitter json = EMITTER_INIT(stdout);

        emit_begin(&json, NULL, '{');
        emit_bool(&json, "good", bundle_report_is_good(&bundle->report));
        emit_uint64(&json, "code", failure ? bundle_check_code(failure->check) : 0);
        emit_manifest(&json, &bundle->manifest);
        emit_signer(&json, &bundle->signer);
        emit_string(&json, "digest", *bundle->digest ? bundle->digest : NULL);
        emit_uint64(&json, "files", bundle->n_files);
        emit_uint64(&json, "size", bundle->size);
        emit_checks(&json, &bundle->report);
        emit_end(&json, '}');
}
