/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An allow-list for seccomp(2). flowd reads packets from strangers; a fault in that code
 * should find nothing to do. What is not listed fails with EPERM and is visible in an
 * strace, instead of taking the machine's network down with a signal.
 */

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "engine/sandbox.h"

static const int allowed[] = {
        /* the loop */
        SCMP_SYS(epoll_wait),
        SCMP_SYS(epoll_pwait),
        SCMP_SYS(epoll_ctl),
        SCMP_SYS(epoll_create1),
        SCMP_SYS(timerfd_settime),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep),
        /* channels and netlink */
        SCMP_SYS(recvmsg),
        SCMP_SYS(recvmmsg),
        SCMP_SYS(recvfrom),
        SCMP_SYS(sendmsg),
        SCMP_SYS(sendto),
        SCMP_SYS(accept4),
        SCMP_SYS(bind),
        SCMP_SYS(listen),
        SCMP_SYS(getsockname),
        SCMP_SYS(setsockopt),
        SCMP_SYS(getsockopt),
        SCMP_SYS(fcntl),
        SCMP_SYS(read),
        SCMP_SYS(write),
        SCMP_SYS(writev),
        SCMP_SYS(close),
        SCMP_SYS(dup),
        /* delivered flows and their relays */
        SCMP_SYS(connect),
        SCMP_SYS(getpeername),
        SCMP_SYS(socketpair),
        SCMP_SYS(splice),
        SCMP_SYS(pipe2),
        SCMP_SYS(shutdown),
        /* memory that filters are shown */
        SCMP_SYS(memfd_create),
        SCMP_SYS(ftruncate),
        /* maps, links, test runs */
        SCMP_SYS(bpf),
        SCMP_SYS(unlink),
        /* memory, signals, exit */
        SCMP_SYS(mmap),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(mprotect),
        SCMP_SYS(madvise),
        SCMP_SYS(brk),
        SCMP_SYS(futex),
        SCMP_SYS(getrandom),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(sigaltstack), /* the sanitizers' threads, when they end */
        SCMP_SYS(sched_yield),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(tgkill),
        SCMP_SYS(fstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
#ifdef __SANITIZE_ADDRESS__ /* when it ends, another process stops it and looks for leaks */
        SCMP_SYS(clone),
        SCMP_SYS(prctl),
        SCMP_SYS(ptrace),
        SCMP_SYS(wait4),
        SCMP_SYS(getppid),
        SCMP_SYS(open),
        SCMP_SYS(openat),
        SCMP_SYS(lseek),
        SCMP_SYS(stat),
        SCMP_SYS(readlink),
        SCMP_SYS(getdents),
        SCMP_SYS(getdents64),
#endif
};

/* A UDP flow that is delivered needs a socket of its own. */
static const scmp_datum_t families[] = { AF_NETLINK, AF_INET, AF_INET6 };

/* Packet filters are told the names of interfaces. */
static int allow_names(scmp_filter_ctx filter)
{
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                SCMP_A1(SCMP_CMP_EQ, SIOCGIFNAME));
}

static void cleanup_filter(scmp_filter_ctx *filter)
{
        if (*filter)
                seccomp_release(*filter);
}

int sandbox_enter(void)
{
        _cleanup_(cleanup_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
        int r = 0;

        if (!filter)
                return -ENOMEM;
        /* All threads: those that carry bytes were started before, since clone() is not listed. */
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
        for (size_t i = 0; i < ARRAY_SIZE(allowed) && r >= 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        for (size_t i = 0; i < ARRAY_SIZE(families) && r >= 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                                     SCMP_A0(SCMP_CMP_EQ, families[i]));
        if (r >= 0)
                r = allow_names(filter);
        if (r >= 0)
                r = seccomp_load(filter);
        return r;
}
