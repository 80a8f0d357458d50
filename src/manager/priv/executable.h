/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a process executes, as an open file: flowd has no file system to open it in. netextd
 * does not read it.
 */

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

/* fd: read-only, taken over, or a negative errno. */
typedef void executable_opened_fn(uint64_t request, int fd, void *userdata);

/*
 * Calls fn, later, with request. 0, or a negative errno and then fn is not called; -EBUSY while
 * too many others are being opened. userdata has to be there for as long as event runs.
 */
int executable_open(sd_event *event, uint64_t request, pid_t pid, executable_opened_fn *fn,
                    void *userdata);
