/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Every value has a line in a table and a function that reads it. A file that is not there, or is
 * not for us, has nothing to say; one that cannot be read for lack of descriptors or memory leaves
 * the value as it was.
 */

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sdk/public.h"
#include "sdk/system.h"

#define LINE_MAX_READ 4096
#define BLANKS        " \t\r\n"

/* NULL and 0: it has nothing to say. */
static int open_file(const char *root, const char *path, FILE **ret)
{
        char whole[PATH_MAX];

        snprintf(whole, sizeof(whole), "%s%s", root, path);
        *ret = fopen(whole, "re");
        return *ret || (errno != EMFILE && errno != ENFILE && errno != ENOMEM) ? 0 : -errno;
}

/* Without the blanks around it; NULL where nothing else is there. Caller owns. 0 or -ENOMEM. */
static int copy_trimmed(const char *text, char **ret)
{
        size_t length;

        text += strspn(text, BLANKS);
        length = strlen(text);
        while (length > 0 && strchr(BLANKS, text[length - 1]))
                length--;
        *ret = length > 0 ? strndup(text, length) : NULL;
        return length > 0 && !*ret ? -ENOMEM : 0;
}

/* What stands behind "NAME=", without its quotes; NULL: another line. */
static char *value_in(char *line, const char *name)
{
        size_t length = strlen(name);
        char *value, *end;

        line += strspn(line, BLANKS);
        if (strncmp(line, "export ", 7) == 0)
                line += 7 + strspn(line + 7, BLANKS);
        if (strncmp(line, name, length) != 0 || line[length] != '=')
                return NULL;
        value = line + length + 1;
        if (*value != '"' && *value != '\'')
                return value;
        end = strchr(value + 1, *value);
        if (end)
                *end = '\0';
        return value + 1;
}

/* As a shell reads it: the last line counts. */
static int read_assignment(const char *root, const char *path, const char *name, char **ret)
{
        _cleanup_file_ FILE *file = NULL;
        char line[LINE_MAX_READ];
        int r = open_file(root, path, &file);

        *ret = NULL;
        while (r >= 0 && file && fgets(line, sizeof(line), file)) {
                char *value = value_in(line, name);

                if (!value)
                        continue;
                free(*ret);
                r = copy_trimmed(value, ret);
        }
        return r;
}

static int read_locale(const char *root, const char *variable, char **ret)
{
        int r = read_assignment(root, "/etc/locale.conf", "LANG", ret);

        return r < 0 || *ret ? r : read_assignment(root, "/etc/default/locale", "LANG", ret);
}

static int read_first_line(const char *root, const char *path, char **ret)
{
        _cleanup_file_ FILE *file = NULL;
        char line[LINE_MAX_READ];
        int r = open_file(root, path, &file);

        *ret = NULL;
        return r >= 0 && file && fgets(line, sizeof(line), file) ? copy_trimmed(line, ret) : r;
}

/* -1: it is no link. */
static ssize_t read_link(const char *root, const char *path, char ret_target[static PATH_MAX])
{
        char whole[PATH_MAX];
        ssize_t length;

        snprintf(whole, sizeof(whole), "%s%s", root, path);
        length = readlink(whole, ret_target, PATH_MAX - 1);
        if (length >= 0)
                ret_target[length] = '\0';
        return length;
}

static int read_time_zone(const char *root, const char *variable, char **ret)
{
        static const char folder[] = "zoneinfo/";
        char target[PATH_MAX];
        const char *zone = NULL;

        if (read_link(root, "/etc/localtime", target) >= 0)
                zone = strstr(target, folder);
        return zone ? copy_trimmed(zone + strlen(folder), ret)
                    : read_first_line(root, "/etc/timezone", ret);
}

static int read_hostname(const char *root, const char *variable, char **ret)
{
        char name[HOST_NAME_MAX + 1] = "";

        (void)gethostname(name, sizeof(name) - 1);
        return copy_trimmed(name, ret);
}

void system_resolver_path(const char *root, char ret_path[static PATH_MAX])
{
        char target[PATH_MAX];
        char *name;

        if (read_link(root, "/etc/resolv.conf", target) < 0)
                strcpy(target, "resolv.conf");
        snprintf(ret_path, PATH_MAX, "%s%s%s", root, *target == '/' ? "" : "/etc/", target);
        name = strrchr(ret_path, '/') + 1;
        if (strcmp(name, "stub-resolv.conf") == 0) /* systemd-resolved's, which names itself */
                strcpy(name, "resolv.conf");
}

static int read_dns_servers(const char *root, const char *variable, char **ret)
{
        _cleanup_file_ FILE *file = NULL;
        char path[PATH_MAX], line[LINE_MAX_READ], servers[1024] = "";
        size_t n = 0;
        int r;

        system_resolver_path(root, path);
        r = open_file("", path, &file);
        while (r >= 0 && file && fgets(line, sizeof(line), file)) {
                char *rest, *keyword = strtok_r(line, BLANKS, &rest);
                const char *server = keyword ? strtok_r(NULL, BLANKS, &rest) : NULL;

                if (server && strcmp(keyword, "nameserver") == 0 &&
                    n + strlen(server) + 2 <= sizeof(servers))
                        n += (size_t)sprintf(servers + n, "%s\n", server);
        }
        return r < 0 ? r : copy_trimmed(servers, ret);
}

static int read_proxy(const char *root, const char *variable, char **ret)
{
        char upper[16] = "";
        int r = read_assignment(root, "/etc/environment", variable, ret);

        for (size_t i = 0; variable[i] && i < sizeof(upper) - 1; i++)
                upper[i] = (char)toupper(variable[i]);
        return r < 0 || *ret ? r : read_assignment(root, "/etc/environment", upper, ret);
}

static const struct value {
        enum nx_system_setting setting;
        int (*read)(const char *root, const char *variable, char **ret); /* 0 or negative errno */
        const char *variable; /* which one; NULL: the setting is one value */
} values[] = {
        { NX_SYSTEM_LOCALE, read_locale },
        { NX_SYSTEM_TIME_ZONE, read_time_zone },
        { NX_SYSTEM_HOSTNAME, read_hostname },
        { NX_SYSTEM_DNS, read_dns_servers },
        { NX_SYSTEM_PROXIES, read_proxy, "http_proxy" },
        { NX_SYSTEM_PROXIES, read_proxy, "https_proxy" },
        { NX_SYSTEM_PROXIES, read_proxy, "ftp_proxy" },
        { NX_SYSTEM_PROXIES, read_proxy, "all_proxy" },
        { NX_SYSTEM_PROXIES, read_proxy, "no_proxy" },
};

static_assert(ARRAY_SIZE(values) == ARRAY_SIZE(((struct nx_system *)NULL)->values),
              "each has its place");

void system_deinit(struct nx_system *system)
{
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                free(system->values[i]);
        *system = (struct nx_system){};
}

static bool is_same(const char *one, const char *other)
{
        return one && other ? strcmp(one, other) == 0 : one == other;
}

int system_read(struct nx_system *system, const char *root, uint32_t *ret_changed)
{
        int result = 0;

        *ret_changed = 0;
        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
                _cleanup_free_ char *now = NULL;
                int r = values[i].read(root, values[i].variable, &now);

                if (r < 0)
                        result = r;
                if (r < 0 || is_same(now, system->values[i]))
                        continue;
                free(system->values[i]);
                system->values[i] = take_ptr(now);
                *ret_changed |= 1U << values[i].setting;
        }
        return result;
}

/* --- for extensions -------------------------------------------------------------------- */

static const char *get(const struct nx_system *system, enum nx_system_setting setting,
                       const char *variable)
{
        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
                if (values[i].setting == setting && is_same(values[i].variable, variable))
                        return system->values[i];
        return NULL;
}

_public_ const char *nx_system_get_locale(const struct nx_system *system)
{
        return get(system, NX_SYSTEM_LOCALE, NULL) ?: "C";
}

_public_ const char *nx_system_get_time_zone(const struct nx_system *system)
{
        return get(system, NX_SYSTEM_TIME_ZONE, NULL) ?: "UTC";
}

_public_ const char *nx_system_get_hostname(const struct nx_system *system)
{
        return get(system, NX_SYSTEM_HOSTNAME, NULL) ?: "localhost";
}

_public_ const char *nx_system_get_dns_servers(const struct nx_system *system)
{
        return get(system, NX_SYSTEM_DNS, NULL);
}

_public_ const char *nx_system_get_proxy(const struct nx_system *system, const char *variable)
{
        return get(system, NX_SYSTEM_PROXIES, variable);
}
