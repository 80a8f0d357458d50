/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The list, as data: the kernel holds us to it. CAP_NET_ADMIN and its like are never
 * used here; they are kept to be given to netext-flowd.
 */

#include <cap-ng.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "manager/priv/priv.h"

#define CAP(name) (1ULL << CAP_##name)

static const struct {
        const char *name;
        uint64_t capabilities;
} jobs[_PRIV_JOB_MAX] = {
        [PRIV_FOLDER] = { "folder", CAP(DAC_OVERRIDE) },
        [PRIV_CGROUP] = { "cgroup", CAP(DAC_OVERRIDE) },
        [PRIV_PINS] = { "pins", CAP(SYS_ADMIN) | CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) },
        [PRIV_SPAWN] = { "spawn", CAP(CHOWN) | CAP(SETUID) | CAP(SETGID) | CAP(SETPCAP) |
                                          CAP(NET_ADMIN) | CAP(NET_RAW) | CAP(NET_BIND_SERVICE) |
                                          CAP(BPF) | CAP(PERFMON) },
        [PRIV_SIGNAL] = { "signal", CAP(KILL) },
        [PRIV_OPEN] = { "open", CAP(DAC_READ_SEARCH) },
        [PRIV_EXECUTABLE] = { "executable", CAP(SYS_PTRACE) | CAP(DAC_READ_SEARCH) },
        [PRIV_STORE] = { "store", CAP(CHOWN) | CAP(DAC_OVERRIDE) | CAP(FOWNER) },
};

void priv_trace(enum priv_job job, const char *object)
{
        log_debug("as root: %s %s", jobs[job].name, object);
}

static uint64_t all_capabilities(void)
{
        uint64_t all = 0;

        for (size_t i = 0; i < _PRIV_JOB_MAX; i++)
                all |= jobs[i].capabilities;
        return all;
}

int priv_reduce(void)
{
        uint64_t keep = all_capabilities();

        for (unsigned int capability = 0; capability < 64; capability++) {
                if (keep >> capability & 1 && !capng_have_capability(CAPNG_EFFECTIVE, capability)) {
                        log_error("netextd was started without the capability %s: start it as root",
                                  capng_capability_to_name(capability));
                        return -EPERM;
                }
        }
        capng_clear(CAPNG_SELECT_ALL);
        for (unsigned int capability = 0; capability < 64; capability++)
                if (keep >> capability & 1)
                        (void)capng_update(CAPNG_ADD,
                                           CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
                                           capability);
        if (capng_apply(CAPNG_SELECT_BOTH) < 0) {
                log_error("the kernel does not let netextd give up privileges");
                return -EPERM;
        }
        return 0;
}
