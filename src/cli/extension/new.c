/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl extension new: a project that builds and runs as it is. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle/manifest.h"
#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/file.h"
#include "cli/extension/template.h"
#include "cli/output/writer.h"

#define NAME_SIZE 64 /* of the longest label */

static struct option_list providers;
static const char *team = EXTENSION_TEAM_DEFAULT;

const struct cli_option extension_new_options[] = {
        { "provider", "KIND,...",
          "filter, transparent-proxy, app-proxy, packet-filter; default filter", .words = cli_kinds,
          .list = &providers },
        { "team", "TEAM", "whose it is; default " EXTENSION_TEAM_DEFAULT, .string = &team },
        {},
};

/* The last label in lower case, as programs are called. */
static void set_name(char *name, const char *identifier)
{
        const char *label = strrchr(identifier, '.') + 1;
        size_t length = strlen(label) < NAME_SIZE - 1 ? strlen(label) : NAME_SIZE - 1;

        for (size_t i = 0; i < length; i++)
                name[i] = (char)(label[i] >= 'A' && label[i] <= 'Z' ? label[i] - 'A' + 'a'
                                                                    : label[i]);
        name[length] = '\0';
}

static int write_project(const struct project *project, const char *folder)
{
        const struct {
                const char *file;
                char *(*make)(const struct project *project);
        } files[] = {
                { "main.c", template_source },
                { "manifest.json", template_manifest },
                { "Makefile", template_makefile },
        };

        if (mkdir(folder, 0777))
                return cli_complain("cannot make '%s': %s", folder,
                                    errno == EEXIST ? "it is there already" : strerror(errno));
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                _cleanup_free_ char *path = cli_format("%s/%s", folder, files[i].file);
                _cleanup_free_ char *text = files[i].make(project);
                int r = file_create(path, 0666, text, strlen(text));

                if (r != 0)
                        return r;
        }
        return 0;
}

static int check_words(const char *identifier)
{
        if (!manifest_is_identifier(identifier))
                return cli_complain("'%s' is no identifier: expected a reversed domain of letters, "
                                    "digits and dashes, such as com.example.filter",
                                    identifier);
        if (!manifest_is_team(team))
                return cli_complain("'%s' is no team: expected letters, digits and dashes, at most "
                                    "%d",
                                    team, MANIFEST_TEAM_MAX);
        return 0;
}

int verb_extension_new(struct cli *cli)
{
        const char *identifier = cli->arguments[0];
        char name[NAME_SIZE];
        const char *folder = cli->n_arguments > 1 ? cli->arguments[1] : name;
        struct project project = { .identifier = identifier, .name = name, .team = team };
        struct emitter json = EMITTER_INIT(stdout);
        int r = check_words(identifier);

        if (r != 0)
                return r;
        set_name(name, identifier);
        for (size_t i = 0; i < providers.n_items; i++)
                project.kinds |= 1U << cli_kind(providers.items[i]);
        if (project.kinds == 0)
                project.kinds = 1U << NX_PROVIDER_KIND_FILTER;
        r = write_project(&project, folder);
        if (r != 0)
                return r;
        if (!cli->json) {
                printf("%s/ is a project; 'make -C %s' makes a bundle of it.\n", folder, folder);
                return CLI_OK;
        }
        emit_begin(&json, NULL, '{');
        emit_string(&json, "folder", folder);
        emit_string(&json, "identifier", identifier);
        emit_end(&json, '}');
        return CLI_OK;
}
