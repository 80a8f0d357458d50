/* SPDX-License-Identifier: Apache-2.0 */

/* The table of checks, as arrays. */

#include <errno.h>
#include <string.h>

#include "bundle/check.h"

static const struct check {
        const char *name;
        enum bundle_code code;
        const char *meaning;
} checks[_BUNDLE_CHECK_MAX] = {
#define CHECK(id, name, code, passed) [BUNDLE_CHECK_##id] = { name, code, passed },
        BUNDLE_CHECKS(CHECK)
#undef CHECK
};

const char *bundle_check_name(enum bundle_check check)
{
        return checks[check].name;
}

int bundle_check_from_name(const char *name)
{
        for (int check = 0; check < _BUNDLE_CHECK_MAX; check++)
                if (strcmp(checks[check].name, name) == 0)
                        return check;
        return -EINVAL;
}

enum bundle_code bundle_check_code(enum bundle_check check)
{
        return checks[check].code;
}

const char *bundle_check_meaning(enum bundle_check check)
{
        return checks[check].meaning;
}
