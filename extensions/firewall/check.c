/* SPDX-License-Identifier: Apache-2.0 */

/* The same functions that a session's file goes through, up to the settings that it would apply. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/lines.h"
#include "common/shown.h"
#include "firewall/check.h"
#include "firewall/compile.h"

enum {
        CHECK_PASSED = 0,
        CHECK_FAILED = 1,
        CHECK_USAGE = 2,
};

static int read_rules(const char *path, const char *text, size_t size, struct problems *problems,
                      struct problems *remarks, size_t *ret_n_rules)
{
        struct nx_filter_settings *settings = NULL;
        _cleanup_rules_ struct rules *rules = NULL;
        int r;

        r = rules_parse(&rules, text, size, problems);
        if (r == 0)
                r = rules_resolve(rules, problems, remarks);
        if (r == 0)
                r = rules_compile(&settings, rules, path, problems);
        nx_filter_settings_free(settings);
        if (r == 0)
                *ret_n_rules = rules->n_rules;
        return r;
}

static int tell(const char *path, const char *text, size_t size, bool json)
{
        struct problems problems = {}, remarks = {};
        size_t n_rules = 0;
        int r = read_rules(path, text, size, &problems, &remarks, &n_rules);

        if (r < 0) {
                fprintf(stderr, "%s: cannot be checked: %s\n", path, strerror(-r));
                return CHECK_FAILED;
        }
        if (json) {
                problems_show_json(stdout, &problems, &remarks, path);
        } else {
                problems_show(stdout, &problems, path, text, size);
                problems_show(stdout, &remarks, path, text, size);
                if (r == 0)
                        printf("%s: %zu rules, no problem\n", path, n_rules);
        }
        return r == 0 ? CHECK_PASSED : CHECK_FAILED;
}

static int check(const char *path, bool json)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC), r = fd < 0 ? -errno : 0;
        char *text = NULL;
        size_t size;
        int status;

        if (r == 0)
                r = file_read(fd, RULES_FILE_MAX, &text, &size);
        if (fd >= 0)
                close(fd);
        if (r < 0) {
                fprintf(stderr, "cannot read '%s': %s\n", path, strerror(-r));
                return CHECK_FAILED;
        }
        status = tell(path, text, size, json);
        free(text);
        return fflush(stdout) == 0 ? status : CHECK_FAILED;
}

int check_main(int argc, char *argv[])
{
        bool json = argc == 4 && strcmp(argv[3], "--json") == 0;

        if (argc == 3 || json)
                return check(argv[2], json);
        fputs("Usage: firewall --check FILE [--json]; otherwise netextd starts this program.\n",
              stderr);
        return CHECK_USAGE;
}
