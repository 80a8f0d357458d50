/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A copy counts when a power failure cannot take parts of it away any more. */

/* Has all files and folders below folder_fd, and that itself, written to disk. 0 or a negative
 * errno. */
int bundle_sync(int folder_fd);
