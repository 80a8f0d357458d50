/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What several verbs need: complaints, strings, the daemon's connection, and where the
 * other programs of this installation are.
 */

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/output/escape.h"
#include "cli/polkit-agent.h"

static void say(const char *format, va_list args)
{
        _cleanup_free_ char *text = NULL;

        if (vasprintf(&text, format, args) < 0)
                cli_no_memory();
        fputs("netextctl: ", stderr);
        escape_text(stderr, text);
        fputc('\n', stderr);
}

int cli_complain(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        say(format, args);
        va_end(args);
        return CLI_FAILED;
}

void cli_say(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        say(format, args);
        va_end(args);
}

_Noreturn void cli_no_memory(void)
{
        fputs("netextctl: out of memory.\n", stderr);
        exit(CLI_FAILED);
}

char *cli_format(const char *format, ...)
{
        char *text = NULL;
        va_list args;
        int r;

        va_start(args, format);
        r = vasprintf(&text, format, args);
        va_end(args);
        if (r < 0)
                cli_no_memory();
        return text;
}

struct nx_manager *cli_open(const char *instance)
{
        struct nx_manager *manager;
        const char *problem;
        int r = nx_manager_open(&manager, instance, &problem);

        if (r == 0)
                return manager;
        if (r == -EINVAL)
                cli_complain("'%s' cannot be an instance: %s", instance, problem);
        else
                cli_complain("%s", problem);
        return NULL;
}

struct nx_manager *cli_open_to_change(const char *instance)
{
        struct nx_manager *manager = cli_open(instance);

        if (!manager)
                return NULL;
        nx_manager_set_interactive(manager, true);
        polkit_agent_start();
        return manager;
}

char *cli_installed_path(const char *relative)
{
        char self[4096];
        ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

        if (size < 0)
                return cli_format("/usr/%s", relative);
        self[size] = '\0';
        for (int level = 0; level < 2; level++) { /* "/netextctl", then "/bin" */
                char *slash = strrchr(self, '/');

                if (slash)
                        *slash = '\0';
        }
        return cli_format("%s/%s", self, relative);
}

static char *absolute_path(const char *path)
{
        _cleanup_free_ char *here = NULL;

        if (*path == '/')
                return cli_format("%s", path);
        here = getcwd(NULL, 0);
        return cli_format("%s/%s", here ? here : "", path);
}

char *cli_readable_path(const char *path)
{
        if (access(path, R_OK)) {
                cli_complain("cannot read '%s': %s", path, strerror(errno));
                return NULL;
        }
        return absolute_path(path);
}

char *cli_extension(const char *word)
{
        return strchr(word, '/') ? absolute_path(word) : cli_format("%s", word);
}
