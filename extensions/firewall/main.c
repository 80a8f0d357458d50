/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The bundled firewall: a rule file becomes the session's settings, and the kernel does
 * the rest. netextd opens the file and hands it over, at first and whenever it changes.
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
#include "firewall/compile.h"

#define FILE_NAME "rules"
#define PATH_SIZE 512 /* for messages */

struct firewall {
        bool has_file;
        bool started; /* once: then there are rules to fall back on */
        char path[PATH_SIZE];
        int result; /* of the newest file: 0, a negative errno, or RULES_E_INVALID */
        struct problems problems;
        size_t n_rules;
        unsigned int n_applies; /* not answered yet */
};

static void report_problem(const char *sentence, void *userdata)
{
        nx_filter_report(userdata, NX_LEVEL_ERROR, "%s", sentence);
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
        if (result == 0)
                nx_filter_report(filter, NX_LEVEL_INFO, "%zu rules in force", firewall->n_rules);
        else
                nx_filter_report(filter, NX_LEVEL_ERROR,
                                 "%s: the rules could not be put in force: %s; all stays as it was",
                                 firewall->path, strerror(-result));
}

static int parse_file(struct rules **ret_rules, int fd, struct problems *problems)
{
        char *text = NULL;
        size_t size = 0;
        int r;

        r = file_read(fd, RULES_FILE_MAX, &text, &size);
        if (r == 0)
                r = rules_parse(ret_rules, text, size, problems);
        free(text);
        return r;
}

static int load(struct nx_filter *filter, struct firewall *firewall, int fd)
{
        struct nx_filter_settings *settings = NULL;
        _cleanup_rules_ struct rules *rules = NULL;
        int r;

        firewall->problems.n = 0;
        r = parse_file(&rules, fd, &firewall->problems);
        if (r == 0)
                r = rules_resolve(rules, &firewall->problems);
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
        return 0;
}

static void handle_file(struct nx_filter *filter, const char *name, const char *path, int fd,
                        void *userdata)
{
        struct firewall *firewall = userdata;

        if (strcmp(name, FILE_NAME) != 0) {
                nx_filter_report(filter, NX_LEVEL_WARNING,
                                 "a file '%.64s' was given: expected only '" FILE_NAME "'", name);
                return;
        }
        firewall->has_file = true;
        snprintf(firewall->path, sizeof(firewall->path), "%s", path);
        firewall->result = load(filter, firewall, fd);
        if (firewall->result && firewall->started)
                report_failure(filter, firewall);
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

/* Only asked where the platform refused the first rules: nothing passes by accident. */
static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
                                       void *userdata)
{
        return NX_VERDICT_REFUSE;
}

int main(void)
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

        return nx_main(&extension, &firewall);
}
