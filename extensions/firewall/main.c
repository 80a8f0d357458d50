/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The bundled firewall: a rule file becomes the session's settings, and the kernel does
 * the rest, but for what people are to be asked. netextd opens the file and hands it over, at
 * first and whenever it changes.
 *
 * A file counts as a whole. With a problem in it nothing of it is applied: a first file
 * fails the start, a later one leaves the old rules in force. Problems of a first file
 * are reported from start_filter, because the last thing said there is what the person
 * who starts the session is told.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netext/extension.h>

#include "common/file.h"
#include "common/lines.h"
#include "firewall/check.h"
#include "firewall/compile.h"

#define PATH_SIZE 512 /* for messages */

struct firewall {
        bool has_file;
        char *text; /* owned: the newest file without a problem */
        size_t size;
        bool started; /* once: then there are rules to fall back on */
        char path[PATH_SIZE];
        int result; /* of the newest file: 0, a negative errno, or RULES_E_INVALID */
        struct problems problems, remarks;
        size_t n_rules;
        bool asks_by_default; /* flows that no rule matches */
        uint32_t ask_timeout_ms;
        unsigned int n_applies; /* not answered yet */
};

static void report_problem(const char *sentence, void *userdata)
{
        nx_filter_report(userdata, NX_LEVEL_ERROR, "%s", sentence);
}

static void report_remark(const char *sentence, void *userdata)
{
        nx_filter_report(userdata, NX_LEVEL_WARNING, "%s", sentence);
}

static void report_failure(struct nx_filter *filter, const struct firewall *firewall)
{
        const char *outcome = firewall->started ? "; the old rules stay in force" : "";

        if (firewall->result == RULES_E_INVALID)
                problems_tell(&firewall->problems, firewall->path, outcome, report_problem, filter);
        else
                nx_filter_report(filter, NX_LEVEL_ERROR, "%s: cannot be loaded: %s%s",
                                 firewall->path, strerror(-firewall->result), outcome);
}

static void handle_applied(struct nx_filter *filter, int result, void *userdata)
{
        struct firewall *firewall = userdata;

        /* What a newer file has overtaken, or the session's end, is not worth a word. */
        if (--firewall->n_applies > 0 || result == -ECANCELED)
                return;
        if (result < 0) {
                nx_filter_report(filter, NX_LEVEL_ERROR,
                                 "%s: the rules could not be put in force: %s; all stays as it was",
                                 firewall->path, strerror(-result));
                return;
        }
        nx_filter_report(filter, NX_LEVEL_INFO, "%zu rules in force", firewall->n_rules);
        problems_tell_each(&firewall->remarks, firewall->path, report_remark, filter);
}

static int load(struct nx_filter *filter, struct firewall *firewall, const char *text, size_t size)
{
        struct nx_filter_settings *settings = NULL;
        _cleanup_rules_ struct rules *rules = NULL;
        int r;

        firewall->problems.n = firewall->remarks.n = 0;
        r = rules_parse(&rules, text, size, &firewall->problems);
        if (r == 0)
                r = rules_resolve(rules, &firewall->problems, &firewall->remarks);
        if (r == 0)
                r = rules_compile(&settings, rules, firewall->path, &firewall->problems);
        if (r)
                return r;
        r = nx_filter_apply(filter, settings, handle_applied, firewall);
        nx_filter_settings_free(settings);
        if (r < 0)
                return r;
        firewall->n_applies++;
        firewall->n_rules = rules->n_rules;
        firewall->asks_by_default = rules->default_action == NX_FILTER_ACTION_FILTER_DATA;
        firewall->ask_timeout_ms = rules->ask_timeout_ms;
        return 0;
}

static void keep_text(struct firewall *firewall, char *text, size_t size)
{
        free(firewall->text);
        firewall->text = text;
        firewall->size = size;
}

static void handle_rules(struct nx_filter *filter, struct firewall *firewall, const char *path,
                         int fd)
{
        char *text = NULL;
        size_t size = 0;

        firewall->has_file = true;
        snprintf(firewall->path, sizeof(firewall->path), "%s", path);
        firewall->result = file_read(fd, RULES_FILE_MAX, &text, &size);
        if (firewall->result == 0)
                firewall->result = load(filter, firewall, text, size);
        if (firewall->result == 0)
                keep_text(firewall, text, size);
        else
                free(text);
        if (firewall->result && firewall->started)
                report_failure(filter, firewall);
}

/* What is in it does not matter: it was replaced, so packages may have other programs by now. */
static void handle_packages(struct nx_filter *filter, struct firewall *firewall)
{
        if (!firewall->started || !firewall->text)
                return;
        firewall->result = load(filter, firewall, firewall->text, firewall->size);
        if (firewall->result)
                report_failure(filter, firewall);
}

static void handle_file(struct nx_filter *filter, const char *name, const char *path, int fd,
                        void *userdata)
{
        if (strcmp(name, RULES_FILE) == 0)
                handle_rules(filter, userdata, path, fd);
        else if (strcmp(name, PACKAGES_FILE) == 0)
                handle_packages(filter, userdata);
        else
                nx_filter_report(filter, NX_LEVEL_WARNING,
                                 "a file '%.64s' was given: expected '" RULES_FILE
                                 "' or '" PACKAGES_FILE "'",
                                 name);
}

static int start_filter(struct nx_filter *filter, void *userdata)
{
        struct firewall *firewall = userdata;

        if (!firewall->has_file) {
                nx_filter_report(filter, NX_LEVEL_ERROR,
                                 "the firewall has no rules: give it some with --rules FILE, see "
                                 "netext-rules(5)");
                return -EINVAL;
        }
        /* A restarted flow engine is given the rules of before, also while the file is faulty. */
        if (firewall->result && !firewall->started) {
                report_failure(filter, firewall);
                return firewall->result < 0 ? firewall->result : -EINVAL;
        }
        firewall->started = true;
        return 0;
}

/* A flow that no rule has us asked about comes where the platform refused the first rules: nothing
 * passes by accident. */
static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        const struct firewall *firewall = userdata;
        const struct nx_ask ask = { NX_ASK_INIT, .timeout_ms = firewall->ask_timeout_ms };

        if (!nx_flow_get_rule(flow) && !firewall->asks_by_default)
                return NX_VERDICT_REFUSE;
        return nx_flow_ask(flow, &ask) < 0 ? NX_VERDICT_REFUSE : NX_VERDICT_PAUSE;
}

int main(int argc, char *argv[])
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "firewall",
                .version = NETEXT_VERSION,
                .filter = {
                        .start_filter = start_filter,
                        .handle_new_flow = handle_new_flow,
                        .handle_file = handle_file,
                },
        };
        struct firewall firewall = {};
        int status;

        if (argc > 1 && strcmp(argv[1], "--check") == 0)
                return check_main(argc, argv);
        status = nx_main(&extension, &firewall);
        free(firewall.text);
        return status;
}
