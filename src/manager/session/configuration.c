/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A configuration is checked when it is given, key by key, so that its mistakes are
 * told to the one who made them and not found later by a session.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <netext/netext.h>

#include "manager/loop/text.h"
#include "manager/priv/file.h"
#include "manager/session/configuration.h"
#include "wire/codec.h"

#define VERDICT_TIMEOUT_MS 1000
#define READY_TIMEOUT_MS   5000
#define TIMEOUT_MS_MAX     600000
#define FILE_NAME_MAX      63

void configuration_init(struct configuration *configuration)
{
        *configuration = (struct configuration){
                .fail_policy = WIRE_FAIL_OPEN,
                .verdict_timeout_ms = VERDICT_TIMEOUT_MS,
                .ready_timeout_ms = READY_TIMEOUT_MS,
        };
}

void configuration_deinit(struct configuration *configuration)
{
        for (size_t i = 0; i < configuration->n_files; i++) {
                free(configuration->files[i].name);
                free(configuration->files[i].path);
        }
        free(configuration->extension);
        free(configuration->identifier);
        free(configuration->name);
        *configuration = (struct configuration){};
}

int configuration_set_extension(struct configuration *configuration, const char *folder,
                                const char *extension, char **ret_problem)
{
        _cleanup_free_ char *identifier = NULL, *path = NULL;

        if (*extension == '/') {
                path = strdup(extension);
        } else if (text_is_identifier(extension)) {
                identifier = strdup(extension);
                if (!identifier || asprintf(&path, "%s/%s", folder, extension) < 0)
                        return -ENOMEM;
        } else {
                return text_problem(ret_problem, -EINVAL,
                                    "extension: \"%s\" is neither an absolute path nor an "
                                    "identifier (lower-case letters, digits and dashes)",
                                    extension);
        }
        if (!path)
                return -ENOMEM;
        if (strlen(path) >= WIRE_STRING_MAX)
                return text_problem(ret_problem, -ENAMETOOLONG, "extension: the path is too long");
        free(configuration->extension);
        free(configuration->identifier);
        configuration->extension = take_ptr(path);
        configuration->identifier = take_ptr(identifier);
        return 0;
}

int configuration_set_installed(struct configuration *configuration, const char *identifier,
                                const char *executable)
{
        _cleanup_free_ char *copy = strdup(identifier), *path = strdup(executable);

        if (!copy || !path)
                return -ENOMEM;
        free(configuration->extension);
        free(configuration->identifier);
        configuration->extension = take_ptr(path);
        configuration->identifier = take_ptr(copy);
        return 0;
}

bool configuration_is_installed(const struct configuration *configuration)
{
        return configuration->identifier && strchr(configuration->identifier, '.');
}

int configuration_set_name(struct configuration *configuration, const char *name,
                           char **ret_problem)
{
        char *copy;

        if (!text_is_identifier(name))
                return text_problem(ret_problem, -EINVAL,
                                    "name: \"%s\" is not 1 to %d lower-case letters, digits and "
                                    "dashes",
                                    name, TEXT_IDENTIFIER_MAX);
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        free(configuration->name);
        configuration->name = copy;
        return 0;
}

int configuration_set_kind(struct configuration *configuration, const char *word,
                           char **ret_problem)
{
        int kind = wire_name_from_string(wire_kinds, word);

        if (kind < 0)
                return text_problem(ret_problem, -EINVAL,
                                    "kind: \"%s\" is neither \"filter\" nor "
                                    "\"transparent-proxy\" nor \"app-proxy\" nor "
                                    "\"packet-filter\"",
                                    word);
        configuration->kind = kind;
        return 0;
}

int configuration_set_grade(struct configuration *configuration, const char *word,
                            char **ret_problem)
{
        int grade = wire_name_from_string(wire_grades, word);

        if (grade < 0)
                return text_problem(ret_problem, -EINVAL,
                                    "grade: \"%s\" is neither \"firewall\" nor \"inspector\"",
                                    word);
        configuration->grade = grade;
        return 0;
}

int configuration_set_fail_policy(struct configuration *configuration, const char *word,
                                  char **ret_problem)
{
        int policy = wire_name_from_string(wire_fail_policies, word);

        if (policy < 0)
                return text_problem(ret_problem, -EINVAL,
                                    "fail_policy: \"%s\" is neither \"open\", \"closed\" nor "
                                    "\"last-rules\"",
                                    word);
        configuration->fail_policy = policy;
        return 0;
}

int configuration_set_timeout(uint32_t *timeout_ms, const char *key, uint32_t value,
                              char **ret_problem)
{
        if (value > TIMEOUT_MS_MAX)
                return text_problem(ret_problem, -ERANGE, "%s: %u is more than %u (10 minutes)",
                                    key, value, TIMEOUT_MS_MAX);
        if (value)
                *timeout_ms = value;
        return 0;
}

int configuration_add_file(struct configuration *configuration, const char *name, const char *path,
                           char **ret_problem)
{
        struct configured_file file;

        for (size_t i = 0; i < configuration->n_files; i++)
                if (strcmp(configuration->files[i].name, name) == 0)
                        return text_problem(ret_problem, -EINVAL, "files: \"%s\" is there twice",
                                            name);
        if (configuration->n_files >= CONFIGURATION_FILES_MAX)
                return text_problem(ret_problem, -E2BIG, "files: there are more than %d",
                                    CONFIGURATION_FILES_MAX);
        if (!*name || strlen(name) > FILE_NAME_MAX)
                return text_problem(ret_problem, -EINVAL,
                                    "files: \"%s\" is not a name of 1 to %d bytes", name,
                                    FILE_NAME_MAX);
        if (*path != '/' || strlen(path) >= WIRE_STRING_MAX || path[strlen(path) - 1] == '/')
                return text_problem(ret_problem, -EINVAL,
                                    "files: %s: \"%s\" is not the absolute path of a file", name,
                                    path);
        file = (struct configured_file){ .name = strdup(name), .path = strdup(path) };
        if (!file.name || !file.path) {
                free(file.name);
                free(file.path);
                return -ENOMEM;
        }
        configuration->files[configuration->n_files++] = file;
        return 0;
}

static int check_extension(const struct configuration *configuration, char **ret_problem)
{
        struct stat st;

        if (!configuration->extension)
                return text_problem(ret_problem, -EINVAL,
                                    "extension: it is missing; give an identifier or a path");
        if (stat(configuration->extension, &st) < 0)
                return text_problem(
                        ret_problem, -errno,
                        configuration->identifier ? "extension: \"%s\" is not installed: %s: %s"
                                                  : "extension: %s%s: %s",
                        configuration->identifier ?: "", configuration->extension, strerror(errno));
        if (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))
                return text_problem(ret_problem, -EACCES, "extension: %s is not an executable file",
                                    configuration->extension);
        return 0;
}

int configuration_check_grade(const struct configuration *configuration, int kind,
                              char **ret_problem)
{
        if (!configuration->grade || kind == NX_PROVIDER_KIND_FILTER)
                return 0;
        return text_problem(ret_problem, -EINVAL,
                            "grade: only filters have one, and this session is of kind %s",
                            wire_name_to_string(wire_kinds, kind));
}

int configuration_check(const struct configuration *configuration, char **ret_problem)
{
        int r;

        r = check_extension(configuration, ret_problem);
        if (r >= 0 && configuration->kind)
                r = configuration_check_grade(configuration, configuration->kind, ret_problem);
        for (size_t i = 0; r >= 0 && i < configuration->n_files; i++) {
                _cleanup_fd_ int fd = file_open(configuration->files[i].path);

                if (fd < 0)
                        r = text_problem(ret_problem, fd, "files: %s: cannot read %s: %s",
                                         configuration->files[i].name, configuration->files[i].path,
                                         file_error_to_string(fd));
        }
        return r;
}
