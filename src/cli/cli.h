/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What every verb gets and gives: the command line once it is taken apart, an exit
 * status, and one way to complain.
 */

#include <stdbool.h>
#include <stdio.h>

#include <netext/manager.h>

#include "cli/options.h"

enum cli_status {
        CLI_OK = 0,
        CLI_FAILED = 1,
        CLI_USAGE = 2,
        CLI_RUN_FAILED = 125, /* of `run`, whose other statuses are the command's */
        CLI_RUN_NOT_EXECUTABLE = 126,
        CLI_RUN_NOT_FOUND = 127,
        CLI_RUN_SIGNAL = 128, /* and the signal's number */
};

struct cli {
        const char *instance;
        bool json;
        char **arguments; /* the verb's, without options; ends with NULL */
        int n_arguments;
};

struct cli_verb {
        const char *name;                 /* "flow list" */
        const char *arguments;            /* as help shows them; "" if there are none */
        const char *help;                 /* NULL: not for people */
        const struct cli_option *options; /* NULL if there are none */
        int min_arguments;
        int max_arguments;          /* -1: what follows is a command with options of its own */
        int (*fn)(struct cli *cli); /* returns main()'s exit status */
};

/* main.c's table, which help and completion read; ends with a NULL name. */
extern const struct cli_verb cli_verbs[];
extern const struct cli_option cli_global_options[];

/* "netextctl: …" on stderr, made safe for a terminal. Returns CLI_FAILED. */
int cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "netextctl: …" on stderr, for what is no complaint. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says that there is no memory and ends the program. */
_Noreturn void cli_no_memory(void);

/* asprintf() whose result is always there: without memory the program ends. Caller owns. */
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The instance's daemon, caller owns; or NULL, with a complaint made. */
struct nx_manager *cli_open(const char *instance);
/* The same for what is not everybody's: polkit may ask a person for a password. */
struct nx_manager *cli_open_to_change(const char *instance);

/* "sbin/netextd" below the prefix that this program runs from. Caller owns. */
char *cli_installed_path(const char *relative);

/* path as seen from "/", symbolic links left as they are: the daemon watches the name that
 * was meant. Caller owns; NULL with a complaint made if it cannot be read. */
char *cli_readable_path(const char *path);

/* For `session start` and `run`: the name of an extension stays, a path becomes absolute. */
char *cli_extension(const char *word);

/* What a session can be, in words; ends with NULL. */
extern const char *const cli_kinds[];
/* The one that word means; 0 for NULL and other words. */
enum nx_provider_kind cli_kind(const char *word);

/* Takes the verb's words off *words; NULL, with a complaint made, if they name none. */
const struct cli_verb *verb_find(char ***words);
/* The verb that is called so, or NULL. */
const struct cli_verb *verb_get(const char *name);
/* word, if verbs begin with it that have two words ("flow"); else NULL. */
const char *verb_group(const char *word);
/* Whether verb is one of group's. */
bool verb_is_in(const struct cli_verb *verb, const char *group);

void help_print(FILE *out);
void help_print_group(FILE *out, const char *group);
void help_print_verb(FILE *out, const struct cli_verb *verb);

int verb_run(struct cli *cli);
int verb_status(struct cli *cli);
int verb_doctor(struct cli *cli);
int verb_session_list(struct cli *cli);
int verb_session_start(struct cli *cli);
int verb_session_stop(struct cli *cli);
int verb_session_restart(struct cli *cli);
int verb_set_put(struct cli *cli);
int verb_set_list(struct cli *cli);
int verb_set_show(struct cli *cli);
int verb_set_remove(struct cli *cli);
int verb_extension_activate(struct cli *cli);
int verb_extension_deactivate(struct cli *cli);
int verb_extension_list(struct cli *cli);
int verb_extension_why(struct cli *cli);
int verb_extension_properties(struct cli *cli);
int verb_extension_request(struct cli *cli);
int verb_extension_approve(struct cli *cli);
int verb_extension_refuse(struct cli *cli);
int verb_extension_enable(struct cli *cli);
int verb_extension_disable(struct cli *cli);
int verb_extension_reset(struct cli *cli);
int verb_extension_gc(struct cli *cli);
int verb_extension_developer(struct cli *cli);
int verb_extension_policy(struct cli *cli);
int verb_ask(struct cli *cli);
int verb_rules_show(struct cli *cli);
int verb_rules_check(struct cli *cli);
int verb_rules_why(struct cli *cli);
int verb_rules_answers(struct cli *cli);
int verb_rules_forget(struct cli *cli);
int verb_flow_list(struct cli *cli);
int verb_flow_watch(struct cli *cli);
int verb_flow_explain(struct cli *cli);
int verb_flow_kill(struct cli *cli);
int verb_flow_rejudge(struct cli *cli);
int verb_endpoint_listen(struct cli *cli);
int verb_chain(struct cli *cli);
int verb_secret_put(struct cli *cli);
int verb_secret_list(struct cli *cli);
int verb_secret_remove(struct cli *cli);
int verb_key_generate(struct cli *cli);
int verb_key_import(struct cli *cli);
int verb_key_list(struct cli *cli);
int verb_key_show(struct cli *cli);
int verb_key_remove(struct cli *cli);
int verb_extension_new(struct cli *cli);
int verb_extension_keygen(struct cli *cli);
int verb_extension_sign(struct cli *cli);
int verb_extension_pack(struct cli *cli);
int verb_extension_verify(struct cli *cli);
int verb_extension_lint(struct cli *cli);
int verb_extension_inspect(struct cli *cli);
int verb_help(struct cli *cli);
int verb_complete(struct cli *cli);

extern const struct cli_option run_options[];
extern const struct cli_option session_start_options[];
extern const struct cli_option rules_why_options[];
extern const struct cli_option flow_list_options[];
extern const struct cli_option flow_watch_options[];
extern const struct cli_option flow_kill_options[];
extern const struct cli_option extension_activate_options[];
extern const struct cli_option extension_deactivate_options[];
extern const struct cli_option extension_request_options[];
extern const struct cli_option extension_new_options[];
extern const struct cli_option extension_keygen_options[];
extern const struct cli_option extension_sign_options[];
extern const struct cli_option extension_verify_options[];
extern const struct cli_option extension_inspect_options[];
extern const struct cli_option key_generate_options[];
extern const struct cli_option key_import_options[];

/* Of whoever does not say: the same for a project and its key, so that one fits the other. */
#define EXTENSION_TEAM_DEFAULT "DEVELOPER"
