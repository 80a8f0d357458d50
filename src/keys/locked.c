/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What OpenSSL's parsers of files take from the other heap is not locked, so the process is kept
 * from being dumped or traced, and what is freed there is wiped, too.
 */

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>

#include "base/log.h"
#include "keys/locked.h"

#define HEAP_SIZE      (1024 * 1024)
#define HEAP_ITEM_SIZE 32

static void *allocate(size_t size, const char *file, int line)
{
        return malloc(size);
}

static void wipe_and_free(void *memory, const char *file, int line)
{
        if (memory)
                explicit_bzero(memory, malloc_usable_size(memory));
        free(memory);
}

static void *move(void *memory, size_t size, const char *file, int line)
{
        size_t before = memory ? malloc_usable_size(memory) : 0;
        void *moved = size ? malloc(size) : NULL;

        if (size && !moved)
                return NULL;
        if (memory && moved)
                memcpy(moved, memory, before < size ? before : size);
        wipe_and_free(memory, file, line);
        return moved;
}

int locked_open_heap(void)
{
        if (!CRYPTO_set_mem_functions(allocate, move, wipe_and_free)) {
                log_error("OpenSSL does not let its memory be wiped");
                return -EINVAL;
        }
        switch (CRYPTO_secure_malloc_init(HEAP_SIZE, HEAP_ITEM_SIZE)) {
        case 0:
                log_error("there is no memory for secrets");
                return -ENOMEM;
        case 1:
                return 0;
        default:
                log_warning("the memory for secrets cannot be locked and may reach the swap: its "
                            "limit (LimitMEMLOCK= of the service) is less than 1 MiB");
                return 0;
        }
}

int locked_new(struct locked *ret, size_t size)
{
        ret->bytes = OPENSSL_secure_malloc(size);
        ret->size = ret->bytes ? size : 0;
        return ret->bytes ? 0 : -ENOMEM;
}

void locked_deinit(struct locked *locked)
{
        OPENSSL_secure_clear_free(locked->bytes, locked->size);
        *locked = (struct locked){};
}
