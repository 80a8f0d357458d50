/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SHA-256 of open files, in a thread of its own: the data path waits neither for a disk nor
 * for a large file. Files that are there at once take turns, so that a large one does not
 * keep the others waiting; only one whose read() does not return does.
 */

#include <stdint.h>

struct hasher;
struct loop;

#define HASHER_DIGEST_SIZE 32
#define HASHER_FILE_MAX    (1024 * 1024 * 1024) /* of what is larger, nobody is told a digest */

struct hasher_result {
        uint64_t id;
        int fd;    /* borrowed: the file, to be looked at once more */
        int error; /* 0, -EFBIG, -EINVAL for what is no file, or read()'s */
        uint8_t digest[HASHER_DIGEST_SIZE];
};

/* Called from the loop; result is borrowed. */
typedef void hasher_done_fn(const struct hasher_result *result, void *userdata);

/* Starts the thread: before sandbox_enter(). loop is borrowed until hasher_free(). */
int hasher_new(struct hasher **ret_hasher, struct loop *loop, hasher_done_fn *fn, void *userdata);
/* What is not done is not told; NULL in, NULL out. */
struct hasher *hasher_free(struct hasher *hasher);
/* fd is handed over, also on failure. After 0 fn is called, once, with id. */
int hasher_add(struct hasher *hasher, uint64_t id, int fd);
