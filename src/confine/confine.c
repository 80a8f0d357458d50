/* SPDX-License-Identifier: Apache-2.0 */

/* An allow-list for seccomp(2), and Landlock, whose absence is no error. */

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/landlock.h"
#include "confine/confine.h"

#define FILES_MAX 64

static const int always[] = {
        /* files */
        SCMP_SYS(openat),
        SCMP_SYS(openat2),
        SCMP_SYS(read),
        SCMP_SYS(pread64),
        SCMP_SYS(write),
        SCMP_SYS(writev),
        SCMP_SYS(lseek),
        SCMP_SYS(close),
        SCMP_SYS(fcntl),
        SCMP_SYS(fstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(getdents64),
        /* the answer */
        SCMP_SYS(sendmsg),
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),
        /* memory, time, signals, exit */
        SCMP_SYS(mmap),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(mprotect),
        SCMP_SYS(madvise),
        SCMP_SYS(brk),
        SCMP_SYS(futex),
        SCMP_SYS(getrandom),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(sigaltstack), /* the sanitizers' threads, when they end */
        SCMP_SYS(sched_yield),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(tgkill),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
};

/* --- files ------------------------------------------------------------------------------- */

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static int restrict_files(const struct confinement *how)
{
        _cleanup_fd_ int ruleset_fd = landlock_create(LANDLOCK_FIRST_VERSION);
        int r = 0;

        if (ruleset_fd < 0)
                return ruleset_fd == -EOPNOTSUPP ? 0 : ruleset_fd;
        for (int i = 0; i < how->n_readable && r >= 0; i++)
                r = landlock_allow(ruleset_fd, how->readable[i], READ);
        if (r >= 0 && how->writable >= 0)
                r = landlock_allow(ruleset_fd, how->writable, READ | how->write_access);
        return r < 0 ? r : landlock_restrict(ruleset_fd);
}

/* --- the rest ---------------------------------------------------------------------------- */

static int set_limit(int resource, rlim_t value)
{
        const struct rlimit limit = { value, value };

        return setrlimit(resource, &limit) ? -errno : 0;
}

static int set_limits(const struct confinement *how)
{
        int r = how->cpu_s_max ? set_limit(RLIMIT_CPU, how->cpu_s_max) : 0;

        if (r >= 0)
                r = set_limit(RLIMIT_FSIZE, how->file_size_max);
        if (r >= 0)
                r = set_limit(RLIMIT_NOFILE, FILES_MAX);
        if (r >= 0)
                r = set_limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is larger than that */
        if (r >= 0)
                r = set_limit(RLIMIT_AS, how->memory_max);
#endif
        return r;
}

static void cleanup_filter(scmp_filter_ctx *filter)
{
        if (*filter)
                seccomp_release(*filter);
}

static int allow(scmp_filter_ctx filter, const int *calls, size_t n_calls)
{
        int r = 0;

        for (size_t i = 0; i < n_calls && r >= 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        return r;
}

static int enter_seccomp(const struct confinement *how)
{
        _cleanup_(cleanup_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r;

        if (!filter)
                return -ENOMEM;
        r = allow(filter, always, ARRAY_SIZE(always));
        if (r >= 0)
                r = allow(filter, how->calls, how->n_calls);
        return r < 0 ? r : seccomp_load(filter);
}

int confine(const struct confinement *how)
{
        int r = set_limits(how);

        if (r < 0)
                return r;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
                return -errno;
        r = restrict_files(how);
        return r < 0 ? r : enter_seccomp(how);
}
