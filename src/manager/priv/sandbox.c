/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The list says what is refused, not what is allowed: extensions are written with whatever
 * libraries their authors like, and a new libc must not break them. Refused is what reaches other
 * processes or the system, what makes namespaces (a way to capabilities), and what gets
 * around the rest of the list (io_uring; clone3, whose flags cannot be looked at). The filters are
 * compiled once, so that a start does not wait for that.
 */

#include "manager/priv/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/landlock.h"

#define NAMESPACES                                                                                 \
        (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | \
         CLONE_NEWCGROUP)
#define SOCKET_TYPE_MASK 0xf
#define INSTRUCTIONS_MAX 4096

static const int refused[] = {
        /* other processes */
        SCMP_SYS(process_vm_readv),
        SCMP_SYS(process_vm_writev),
        SCMP_SYS(process_madvise),
        SCMP_SYS(pidfd_getfd),
        SCMP_SYS(kcmp),
#ifndef __SANITIZE_ADDRESS__ /* which looks for leaks that way when the extension ends */
        SCMP_SYS(ptrace),
#endif
        /* the file system */
        SCMP_SYS(mount),
        SCMP_SYS(umount2),
        SCMP_SYS(mount_setattr),
        SCMP_SYS(move_mount),
        SCMP_SYS(open_tree),
        SCMP_SYS(fsopen),
        SCMP_SYS(fsconfig),
        SCMP_SYS(fsmount),
        SCMP_SYS(fspick),
        SCMP_SYS(pivot_root),
        SCMP_SYS(chroot),
        SCMP_SYS(quotactl),
        SCMP_SYS(quotactl_fd),
        SCMP_SYS(open_by_handle_at),
        SCMP_SYS(fanotify_init),
        /* the kernel */
        SCMP_SYS(bpf),
        SCMP_SYS(perf_event_open),
        SCMP_SYS(userfaultfd),
        SCMP_SYS(io_uring_setup),
        SCMP_SYS(kexec_load),
        SCMP_SYS(kexec_file_load),
        SCMP_SYS(init_module),
        SCMP_SYS(finit_module),
        SCMP_SYS(delete_module),
        SCMP_SYS(keyctl),
        SCMP_SYS(add_key),
        SCMP_SYS(request_key),
        SCMP_SYS(lookup_dcookie),
        SCMP_SYS(syslog),
        SCMP_SYS(setns),
        /* the machine */
        SCMP_SYS(reboot),
        SCMP_SYS(swapon),
        SCMP_SYS(swapoff),
        SCMP_SYS(acct),
        SCMP_SYS(sethostname),
        SCMP_SYS(setdomainname),
        SCMP_SYS(settimeofday),
        SCMP_SYS(clock_settime),
        SCMP_SYS(clock_adjtime),
        SCMP_SYS(adjtimex),
        SCMP_SYS(vhangup),
        SCMP_SYS(iopl),
        SCMP_SYS(ioperm),
};

/* socket(2): all others are refused. */
static const int families[] = { AF_UNIX, AF_NETLINK, AF_INET, AF_INET6 };

static struct sock_fprog filters[2]; /* may it make internet sockets? */

static int refuse(scmp_filter_ctx context, int syscall, int error)
{
        int r = seccomp_rule_add(context, SCMP_ACT_ERRNO((uint32_t)error), syscall, 0);

        return r == -EDOM ? 0 : r; /* it does not exist here */
}

static int refuse_calls(scmp_filter_ctx context)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(refused); i++)
                r = refuse(context, refused[i], EPERM);
        if (r >= 0)
                r = refuse(context, SCMP_SYS(clone3), ENOSYS); /* libc takes clone() then */
        return r;
}

/* Each flag by itself: a filter compares with one mask at a time. */
static int refuse_namespaces(scmp_filter_ctx context)
{
        const int calls[] = { SCMP_SYS(clone), SCMP_SYS(unshare) };
        int r = 0;

        for (unsigned int bit = 0; bit < 32; bit++)
                for (size_t i = 0; r >= 0 && (NAMESPACES & 1U << bit) && i < ARRAY_SIZE(calls); i++)
                        r = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), calls[i], 1,
                                             SCMP_A0(SCMP_CMP_MASKED_EQ, 1U << bit, 1U << bit));
        return r;
}

static bool is_allowed_family(int family, bool may_make_internet_sockets)
{
        for (size_t i = 0; i < ARRAY_SIZE(families); i++)
                if (families[i] == family)
                        return may_make_internet_sockets || family == AF_UNIX ||
                               family == AF_NETLINK;
        return false;
}

static int refuse_sockets(scmp_filter_ctx context, bool may_make_internet_sockets)
{
        const uint32_t action = SCMP_ACT_ERRNO(EPERM);
        const int call = SCMP_SYS(socket);
        int r;

        r = seccomp_rule_add(context, action, call, 1, SCMP_A0_32(SCMP_CMP_GE, AF_MAX));
        for (int family = 0; r >= 0 && family < AF_MAX; family++) {
                if (!is_allowed_family(family, may_make_internet_sockets))
                        r = seccomp_rule_add(context, action, call, 1,
                                             SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)family));
                else if (family == AF_INET || family == AF_INET6)
                        r = seccomp_rule_add(
                                context, action, call, 2, SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)family),
                                SCMP_A1_32(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK, SOCK_RAW));
        }
        return r;
}

/* As the kernel takes it. */
static int export_filter(scmp_filter_ctx context, struct sock_fprog *ret)
{
        _cleanup_fd_ int fd = memfd_create("seccomp", MFD_CLOEXEC);
        size_t size = INSTRUCTIONS_MAX * sizeof(struct sock_filter);
        ssize_t n;
        int r;

        if (fd < 0)
                return -errno;
        r = seccomp_export_bpf(context, fd);
        if (r < 0)
                return r;
        ret->filter = malloc(size);
        if (!ret->filter)
                return -ENOMEM;
        n = pread(fd, ret->filter, size, 0);
        if (n < 0)
                return -errno;
        ret->len = (unsigned short)((size_t)n / sizeof(struct sock_filter));
        return (size_t)n < size ? 0 : -E2BIG;
}

static int compile(bool may_make_internet_sockets, struct sock_fprog *ret)
{
        scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
        int r;

        if (!context)
                return -ENOMEM;
        r = refuse_calls(context);
        if (r >= 0)
                r = refuse_namespaces(context);
        if (r >= 0)
                r = refuse_sockets(context, may_make_internet_sockets);
        if (r >= 0)
                r = export_filter(context, ret);
        seccomp_release(context);
        return r;
}

int sandbox_prepare(void)
{
        int r = 0;

        for (int i = 0; r >= 0 && i < 2; i++)
                if (!filters[i].len)
                        r = compile(i, &filters[i]);
        return r;
}

/* --- files -------------------------------------------------------------------------------- */

#define READ                                                                                       \
        (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FILE LANDLOCK_ACCESS_FS_WRITE_FILE

static const struct {
        const char *path;
        uint64_t access;
} base_system[] = {
        { "/usr", READ },
        { "/bin", READ },
        { "/sbin", READ },
        { "/lib", READ },
        { "/lib32", READ },
        { "/lib64", READ },
        { "/libx32", READ },
        { "/etc", READ },
        { "/proc", READ },
        { "/sys", READ },
        { "/run/systemd/resolve", READ },
        { "/run/NetworkManager", READ }, /* whoever writes resolv.conf */
        { "/run/resolvconf", READ },
        { "/var/lib/dpkg", READ },
        { "/var/lib/rpm", READ },
        { "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | WRITE_FILE },
        { "/dev/zero", LANDLOCK_ACCESS_FS_READ_FILE | WRITE_FILE },
        { "/dev/full", LANDLOCK_ACCESS_FS_READ_FILE | WRITE_FILE },
        { "/dev/random", LANDLOCK_ACCESS_FS_READ_FILE },
        { "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE },
};

/* What is not there cannot be read anyway. */
static int allow(int ruleset_fd, const char *path, uint64_t access)
{
        _cleanup_fd_ int fd = path ? open(path, O_PATH | O_CLOEXEC) : -1;

        return fd < 0 ? 0 : landlock_allow(ruleset_fd, fd, access);
}

int sandbox_open_files(const struct sandbox *sandbox, int *ret_fd)
{
        _cleanup_fd_ int fd = -1;
        int r;

        *ret_fd = -1;
        if (!sandbox->bundle_folder)
                return 0;
        fd = landlock_create(LANDLOCK_FIRST_VERSION);
        if (fd < 0)
                return fd == -EOPNOTSUPP ? 0 : fd;
        r = allow(fd, sandbox->bundle_folder, READ);
        if (r >= 0)
                r = allow(fd, sandbox->state_folder, LANDLOCK_FIRST_VERSION);
        for (size_t i = 0; r >= 0 && i < sandbox->n_shared_folders; i++)
                r = allow(fd, sandbox->shared_folders[i], LANDLOCK_FIRST_VERSION);
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(base_system); i++)
                r = allow(fd, base_system[i].path, base_system[i].access);
        if (r < 0)
                return r;
        *ret_fd = take_fd(&fd);
        return 0;
}

int sandbox_enter(const struct sandbox *sandbox, int files_fd)
{
        _cleanup_fd_ int fd = files_fd;
        int r = fd < 0 ? 0 : landlock_restrict(fd);

        if (r < 0)
                return r;
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER,
                     &filters[sandbox->may_make_internet_sockets], 0, 0) < 0
                       ? -errno
                       : 0;
}
