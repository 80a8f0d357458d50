/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Ends the flowd of an earlier netextd, of which nothing is known but the socket that it listens
 * on. 0, also where there is none; -ETIMEDOUT, or another negative errno.
 */
int earlier_end(const char *flowd_socket);
