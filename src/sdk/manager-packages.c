/* SPDX-License-Identifier: Apache-2.0 */

/* Packages are known to whoever can read their database, so the daemon need not. */

#include <errno.h>

#include "sdk/manager.h"
#include "sdk/package.h"
#include "sdk/public.h"

_public_ void nx_manager_want_packages(struct nx_manager *manager, bool wanted)
{
        manager->wants_packages = wanted;
}

/* Of a path that is somebody's own, whatever the database says is about another file. */
static const char *program_of(const struct nx_properties *flow)
{
        return nx_properties_get_bool(flow, "program_path_trusted")
                       ? nx_properties_get_string(flow, "program")
                       : NULL;
}

int manager_add_packages(struct nx_properties *flows, size_t n)
{
        _cleanup_free_ const char **programs = calloc(n, sizeof(*programs));
        _cleanup_free_ char **packages = calloc(n, sizeof(*packages));
        int r = 0;

        if (n > 0 && (!programs || !packages))
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                programs[i] = program_of(&flows[i]);
        packages_of(PACKAGE_DATABASES, programs, n, packages);
        for (size_t i = 0; i < n; i++)
                if (r == 0 && packages[i])
                        r = properties_add_package(&flows[i], packages[i]);
                else
                        free(packages[i]);
        return r;
}
