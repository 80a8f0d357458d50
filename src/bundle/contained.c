/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Searches as ld.so(8) does, among the paths of the bundle. What a program opens with dlopen(3)
 * nobody can know before.
 */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "bundle/bundle.h"
#include "bundle/contained.h"
#include "bundle/elf-object.h"

/* With the dot and whatever version follows. */
static const char *const base_libraries[] = {
        "ld-linux",      "ld64",         "libanl.so", "libatomic.so", "libc.so",
        "libdl.so",      "libgcc_s.so",  "libm.so",   "libmvec.so",   "libnetext.so",
        "libpthread.so", "libresolv.so", "librt.so",  "libstdc++.so", "libutil.so",
};

struct inspection {
        int folder_fd;
        const struct tree *tree;
        const struct manifest *manifest;
        struct bundle_report *report;
        char *inherited; /* DT_RPATH of the program, where it has one */
};

bool contained_is_base(const char *library)
{
        for (size_t i = 0; i < ARRAY_SIZE(base_libraries); i++) {
                size_t length = strlen(base_libraries[i]);

                if (strncmp(library, base_libraries[i], length) == 0 &&
                    (library[length] == '\0' || strchr(".-", library[length])))
                        return true;
        }
        return false;
}

/* --- searching ------------------------------------------------------------------------- */

/* Takes ".", ".." and double slashes out of path. False where it leads out of the bundle. */
static bool normalise(char *path)
{
        char *to = path, *rest = path, *part;

        while ((part = strsep(&rest, "/"))) {
                size_t length = strlen(part);

                if (length == 0 || strcmp(part, ".") == 0)
                        continue;
                if (strcmp(part, "..") == 0) {
                        if (to == path)
                                return false;
                        do
                                to--;
                        while (to > path && to[-1] != '/');
                        continue;
                }
                memmove(to, part, length);
                to += length;
                *to++ = '/';
        }
        if (to > path)
                to--;
        *to = '\0';
        return true;
}

/* The folder of the bundle that entry (as in $ORIGIN/../lib) means for the object at path. False
 * where it is not in the bundle. ret: PATH_MAX bytes. */
static bool resolve(const char *path, const char *entry, size_t length, char *ret)
{
        static const char *const origins[] = { "$ORIGIN", "${ORIGIN}" };
        const char *slash = strrchr(path, '/');

        for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
                size_t size = strlen(origins[i]);

                if (length < size || memcmp(entry, origins[i], size) != 0 ||
                    (length > size && entry[size] != '/') ||
                    memchr(entry + size, '$', length - size))
                        continue;
                if (snprintf(ret, PATH_MAX, "%.*s/%.*s", slash ? (int)(slash - path) : 0, path,
                             (int)(length - size), entry + size) >= PATH_MAX)
                        return false;
                return normalise(ret);
        }
        return false;
}

static bool is_file(const struct tree *tree, const char *path)
{
        const struct tree_entry *entry = tree_find(tree, path);

        return entry && !entry->is_folder;
}

/* Whether one of the folders of search, as seen from the object at path, has the library. */
static bool is_found(const struct inspection *inspection, const char *path, const char *search,
                     const char *library)
{
        while (search && *search) {
                size_t length = strcspn(search, ":");
                char folder[PATH_MAX], file[PATH_MAX];

                if (resolve(path, search, length, folder) &&
                    snprintf(file, sizeof(file), "%s%s%s", folder, *folder ? "/" : "", library) <
                            (int)sizeof(file) &&
                    is_file(inspection->tree, file))
                        return true;
                search += length + (search[length] == ':');
        }
        return false;
}

/* A file of the bundle that has the library's name, or NULL. */
static const char *find_name(const struct tree *tree, const char *library)
{
        for (size_t i = 0; i < tree->n_entries; i++) {
                const char *path = tree->entries[i].path, *slash = strrchr(path, '/');

                if (!tree->entries[i].is_folder && strcmp(slash ? slash + 1 : path, library) == 0)
                        return path;
        }
        return NULL;
}

/* --- checks ---------------------------------------------------------------------------- */

static void check_search(struct inspection *inspection, const char *path, const char *search)
{
        while (search && *search) {
                size_t length = strcspn(search, ":");
                char folder[PATH_MAX];

                if (!resolve(path, search, length, folder))
                        bundle_report_fail(inspection->report, BUNDLE_CHECK_LIBRARY_SEARCH, path,
                                           NULL,
                                           "searches for libraries in '%.*s', which is not in the "
                                           "bundle: link with -Wl,-rpath,'$ORIGIN/../lib'",
                                           (int)length, search);
                search += length + (search[length] == ':');
        }
}

static void check_library(struct inspection *inspection, const char *path,
                          const struct elf_object *object, const char *library)
{
        const char *elsewhere;

        if (strchr(library, '/')) {
                bundle_report_fail(inspection->report, BUNDLE_CHECK_LIBRARY_SEARCH, path, library,
                                   "is needed by its path: link it with a soname that has no '/'");
                return;
        }
        if (contained_is_base(library) || is_found(inspection, path, object->search, library) ||
            is_found(inspection, inspection->manifest->executable, inspection->inherited, library))
                return;
        elsewhere = find_name(inspection->tree, library);
        if (elsewhere)
                bundle_report_fail(inspection->report, BUNDLE_CHECK_LIBRARY_OUTSIDE, path, library,
                                   "is needed, and %s is not searched for it: link with "
                                   "-Wl,-rpath,'$ORIGIN/../lib'",
                                   elsewhere);
        else
                bundle_report_fail(inspection->report, BUNDLE_CHECK_LIBRARY_OUTSIDE, path, library,
                                   "is needed, and neither in the bundle nor of the base system: "
                                   "copy it to lib/ and link with -Wl,-rpath,'$ORIGIN/../lib', or "
                                   "link it statically");
}

static void check_needed(struct inspection *inspection, const char *path,
                         const struct elf_object *object)
{
        check_search(inspection, path, object->search);
        for (size_t i = 0; i < object->n_needed; i++)
                check_library(inspection, path, object, object->needed[i]);
}

/* How its machine and this one are called. */
static void fail_machine(struct inspection *inspection, enum bundle_check check, const char *path,
                         const struct elf_object *object)
{
        char one[16], other[16];

        bundle_report_fail(
                inspection->report, check, path, NULL, "is for %s, and this machine is %s%s",
                elf_machine_name(object->machine, one),
                elf_machine_name(elf_native_machine(), other),
                object->machine == elf_native_machine() ? " of another word size or byte order"
                                                        : "");
}

static void check_form(struct inspection *inspection, const char *path,
                       const struct elf_object *object)
{
        const char *what = object->is_script             ? "a script: name the program itself"
                           : object->kind == ELF_NONE    ? "no ELF program"
                           : object->kind == ELF_BROKEN  ? "a program that cannot be read"
                           : object->kind == ELF_OTHER   ? "an object file, and not linked"
                           : object->kind != ELF_PROGRAM ? "a library"
                                                         : NULL;

        if (what)
                bundle_report_fail(inspection->report, BUNDLE_CHECK_EXECUTABLE_FORM, path, NULL,
                                   "is %s: expected a program that calls nx_main()", what);
}

static void check_interpreter(struct inspection *inspection, const char *path,
                              const struct elf_object *object)
{
        if (!object->interpreter && object->n_needed > 0)
                bundle_report_fail(inspection->report, BUNDLE_CHECK_EXECUTABLE_INTERPRETER, path,
                                   NULL, "needs libraries, and has no loader to load them");
        else if (object->interpreter && !elf_is_loader(object->machine, object->interpreter))
                bundle_report_fail(inspection->report, BUNDLE_CHECK_EXECUTABLE_INTERPRETER, path,
                                   NULL, "is loaded by '%s', which is not the base system's loader",
                                   object->interpreter);
}

static int check_program(struct inspection *inspection, const char *path,
                         const struct elf_object *object)
{
        bundle_report_asked(inspection->report, BUNDLE_CHECK_EXECUTABLE_FORM,
                            BUNDLE_CHECK_EXECUTABLE_INTERPRETER);
        check_form(inspection, path, object);
        if (object->kind != ELF_PROGRAM)
                return 0;
        if (!object->is_native) {
                fail_machine(inspection, BUNDLE_CHECK_EXECUTABLE_ARCHITECTURE, path, object);
                return 0;
        }
        check_interpreter(inspection, path, object);
        if (object->is_inherited && object->search) {
                inspection->inherited = strdup(object->search);
                if (!inspection->inherited)
                        return -ENOMEM;
        }
        check_needed(inspection, path, object);
        return 0;
}

static void check_other(struct inspection *inspection, const char *path,
                        const struct elf_object *object)
{
        if (object->kind == ELF_BROKEN)
                bundle_report_fail(inspection->report, BUNDLE_CHECK_LIBRARY_FORM, path, NULL,
                                   "is ELF by its first bytes, and cannot be read as such");
        if (object->kind != ELF_PROGRAM && object->kind != ELF_LIBRARY)
                return;
        if (object->is_native)
                check_needed(inspection, path, object);
        else
                fail_machine(inspection, BUNDLE_CHECK_LIBRARY_ARCHITECTURE, path, object);
}

static int look_at(struct inspection *inspection, const struct tree_entry *entry,
                   bool is_executable)
{
        _cleanup_(elf_object_deinit) struct elf_object object = {};
        _cleanup_fd_ int fd = tree_open(inspection->folder_fd, entry->path);
        int r;

        if (fd < 0) {
                bundle_report_fail(inspection->report, BUNDLE_CHECK_FOLDER_READABLE, entry->path,
                                   NULL, "cannot be read: %s", strerror(-fd));
                return 0;
        }
        r = elf_object_read(fd, &object);
        if (r < 0)
                return r;
        if (is_executable)
                return check_program(inspection, entry->path, &object);
        check_other(inspection, entry->path, &object);
        return 0;
}

/* The manifest's program, and icon, are they there? NULL: the program is not. */
static const struct tree_entry *check_paths(struct inspection *inspection)
{
        const char *executable = inspection->manifest->executable;
        const char *icon = inspection->manifest->icon;
        const struct tree_entry *entry =
                executable ? tree_find(inspection->tree, executable) : NULL;

        if (icon && !is_file(inspection->tree, icon))
                bundle_report_fail(inspection->report, BUNDLE_CHECK_ICON_PATH, MANIFEST_FILE,
                                   "icon", "'%s' is no file of the bundle", icon);
        if (!executable)
                return NULL;
        if (!entry || entry->is_folder) {
                bundle_report_fail(inspection->report, BUNDLE_CHECK_EXECUTABLE_PATH, MANIFEST_FILE,
                                   "executable", "'%s' is no file of the bundle", executable);
                return NULL;
        }
        bundle_report_asked(inspection->report, BUNDLE_CHECK_EXECUTABLE_MODE,
                            BUNDLE_CHECK_EXECUTABLE_MODE);
        if (!entry->is_executable)
                bundle_report_fail(inspection->report, BUNDLE_CHECK_EXECUTABLE_MODE, executable,
                                   NULL, "is not executable: chmod +x, then sign again");
        return entry;
}

int contained_check(int folder_fd, const struct tree *tree, const struct manifest *manifest,
                    struct bundle_report *report)
{
        struct inspection inspection = { folder_fd, tree, manifest, report, NULL };
        const struct tree_entry *executable = check_paths(&inspection);
        int r = executable ? look_at(&inspection, executable, true) : 0;

        for (size_t i = 0; i < tree->n_entries && r >= 0; i++)
                if (!tree->entries[i].is_folder && &tree->entries[i] != executable)
                        r = look_at(&inspection, &tree->entries[i], false);
        bundle_report_asked(report, BUNDLE_CHECK_LIBRARY_FORM, BUNDLE_CHECK_LIBRARY_OUTSIDE);
        free(inspection.inherited);
        return r;
}
