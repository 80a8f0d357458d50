/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An allow-list for seccomp(2), and Landlock. Four parsers of outside bytes run here (tar with
 * its compressions, JSON, ASN.1, ELF), all of them by other people; whoever takes one over finds
 * a process that can read what it was given, write what it was to write, and answer.
 */

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/landlock.h"
#include "bundle/bundle.h"
#include "bundle/worker/sandbox.h"

#define CPU_S_MAX  120
#define MEMORY_MAX (1024UL * 1024 * 1024)
#define FILES_MAX  64

static const int allowed[] = {
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
        SCMP_SYS(mkdirat),
        SCMP_SYS(umask),
        SCMP_SYS(syncfs),
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

/* --- Landlock -------------------------------------------------------------------------- */

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE                                                                                      \
        (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                      \
         LANDLOCK_ACCESS_FS_MAKE_REG)

/* What the kernel cannot do is no error. */
static int restrict_files(const int *readable, int n_readable, int writable)
{
        _cleanup_fd_ int ruleset_fd = landlock_create(LANDLOCK_FIRST_VERSION);
        int r = 0;

        if (ruleset_fd < 0)
                return ruleset_fd == -EOPNOTSUPP ? 0 : ruleset_fd;
        for (int i = 0; i < n_readable && r >= 0; i++)
                r = landlock_allow(ruleset_fd, readable[i], READ);
        if (r >= 0 && writable >= 0)
                r = landlock_allow(ruleset_fd, writable, WRITE);
        return r < 0 ? r : landlock_restrict(ruleset_fd);
}

/* --- the rest -------------------------------------------------------------------------- */

static int set_limit(int resource, rlim_t value)
{
        const struct rlimit limit = { value, value };

        return setrlimit(resource, &limit) ? -errno : 0;
}

static int set_limits(void)
{
        int r = set_limit(RLIMIT_CPU, CPU_S_MAX);

        if (r >= 0)
                r = set_limit(RLIMIT_FSIZE, BUNDLE_SIZE_MAX);
        if (r >= 0)
                r = set_limit(RLIMIT_NOFILE, FILES_MAX);
        if (r >= 0)
                r = set_limit(RLIMIT_CORE, 0);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow is larger than that */
        if (r >= 0)
                r = set_limit(RLIMIT_AS, MEMORY_MAX);
#endif
        return r;
}

static void cleanup_filter(scmp_filter_ctx *filter)
{
        if (*filter)
                seccomp_release(*filter);
}

static int enter_seccomp(void)
{
        _cleanup_(cleanup_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r = 0;

        if (!filter)
                return -ENOMEM;
        for (size_t i = 0; i < ARRAY_SIZE(allowed) && r >= 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        return r < 0 ? r : seccomp_load(filter);
}

int sandbox_enter(const int *readable, int n_readable, int writable)
{
        int r = set_limits();

        if (r < 0)
                return r;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
                return -errno;
        r = restrict_files(readable, n_readable, writable);
        return r < 0 ? r : enter_seccomp();
}
