/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A bundle that is not where it was looked for: in that folder one may be called nearly so, or be
 * the extension that was named, in a folder that is not called after it.
 */

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "bundle/manifest.h"
#include "cli/cleanup.h"
#include "cli/extension/extension.h"

/* Owned; NULL: that is no bundle's folder. */
static char *identifier_of(const char *folder, const char *name)
{
        _cleanup_free_ char *path = cli_format("%s%s/" MANIFEST_FILE, folder, name);
        json_t *manifest = json_load_file(path, 0, NULL);
        const char *text = json_string_value(json_object_get(manifest, "identifier"));
        char *identifier = text && manifest_is_identifier(text) ? cli_format("%s", text) : NULL;

        json_decref(manifest);
        return identifier;
}

static bool is_extension(const char *folder, const char *name, const char *wanted)
{
        _cleanup_free_ char *identifier = identifier_of(folder, name);

        return identifier && strcmp(identifier, wanted) == 0;
}

static int complain_search(const char *path, const char *folder)
{
        return cli_complain("there is no '%s': the folder %s cannot be searched: %s", path, folder,
                            strerror(errno));
}

int extension_complain_missing(const char *path)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
        _cleanup_free_ char *folder =
                slash ? cli_format("%.*s", (int)(slash - path + 1), path) : cli_format("./");
        _cleanup_free_ char *best = NULL;
        _cleanup_dir_ DIR *entries = opendir(folder);
        struct nearest nearest;
        struct dirent *entry;

        if (!entries)
                return complain_search(path, folder);
        nearest_init(&nearest, name);
        while ((entry = readdir(entries))) {
                size_t before = nearest.distance;

                if (is_extension(folder, entry->d_name, name))
                        return cli_complain("there is no '%s' in %s; its bundle is '%s' there",
                                            name, folder, entry->d_name);
                nearest_offer(&nearest, entry->d_name, strlen(entry->d_name));
                if (nearest.distance == before)
                        continue;
                free(best);
                best = cli_format("%s", entry->d_name);
        }
        if (best)
                return cli_complain("there is no '%s' in %s; did you mean '%s'?", name, folder,
                                    best);
        return cli_complain("there is no '%s' in %s", name, folder);
}
