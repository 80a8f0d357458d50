/* SPDX-License-Identifier: Apache-2.0 */

/*
 * As with the rules, a file that is at fault leaves what was there before. It is read by
 * read(2) into memory that is wiped, and never shown.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "relay/secrets.h"

static struct secret *find(struct secrets *secrets, const char *name)
{
        for (size_t i = 0; i < secrets->n; i++)
                if (strcmp(secrets->each[i].name, name) == 0)
                        return &secrets->each[i];
        return NULL;
}

static struct secret *find_or_add(struct secrets *secrets, const char *name)
{
        struct secret *secret = find(secrets, name);

        if (secret)
                return secret;
        if (secrets->n == SECRETS_MAX || strlen(name) > SECRET_NAME_MAX)
                return NULL;
        secret = &secrets->each[secrets->n++];
        *secret = (struct secret){};
        strcpy(secret->name, name);
        return secret;
}

/* How many bytes, one more than fits where the file is too large; or a negative errno. */
static ssize_t read_all(int fd, char *text, size_t size)
{
        size_t length = 0;
        ssize_t n = 1;

        while (n > 0 && length < size) {
                n = read(fd, text + length, size - length);
                if (n < 0)
                        return -errno;
                length += (size_t)n;
        }
        return (ssize_t)length;
}

/* NULL, or what is wrong. */
static const char *read_credentials(struct credentials *credentials, int fd)
{
        char text[CREDENTIALS_FILE_MAX + 1];
        const char *problem;
        ssize_t length;

        length = read_all(fd, text, sizeof(text));
        if (length < 0)
                return strerror((int)-length);
        if (length > CREDENTIALS_FILE_MAX)
                problem = "the file is too large: expected one line, USER:PASSWORD";
        else
                problem = credentials_parse(credentials, text, (size_t)length);
        explicit_bzero(text, sizeof(text));
        return problem;
}

const struct secret *secrets_read(struct secrets *secrets, const char *name, int fd)
{
        struct secret *secret = find_or_add(secrets, name);
        struct credentials credentials;
        const char *problem;

        if (!secret)
                return NULL;
        problem = read_credentials(&credentials, fd);
        snprintf(secret->problem, sizeof(secret->problem), "%s", problem ? problem : "");
        if (!problem) {
                secret->credentials = credentials;
                secret->is_usable = true;
        }
        explicit_bzero(&credentials, sizeof(credentials));
        return secret;
}

const struct secret *secrets_find(const struct secrets *secrets, const char *name)
{
        return find((struct secrets *)secrets, name);
}

void secrets_wipe(struct secrets *secrets)
{
        explicit_bzero(secrets, sizeof(*secrets));
}
