/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a program or library says about itself and what it needs, read from its ELF headers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_NEEDED_MAX 256
#define ELF_STRING_MAX 1024

enum elf_kind {
        ELF_NONE,    /* not ELF */
        ELF_BROKEN,  /* ELF by its first bytes, and cannot be read */
        ELF_PROGRAM, /* fixed, or position-independent */
        ELF_LIBRARY,
        ELF_OTHER, /* an object file, a core */
};

struct elf_object {
        enum elf_kind kind;
        bool is_script; /* begins with #! */
        bool is_native; /* for this kind of machine */
        uint16_t machine;
        char *interpreter; /* NULL: none */
        char *search;      /* DT_RUNPATH, else DT_RPATH; NULL: none */
        bool is_inherited; /* it is DT_RPATH, which libraries search too */
        char **needed;     /* ends with NULL; NULL: none */
        size_t n_needed;
};

/* Reads an open file. 0, also for what is no ELF; -ENOMEM. Free ret in any case. */
int elf_object_read(int fd, struct elf_object *ret);
void elf_object_deinit(struct elf_object *object);

/* "x86-64"; "machine 250" (buffer: 16 bytes) for what is not known. */
const char *elf_machine_name(uint16_t machine, char *buffer);
/* Of this kind of machine. */
uint16_t elf_native_machine(void);
/* Whether it is the loader of the base system of that machine. */
bool elf_is_loader(uint16_t machine, const char *path);
