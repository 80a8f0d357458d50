/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A kernel without Landlock says ENOSYS, one in which it is switched off EOPNOTSUPP: who asks
 * goes on without it in both cases, and so hears one of the two.
 */

#include "base/landlock.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

bool landlock_is_there(void)
{
        return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

int landlock_create(uint64_t handled)
{
        const struct landlock_ruleset_attr attribute = { .handled_access_fs = handled };
        int fd = (int)syscall(SYS_landlock_create_ruleset, &attribute, sizeof(attribute), 0);

        if (fd >= 0)
                return fd;
        return errno == ENOSYS ? -EOPNOTSUPP : -errno;
}

int landlock_allow(int ruleset_fd, int folder_fd, uint64_t access)
{
        struct landlock_path_beneath_attr rule = { .allowed_access = access,
                                                   .parent_fd = folder_fd };
        long r = syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);

        return r < 0 ? -errno : 0;
}

int landlock_restrict(int ruleset_fd)
{
        return syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0 ? -errno : 0;
}
