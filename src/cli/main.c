/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl: what a person or a script asks of netext, one file a verb. The table
 * below is all there is to know about the verbs; parsing, help and completion read it.
 */

#include <errno.h>
#include <fcntl.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/writer.h"

static struct cli cli = { .instance = NX_INSTANCE_DEFAULT };
static bool wants_help;
static bool wants_version;

const struct cli_option cli_global_options[] = {
        { "instance", "NAME", "the instance to talk to; default $NETEXT_INSTANCE, else main",
          .string = &cli.instance },
        { "json", NULL, "print JSON for programs", .flag = &cli.json },
        { "help", NULL, "explain netextctl or a verb", .flag = &wants_help },
        { "version", NULL, "print the version", .flag = &wants_version },
        {},
};

const struct cli_verb cli_verbs[] = {
        { "run", "COMMAND [ARGUMENT...]",
          "run a command under extensions, show what its flows became", run_options, 1, -1,
          verb_run },
        { "status", "", "the instance: its state, sessions, counters and mechanisms", NULL, 0, 0,
          verb_status },
        { "doctor", "", "try each kernel mechanism: active, fallback or missing", NULL, 0, 0,
          verb_doctor },
        { "session list", "", "the sessions and how they are", NULL, 0, 0, verb_session_list },
        { "session start", "EXTENSION", "start an extension, by identifier or path",
          session_start_options, 1, 1, verb_session_start },
        { "session restart", "NAME", "let another process take over from a session's", NULL, 1, 1,
          verb_session_restart },
        { "session stop", "NAME", "stop a session", NULL, 1, 1, verb_session_stop },
        { "set put", "NAME FILE",
          "replace what is in a set of destinations; - for FILE is standard input", NULL, 2, 2,
          verb_set_put },
        { "set list", "", "the sets of destinations that rules can name", NULL, 0, 0,
          verb_set_list },
        { "set show", "NAME", "what is in a set, an entry a line", NULL, 1, 1, verb_set_show },
        { "set remove", "NAME", "take a set away: rules that name it match nothing then", NULL, 1,
          1, verb_set_remove },
        { "extension new", "IDENTIFIER [FOLDER]", "begin a project: source, manifest, Makefile",
          extension_new_options, 1, 2, verb_extension_new },
        { "extension keygen", "NAME", "make NAME.key, which signs, and its certificate NAME.pem",
          extension_keygen_options, 1, 1, verb_extension_keygen },
        { "extension sign", "FOLDER", "sign all that is in a bundle's folder",
          extension_sign_options, 1, 1, verb_extension_sign },
        { "extension pack", "FOLDER [FILE]", "make one file of a signed bundle, a .nxt archive",
          NULL, 1, 2, verb_extension_pack },
        { "extension verify", "BUNDLE", "check a folder or archive as netextd does",
          extension_verify_options, 1, 1, verb_extension_verify },
        { "extension lint", "BUNDLE", "show every check of what is in a bundle, signed or not",
          NULL, 1, 1, verb_extension_lint },
        { "extension inspect", "BUNDLE|EXTENSION",
          "what a bundle is and could do; what an extension may do, and who granted that",
          extension_inspect_options, 1, 1, verb_extension_inspect },
        { "extension activate", "BUNDLE",
          "install an extension, a folder or a .nxt archive, and wait until it is enabled",
          extension_activate_options, 1, 1, verb_extension_activate },
        { "extension deactivate", "EXTENSION", "take an extension away, with all that is its",
          extension_deactivate_options, 1, 1, verb_extension_deactivate },
        { "extension list", "", "the installed extensions, and what runs of them", NULL, 0, 0,
          verb_extension_list },
        { "extension why", "EXTENSION|REQUEST", "every check of it, in order, with its result",
          NULL, 1, 1, verb_extension_why },
        { "extension properties", "EXTENSION", "everything that is known of one", NULL, 1, 1,
          verb_extension_properties },
        { "extension request", "[REQUEST]", "what was asked for, and what became of it",
          extension_request_options, 0, 1, verb_extension_request },
        { "extension approve", "EXTENSION|REQUEST", "let one run that waits for approval", NULL, 1,
          1, verb_extension_approve },
        { "extension refuse", "EXTENSION|REQUEST", "do not", NULL, 1, 1, verb_extension_refuse },
        { "extension disable", "EXTENSION", "have it stay, and not run", NULL, 1, 1,
          verb_extension_disable },
        { "extension enable", "EXTENSION", "have it run again", NULL, 1, 1, verb_extension_enable },
        { "extension policy", "", "the administrator's policy files, and what is wrong with them",
          NULL, 0, 0, verb_extension_policy },
        { "extension developer", "[on|off]", "let extensions in whoever signed them", NULL, 0, 1,
          verb_extension_developer },
        { "extension gc", "", "remove from disk what belongs to no extension", NULL, 0, 0,
          verb_extension_gc },
        { "extension reset", "", "take every extension away", NULL, 0, 0, verb_extension_reset },
        { "endpoint listen", "ENDPOINT", "a line for each event that an extension has for apps",
          NULL, 1, 1, verb_endpoint_listen },
        { "secret put", "EXTENSION NAME [FILE]",
          "deposit a secret that the extension reads; without FILE, standard input", NULL, 2, 3,
          verb_secret_put },
        { "secret list", "", "the secrets of extensions, by name", NULL, 0, 0, verb_secret_list },
        { "secret remove", "EXTENSION NAME", "take a secret away", NULL, 2, 2, verb_secret_remove },
        { "key generate", "EXTENSION NAME", "make a key that only the extension can use",
          key_generate_options, 2, 2, verb_key_generate },
        { "key import", "EXTENSION NAME FILE",
          "give it a private key with certificates, PEM or PKCS#12", key_import_options, 3, 3,
          verb_key_import },
        { "key list", "", "the keys of extensions", NULL, 0, 0, verb_key_list },
        { "key show", "EXTENSION NAME", "a public key and its certificates, as PEM", NULL, 2, 2,
          verb_key_show },
        { "key remove", "EXTENSION NAME", "take a key away: nobody can sign with it again", NULL, 2,
          2, verb_key_remove },
        { "ask", "", "be asked what extensions want to know about flows, and answer", NULL, 0, 0,
          verb_ask },
        { "rules show", "[SESSION]", "the rules in force, in the order in which they are tried",
          NULL, 0, 1, verb_rules_show },
        { "rules check", "FILE", "read a rule file of the firewall, without using it", NULL, 1, 1,
          verb_rules_check },
        { "rules why", "PROGRAM HOST PORT", "what the sessions would do with such a flow now",
          rules_why_options, 3, 3, verb_rules_why },
        { "rules answers", "", "what people have answered for longer than once", NULL, 0, 0,
          verb_rules_answers },
        { "rules forget", "ANSWER", "take an answer away: people are asked again", NULL, 1, 1,
          verb_rules_forget },
        { "flow list", "", "the flows that are kept, oldest first", flow_list_options, 0, 0,
          verb_flow_list },
        { "flow watch", "", "a line for each thing that happens to a flow", flow_watch_options,
          0, 0, verb_flow_watch },
        { "flow explain", "ID", "one flow: who, what, when, and why its verdict", NULL, 1, 1,
          verb_flow_explain },
        { "flow kill", "[ID]", "end an open flow, or all that options mean, both ways",
          flow_kill_options, 0, 1, verb_flow_kill },
        { "flow rejudge", "", "open flows meet the rules and filters of now; what is denied ends",
          NULL, 0, 0, verb_flow_rejudge },
        { "chain", "", "the order in which sessions are asked", NULL, 0, 0, verb_chain },
        { "help", "[VERB]", "explain netextctl or a verb", NULL, 0, 2, verb_help },
        { "complete", "[WORD...]", NULL, NULL, 0, -1, verb_complete },
        {},
};

static int print_version(void)
{
        printf("netextctl %s\n", nx_version());
        return CLI_OK;
}

/* Help was asked for, or nothing was. */
static int explain(const char *group)
{
        FILE *out = wants_help ? stdout : stderr;

        if (group)
                help_print_group(out, group);
        else
                help_print(out);
        return wants_help ? CLI_OK : CLI_USAGE;
}

static int check_arguments(const struct cli_verb *verb)
{
        if (cli.n_arguments < verb->min_arguments)
                cli_complain("'%s' needs %s; see 'netextctl help %s'", verb->name, verb->arguments,
                             verb->name);
        else if (verb->max_arguments >= 0 && cli.n_arguments > verb->max_arguments)
                cli_complain("'%s' has no use for '%s'; see 'netextctl help %s'", verb->name,
                             cli.arguments[verb->max_arguments], verb->name);
        else
                return 0;
        return -EINVAL;
}

/* words: the verb's own, and what follows them. */
static int run_verb(char **words)
{
        const struct cli_verb *verb = verb_find(&words);
        int status;

        if (!verb)
                return CLI_USAGE;
        cli.n_arguments =
                options_parse(words, verb->options, cli_global_options, verb->max_arguments < 0);
        cli.arguments = words;
        if (cli.n_arguments < 0)
                return CLI_USAGE;
        if (wants_help) {
                help_print_verb(stdout, verb);
                return CLI_OK;
        }
        if (check_arguments(verb))
                return CLI_USAGE;
        status = verb->fn(&cli);
        return status == CLI_OK ? writer_finish(stdout) : status;
}

/* So that no descriptor we open takes the place of one that was closed. */
static void fill_standard_descriptors(void)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        while (fd >= 0 && fd <= STDERR_FILENO);
        close_fd(fd);
}

int main(int argc, char *argv[])
{
        const char *instance = getenv("NETEXT_INSTANCE");
        char **words = argv + (argc > 0);
        const char *group;

        fill_standard_descriptors();
        if (instance && *instance)
                cli.instance = instance;
        if (options_parse(words, NULL, cli_global_options, true) < 0)
                return CLI_USAGE;
        group = verb_group(words[0]);
        if (group && options_parse(words + 1, NULL, cli_global_options, true) < 0)
                return CLI_USAGE;
        if (wants_version)
                return print_version();
        if (!words[0] || (group && !words[1]))
                return explain(group);
        return run_verb(words);
}
