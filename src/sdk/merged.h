/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The other name of a file where /bin is a link to usr/bin: "/bin/curl" of "/usr/bin/curl". Packages
 * may say either, the kernel says the latter. NULL: it has no other one. Caller owns.
 */
char *merged_name(const char *path);
