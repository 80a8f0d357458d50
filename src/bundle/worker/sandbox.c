/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Four parsers of outside bytes run here (tar with its compressions, JSON, ASN.1, ELF), all of
 * them by other people; whoever takes one over finds a process that can read what it was given,
 * write what it was to write, and answer.
 */

#include <seccomp.h>

#include "base/cleanup.h"
#include "base/landlock.h"
#include "bundle/bundle.h"
#include "bundle/worker/sandbox.h"
#include "confine/confine.h"

#define CPU_S_MAX  120
#define MEMORY_MAX (1024UL * 1024 * 1024)

static const int calls[] = { SCMP_SYS(mkdirat), SCMP_SYS(umask), SCMP_SYS(syncfs) };

int sandbox_enter(const int *readable, int n_readable, int writable)
{
        return confine(&(struct confinement){
                .calls = calls,
                .n_calls = ARRAY_SIZE(calls),
                .readable = readable,
                .n_readable = n_readable,
                .writable = writable,
                .write_access = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                LANDLOCK_ACCESS_FS_MAKE_REG,
                .cpu_s_max = CPU_S_MAX,
                .file_size_max = BUNDLE_SIZE_MAX,
                .memory_max = MEMORY_MAX,
        });
}
