/* SPDX-License-Identifier: Apache-2.0 */

/* Mapped by us before it is sealed: afterwards there is no other way to map it for writing. Pages
 * come with their first use. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/sealed.h"

int sealed_open(const char *name, size_t size, uint8_t **ret_memory, int *ret_fd)
{
        _cleanup_fd_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        void *memory;

        if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
                return -errno;
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory == MAP_FAILED)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS,
                  F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
                int error = errno;

                munmap(memory, size);
                return -error;
        }
        *ret_memory = memory;
        *ret_fd = take_fd(&fd);
        return 0;
}

int sealed_copy(const char *name, const void *bytes, size_t size)
{
        uint8_t *memory;
        int fd, r;

        r = sealed_open(name, size, &memory, &fd);
        if (r < 0)
                return r;
        memcpy(memory, bytes, size);
        sealed_close(memory, size);
        return fd;
}

uint8_t *sealed_close(uint8_t *memory, size_t size)
{
        if (memory)
                munmap(memory, size);
        return NULL;
}
