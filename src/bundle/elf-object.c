/* SPDX-License-Identifier: Apache-2.0 */

/*
 * libelf reads the headers. The dynamic section is found by the program headers, as the loader
 * finds it: section headers may say anything.
 */

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "bundle/elf-object.h"

#define DYNAMIC_MAX  4096 /* entries */
#define SEGMENTS_MAX 256

#if defined(__x86_64__)
#define NATIVE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE EM_AARCH64
#elif defined(__riscv)
#define NATIVE EM_RISCV
#elif defined(__arm__)
#define NATIVE EM_ARM
#elif defined(__i386__)
#define NATIVE EM_386
#elif defined(__powerpc64__)
#define NATIVE EM_PPC64
#elif defined(__s390x__)
#define NATIVE EM_S390
#else
#error "which machine is this?"
#endif

static const struct {
        uint16_t machine;
        const char *name;
        const char *loader;
} machines[] = {
        { EM_X86_64, "x86-64", "/lib64/ld-linux-x86-64.so.2" },
        { EM_AARCH64, "aarch64", "/lib/ld-linux-aarch64.so.1" },
        { EM_RISCV, "riscv", "/lib/ld-linux-riscv64-lp64d.so.1" },
        { EM_ARM, "arm", "/lib/ld-linux-armhf.so.3" },
        { EM_386, "i386", "/lib/ld-linux.so.2" },
        { EM_PPC64, "ppc64", "/lib64/ld64.so.2" },
        { EM_S390, "s390x", "/lib/ld64.so.1" },
};

const char *elf_machine_name(uint16_t machine, char *buffer)
{
        for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
                if (machines[i].machine == machine)
                        return machines[i].name;
        snprintf(buffer, 16, "machine %u", machine);
        return buffer;
}

uint16_t elf_native_machine(void)
{
        return NATIVE;
}

bool elf_is_loader(uint16_t machine, const char *path)
{
        for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
                if (machines[i].machine == machine)
                        return strcmp(machines[i].loader, path) == 0;
        return false;
}

void elf_object_deinit(struct elf_object *object)
{
        free(object->interpreter);
        free(object->search);
        for (size_t i = 0; i < object->n_needed; i++)
                free(object->needed[i]);
        free(object->needed);
        *object = (struct elf_object){};
}

/* A file while it is read. */
struct reader {
        Elf *elf;
        uint64_t file_size;
        GElf_Phdr segments[SEGMENTS_MAX];
        size_t n_segments;
        uint64_t strings; /* offset in the file; 0: there are none */
        uint64_t strings_size;
};

static void cleanup_elf(Elf **elf)
{
        elf_end(*elf);
}

static const GElf_Phdr *find_segment(const struct reader *reader, uint32_t type)
{
        for (size_t i = 0; i < reader->n_segments; i++)
                if (reader->segments[i].p_type == type)
                        return &reader->segments[i];
        return NULL;
}

static bool is_in_file(const struct reader *reader, uint64_t offset, uint64_t size)
{
        return offset <= reader->file_size && size <= reader->file_size - offset;
}

/* Where in the file the loader's address lies, or 0. */
static uint64_t to_offset(const struct reader *reader, uint64_t address)
{
        for (size_t i = 0; i < reader->n_segments; i++) {
                const GElf_Phdr *segment = &reader->segments[i];

                if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
                    address - segment->p_vaddr < segment->p_filesz)
                        return segment->p_offset + (address - segment->p_vaddr);
        }
        return 0;
}

static Elf_Data *read_chunk(const struct reader *reader, uint64_t offset, uint64_t size,
                            Elf_Type type)
{
        if (!is_in_file(reader, offset, size))
                return NULL;
        return elf_getdata_rawchunk(reader->elf, (int64_t)offset, size, type);
}

/* The text at offset, of at most size bytes with its NUL. Caller owns; NULL: there is none. */
static char *read_text(const struct reader *reader, uint64_t offset, uint64_t size)
{
        Elf_Data *data;

        if (size > ELF_STRING_MAX)
                size = ELF_STRING_MAX;
        if (offset >= reader->file_size)
                return NULL;
        if (size > reader->file_size - offset)
                size = reader->file_size - offset;
        data = size > 0 ? read_chunk(reader, offset, size, ELF_T_BYTE) : NULL;
        if (!data || !memchr(data->d_buf, '\0', data->d_size))
                return NULL;
        return strdup(data->d_buf);
}

static char *read_string(const struct reader *reader, uint64_t index)
{
        if (reader->strings == 0 || index >= reader->strings_size)
                return NULL;
        return read_text(reader, reader->strings + index, reader->strings_size - index);
}

/* DT_STRTAB and DT_STRSZ, which may stand behind what refers to them. */
static bool find_strings(struct reader *reader, Elf_Data *dynamic, int n)
{
        GElf_Dyn entry;

        for (int i = 0; i < n && gelf_getdyn(dynamic, i, &entry) && entry.d_tag != DT_NULL; i++) {
                if (entry.d_tag == DT_STRTAB)
                        reader->strings = to_offset(reader, entry.d_un.d_ptr);
                if (entry.d_tag == DT_STRSZ)
                        reader->strings_size = entry.d_un.d_val;
        }
        return reader->strings != 0;
}

static bool set_string(char **target, char *text)
{
        if (!text)
                return false;
        free(*target);
        *target = text;
        return true;
}

static bool add_needed(struct elf_object *object, char *text)
{
        if (!text || object->n_needed >= ELF_NEEDED_MAX) {
                free(text);
                return false;
        }
        object->needed[object->n_needed++] = text;
        return true;
}

/* False where it cannot be read. */
static bool take_entry(const struct reader *reader, const GElf_Dyn *entry, bool *has_runpath,
                       struct elf_object *ret)
{
        switch (entry->d_tag) {
        case DT_NEEDED:
                return add_needed(ret, read_string(reader, entry->d_un.d_val));
        case DT_RUNPATH:
                *has_runpath = true;
                ret->is_inherited = false;
                return set_string(&ret->search, read_string(reader, entry->d_un.d_val));
        case DT_RPATH: /* the loader ignores it beside the other */
                if (*has_runpath)
                        return true;
                ret->is_inherited = true;
                return set_string(&ret->search, read_string(reader, entry->d_un.d_val));
        case DT_FLAGS_1:
                if (entry->d_un.d_val & DF_1_PIE)
                        ret->kind = ELF_PROGRAM;
                return true;
        default:
                return true;
        }
}

static bool read_dynamic(struct reader *reader, struct elf_object *ret)
{
        const GElf_Phdr *segment = find_segment(reader, PT_DYNAMIC);
        bool has_runpath = false;
        Elf_Data *dynamic;
        GElf_Dyn entry;
        int n;

        if (!segment)
                return true;
        dynamic = read_chunk(reader, segment->p_offset, segment->p_filesz, ELF_T_DYN);
        n = dynamic ? (int)(segment->p_filesz / gelf_fsize(reader->elf, ELF_T_DYN, 1, EV_CURRENT))
                    : 0;
        if (n <= 0 || n > DYNAMIC_MAX || !find_strings(reader, dynamic, n))
                return false;
        for (int i = 0; i < n && gelf_getdyn(dynamic, i, &entry) && entry.d_tag != DT_NULL; i++)
                if (!take_entry(reader, &entry, &has_runpath, ret))
                        return false;
        return true;
}

static bool read_segments(struct reader *reader)
{
        size_t n;

        if (elf_getphdrnum(reader->elf, &n) || n > SEGMENTS_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                if (!gelf_getphdr(reader->elf, (int)i, &reader->segments[i]))
                        return false;
        reader->n_segments = n;
        return true;
}

/* ret->kind stays ELF_BROKEN where something cannot be read. */
static void read_object(struct reader *reader, struct elf_object *ret)
{
        const GElf_Phdr *segment;
        GElf_Ehdr header;
        enum elf_kind kind;

        if (elf_kind(reader->elf) != ELF_K_ELF || !gelf_getehdr(reader->elf, &header) ||
            !read_segments(reader))
                return;
        ret->machine = header.e_machine;
        ret->is_native =
                header.e_machine == NATIVE &&
                header.e_ident[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
                header.e_ident[EI_DATA] ==
                        (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB);
        if (header.e_type != ET_REL && !find_segment(reader, PT_LOAD))
                return;
        segment = find_segment(reader, PT_INTERP);
        if (segment)
                ret->interpreter = read_text(reader, segment->p_offset, segment->p_filesz);
        if (segment && !ret->interpreter)
                return;
        kind = header.e_type == ET_EXEC || (header.e_type == ET_DYN && ret->interpreter)
                       ? ELF_PROGRAM
               : header.e_type == ET_DYN ? ELF_LIBRARY
                                         : ELF_OTHER;
        if (kind == ELF_OTHER || read_dynamic(reader, ret))
                ret->kind = ret->kind == ELF_PROGRAM ? ELF_PROGRAM : kind;
        else
                ret->kind = ELF_BROKEN;
}

int elf_object_read(int fd, struct elf_object *ret)
{
        _cleanup_(cleanup_elf) Elf *elf = NULL;
        struct reader reader = {};
        char magic[SELFMAG] = "";
        struct stat st;

        if (pread(fd, magic, sizeof(magic), 0) < 2 || fstat(fd, &st))
                return 0;
        ret->is_script = memcmp(magic, "#!", 2) == 0;
        if (memcmp(magic, ELFMAG, SELFMAG) != 0)
                return 0;
        ret->kind = ELF_BROKEN;
        ret->needed = calloc(ELF_NEEDED_MAX + 1, sizeof(*ret->needed));
        if (!ret->needed)
                return -ENOMEM;
        (void)elf_version(EV_CURRENT);
        elf = elf_begin(fd, ELF_C_READ, NULL);
        if (!elf)
                return 0;
        reader.elf = elf;
        reader.file_size = (uint64_t)st.st_size;
        read_object(&reader, ret);
        return 0;
}
