/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory that another process may read: written by us, and sealed so that whoever has its
 * descriptor can neither write nor cut it short (memfd_create(2), fcntl(2) on F_SEAL_FUTURE_WRITE).
 */

#include <stddef.h>
#include <stdint.h>

/* ret_fd is for the reader, and the caller's to close. 0 or a negative errno. */
int sealed_open(const char *name, size_t size, uint8_t **ret_memory, int *ret_fd);
/* The same of bytes, at least one: the descriptor, or a negative errno. */
int sealed_copy(const char *name, const void *bytes, size_t size);
/* NULL in, NULL out. */
uint8_t *sealed_close(uint8_t *memory, size_t size);
