/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The outermost name decides, for what is below a container's cgroup is the container's own to
 * name. And below a unit of a user's own systemd, who made it is that user: it may be a container
 * of his, or look like one.
 */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "owner/place.h"

/* How an engine names the cgroup of a container: parent, then a name of prefix, identifier, suffix.
 */
struct pattern {
        const char *engine;
        const char *parent; /* the cgroup above; "kubepods*": its beginning; NULL: any */
        const char *prefix;
        const char *suffix;
        bool is_hexadecimal; /* 64 digits; else a name, with systemd's escapes */
};

static const struct pattern patterns[] = {
        /* engines that have systemd make the cgroup */
        { "docker", NULL, "docker-", ".scope", true },
        { "podman", NULL, "libpod-", ".scope", true },
        { "containerd", NULL, "cri-containerd-", ".scope", true },
        { "containerd", NULL, "nerdctl-", ".scope", true },
        { "cri-o", NULL, "crio-", ".scope", true },
        { "systemd-nspawn", "machine.slice", "systemd-nspawn@", ".service", false },
        { "machine", "machine.slice", "machine-", ".scope", false },
        /* those that make it themselves */
        { "docker", "docker", "", "", true },
        { "podman", NULL, "libpod-", "", true },
        { "cri-o", NULL, "crio-", "", true },
        { "cri", "pod*", "", "", true },
        { "lxc", NULL, "lxc.payload.", "", false },
        { "lxc", "lxc", "", "", false },
};

#define DIGITS 64

static bool starts_with(const char *text, size_t size, const char *prefix)
{
        return size >= strlen(prefix) && strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *text, size_t size, const char *suffix)
{
        size_t length = strlen(suffix);

        return size >= length && strncmp(text + size - length, suffix, length) == 0;
}

static bool is_slice(const char *name, size_t size)
{
        return size > strlen(".slice") && ends_with(name, size, ".slice");
}

bool place_find_unit(const char *path, char ret_unit[static PLACE_SIZE])
{
        static const char *const types[] = { ".service", ".scope", ".socket", ".mount", ".swap" };
        size_t size;

        *ret_unit = '\0';
        if (*path != '/')
                return false;
        for (path++; is_slice(path, size = strcspn(path, "/")) && path[size]; path += size + 1)
                ;
        for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
                if (size > strlen(types[i]) && size < PLACE_SIZE &&
                    ends_with(path, size, types[i])) {
                        snprintf(ret_unit, PLACE_SIZE, "%.*s", (int)size, path);
                        return true;
                }
        }
        return false;
}

static bool is_parent(const struct pattern *pattern, const char *parent, size_t size)
{
        size_t length;

        if (!pattern->parent)
                return true;
        length = strlen(pattern->parent);
        if (pattern->parent[length - 1] == '*')
                return size >= length && strncmp(parent, pattern->parent, length - 1) == 0;
        return size == length && strncmp(parent, pattern->parent, length) == 0;
}

static bool is_identifier(const char *text, size_t size)
{
        return size == DIGITS && strspn(text, "0123456789abcdef") >= size;
}

static int hexadecimal(char c)
{
        return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* "a\x2db" to "a-b". */
static void unescape(const char *text, size_t size, char *to)
{
        for (size_t i = 0; i < size; i++) {
                if (size - i >= 4 && text[i] == '\\' && text[i + 1] == 'x' &&
                    isxdigit((unsigned char)text[i + 2]) && isxdigit((unsigned char)text[i + 3])) {
                        *to++ = (char)(hexadecimal(text[i + 2]) << 4 | hexadecimal(text[i + 3]));
                        i += 3;
                } else {
                        *to++ = text[i];
                }
        }
        *to = '\0';
}

/* A virtual machine's cgroup is named like a container's: "machine-qemu\x2d1\x2dNAME.scope". */
static bool is_virtual_machine(const char *name)
{
        return strncmp(name, "qemu-", strlen("qemu-")) == 0;
}

static bool name_matches(const struct pattern *pattern, const char *name, size_t size,
                         char ret_container[static PLACE_SIZE])
{
        char identifier[PLACE_SIZE];
        size_t n;

        if (size >= PLACE_SIZE / 2 || !starts_with(name, size, pattern->prefix) ||
            !ends_with(name, size, pattern->suffix) ||
            size <= strlen(pattern->prefix) + strlen(pattern->suffix))
                return false;
        name += strlen(pattern->prefix);
        n = size - strlen(pattern->prefix) - strlen(pattern->suffix);
        if (pattern->is_hexadecimal && !is_identifier(name, n))
                return false;
        unescape(name, n, identifier);
        if (is_virtual_machine(identifier))
                return false;
        snprintf(ret_container, PLACE_SIZE, "%s:%.*s", pattern->engine, PLACE_SIZE / 2, identifier);
        return true;
}

bool place_find_container(const char *path, char ret_container[static PLACE_SIZE])
{
        const char *parent = "";
        size_t parent_size = 0, size;

        *ret_container = '\0';
        for (; *path; parent = path, parent_size = size, path += size) {
                path += strspn(path, "/");
                size = strcspn(path, "/");
                for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
                        if (is_parent(&patterns[i], parent, parent_size) &&
                            name_matches(&patterns[i], path, size, ret_container))
                                return true;
        }
        return false;
}
