/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/bundle/elf-object.c */
/* fuzz-flags: -lelf */

/* A program's or library's headers. What is read of them is bounded strings. */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bundle/elf-object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int fd = memfd_create("program", MFD_CLOEXEC);
        struct elf_object object = {};

        require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        require(elf_object_read(fd, &object) == 0);
        require(object.n_needed <= ELF_NEEDED_MAX);
        for (size_t i = 0; i < object.n_needed; i++)
                require(strlen(object.needed[i]) < ELF_STRING_MAX);
        require(!object.search || strlen(object.search) < ELF_STRING_MAX);
        require(object.kind != ELF_NONE || (!object.interpreter && object.n_needed == 0));
        elf_object_deinit(&object);
        close(fd);
        return 0;
}
