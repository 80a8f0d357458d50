/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes that nobody may see: in OpenSSL's secure heap, where it keeps the numbers of private keys
 * as well. That is locked into memory, stays out of core dumps, and is wiped when it is freed.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct locked {
        uint8_t *bytes;
        size_t size;
};

/* Before anything else of OpenSSL, and before the process is confined. 0, or negative errno after
 * a log line. */
int locked_open_heap(void);

/* 0 or -ENOMEM. */
int locked_new(struct locked *ret, size_t size);
void locked_deinit(struct locked *locked);

#define _cleanup_locked_ _cleanup_(locked_deinit)
