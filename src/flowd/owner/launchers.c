/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Names are looked for in the system's folders only: else a program would get rid of its
 * responsibility by calling itself "sh".
 */

#include <string.h>

#include "base/cleanup.h"
#include "owner/launchers.h"

/* The name in one of the system's folders, or NULL. */
static const char *name_in_system(const char *path)
{
        static const char *const folders[] = { "/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/" };

        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
                size_t length = strlen(folders[i]);

                if (strncmp(path, folders[i], length) == 0 && !strchr(path + length, '/'))
                        return path + length;
        }
        return NULL;
}

static bool is(const char *word, size_t length, const char *text)
{
        return text && strlen(text) == length && strncmp(word, text, length) == 0;
}

bool launchers_have(const char *list, const char *path)
{
        const char *name = name_in_system(path);
        size_t length;

        for (const char *word = list; *word; word += length + (word[length] == ',')) {
                length = strcspn(word, ",");
                if (is(word, length, *word == '/' ? path : name))
                        return true;
        }
        return false;
}
