/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A bundle as it was named: a folder, or an archive that is unpacked for as long as it is open. */

#include <stdbool.h>

#include "bundle/bundle.h"

#define TRUST_FOLDER "/etc/netext/trust.d"

struct opened {
        int folder_fd;
        char *temporary;             /* the folder that an archive is unpacked in, or NULL */
        struct bundle_report report; /* of unpacking; nothing in it where that went well */
};

#define OPENED_NULL                                                                                \
        {                                                                                          \
                .folder_fd = -1                                                                    \
        }

/* 0 or CLI_FAILED, with a complaint made. An archive that is no bundle's is no error here: the
 * report says so. */
int opened_open(struct opened *opened, const char *path);
/* The same for a folder only. */
int opened_open_folder(struct opened *opened, const char *path);
void opened_close(struct opened *opened);

/*
 * Opens and looks at it. 0, or CLI_FAILED with a complaint made. trust: the trust folder, where
 * the default may be missing, and others not. Free ret in any case.
 */
int opened_verify(const char *path, const char *trust, const struct bundle_options *options,
                  struct bundle *ret);
