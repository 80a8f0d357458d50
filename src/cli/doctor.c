/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl doctor: can netext work here? Of the kernel only the engine can tell, by trying each
 * mechanism, so netext-flowd --probe is run and its findings, one JSON object a line,
 * are put in words. It works without a running instance.
 */

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/output/writer.h"
#include "cli/polkit.h"

static void cleanup_json(json_t **json)
{
        json_decref(*json);
}

#define _cleanup_json_ _cleanup_(cleanup_json)

/* Starts the prober; *ret_out is where it writes. */
static int probe_start(const char *program, pid_t *ret_pid, int *ret_out)
{
        int ends[2];
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC))
                return -errno;
        pid = fork();
        if (pid < 0) {
                close(ends[0]);
                close(ends[1]);
                return -errno;
        }
        if (pid == 0) {
                dup2(ends[1], STDOUT_FILENO);
                execl(program, program, "--probe", NULL);
                cli_complain("cannot run %s: %s; is netext installed completely?", program,
                             strerror(errno));
                _exit(CLI_RUN_NOT_FOUND);
        }
        close(ends[1]);
        *ret_pid = pid;
        *ret_out = ends[0];
        return 0;
}

/* An array of the findings; NULL with a complaint. */
static json_t *read_findings(int fd)
{
        _cleanup_file_ FILE *in = fdopen(fd, "r");
        _cleanup_json_ json_t *findings = json_array();
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        if (!in || !findings)
                cli_no_memory();
        while (getline(&line, &size, in) > 0) {
                json_error_t error;
                json_t *finding = json_loads(line, JSON_REJECT_DUPLICATES, &error);

                if (!json_is_object(finding)) {
                        line[strcspn(line, "\n")] = '\0';
                        json_decref(finding);
                        cli_complain("netext-flowd --probe printed what is not a JSON object: %s",
                                     line);
                        return NULL;
                }
                json_array_append_new(findings, finding);
        }
        return take_ptr(findings);
}

static json_t *probe(void)
{
        _cleanup_free_ char *program = cli_installed_path("libexec/netext/netext-flowd");
        _cleanup_json_ json_t *findings = NULL;
        int r, out = -1, status = 0;
        pid_t pid = -1;

        r = probe_start(program, &pid, &out);
        if (r) {
                cli_complain("cannot start %s: %s", program, strerror(-r));
                return NULL;
        }
        findings = read_findings(out);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!findings)
                return NULL;
        if (json_array_size(findings) == 0) {
                cli_complain("%s --probe found nothing out; what it says about that is above",
                             program);
                return NULL;
        }
        return take_ptr(findings);
}

static const char *text_of(const json_t *finding, const char *key)
{
        return json_string_value(json_object_get(finding, key)) ?: "";
}

static bool has_state(const json_t *finding, const char *state)
{
        return strcmp(text_of(finding, "state"), state) == 0;
}

/* A finding says so where netext can do without. */
static bool is_essential(const json_t *finding)
{
        return !json_is_false(json_object_get(finding, "essential"));
}

struct tally {
        size_t n_all;
        size_t n_fallback;
        size_t n_missing;
        size_t n_essential; /* of those missing */
};

static struct tally tally_findings(const json_t *findings)
{
        struct tally tally = {};
        const json_t *finding;
        size_t i;

        json_array_foreach(findings, i, finding)
        {
                tally.n_all++;
                tally.n_fallback += has_state(finding, "fallback");
                tally.n_missing += has_state(finding, "missing");
                tally.n_essential += has_state(finding, "missing") && is_essential(finding);
        }
        return tally;
}

static void print_table(const json_t *findings)
{
        _cleanup_(table_deinit) struct table table = TABLE_INIT(3);
        const json_t *finding;
        size_t i;

        json_array_foreach(findings, i, finding)
        {
                enum table_colour colour = has_state(finding, "active")     ? TABLE_GREEN
                                           : has_state(finding, "fallback") ? TABLE_YELLOW
                                                                            : TABLE_RED;

                table_add_coloured(&table, colour, text_of(finding, "state"));
                table_add(&table, text_of(finding, "title"));
                table_add(&table, text_of(finding, "using"));
        }
        table_print(&table, stdout, colour_wanted(stdout), 0);
}

static void print_line(const char *name, const char *text)
{
        if (!*text)
                return;
        printf("  %s: ", name);
        escape_text(stdout, text);
        putchar('\n');
}

/* What is not as it should be, why, and what that costs. */
static void print_details(const json_t *findings)
{
        const json_t *finding;
        size_t i;

        json_array_foreach(findings, i, finding)
        {
                if (has_state(finding, "active"))
                        continue;
                putchar('\n');
                escape_text(stdout, text_of(finding, "title"));
                putchar('\n');
                print_line("why", text_of(finding, "why"));
                print_line("lost", text_of(finding, "lost"));
        }
}

static void print_conclusion(const struct tally *tally)
{
        if (tally->n_essential > 0)
                printf("\nnetext cannot work here: of what it cannot do without, %zu %s missing.\n",
                       tally->n_essential, tally->n_essential == 1 ? "is" : "are");
        else
                printf("\nnetext works here: of %zu mechanisms %zu active, %zu by a fallback, %zu "
                       "missing that it can do without.\n",
                       tally->n_all, tally->n_all - tally->n_fallback - tally->n_missing,
                       tally->n_fallback, tally->n_missing);
}

static void print_json(const json_t *findings)
{
        struct emitter json = EMITTER_INIT(stdout);
        const json_t *finding;
        size_t i;

        emit_begin(&json, NULL, '[');
        json_array_foreach(findings, i, finding)
        {
                const char *key;
                json_t *value;

                emit_begin(&json, NULL, '{');
                json_object_foreach((json_t *)finding, key, value)
                {
                        if (json_is_boolean(value))
                                emit_bool(&json, key, json_is_true(value));
                        else
                                emit_string(&json, key, json_string_value(value));
                }
                emit_end(&json, '}');
        }
        emit_end(&json, ']');
}

int verb_doctor(struct cli *cli)
{
        _cleanup_json_ json_t *findings = NULL;
        struct tally tally;

        if (geteuid() != 0)
                return cli_complain("doctor tries each mechanism, which only root may: "
                                    "'sudo netextctl doctor'; what an instance that runs uses, "
                                    "'netextctl status' tells everybody");
        findings = probe();
        if (!findings)
                return CLI_FAILED;
        if (json_array_append_new(findings, polkit_find()) < 0)
                cli_no_memory();
        tally = tally_findings(findings);
        if (cli->json) {
                print_json(findings);
        } else {
                print_table(findings);
                print_details(findings);
                print_conclusion(&tally);
        }
        return tally.n_essential == 0 ? CLI_OK : CLI_FAILED;
}
