/* SPDX-License-Identifier: Apache-2.0 */

/* Asking is OpenSSL's: it knows terminals, and turns the echo off. */

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/passphrase.h"

static int read_file(struct passphrase *passphrase)
{
        _cleanup_file_ FILE *file = fopen(passphrase->file, "re");

        if (!file || !fgets(passphrase->text, sizeof(passphrase->text), file)) {
                cli_complain("cannot read a passphrase from '%s': %s", passphrase->file,
                             file && !ferror(file) ? "it is empty" : strerror(errno));
                return -1;
        }
        passphrase->text[strcspn(passphrase->text, "\r\n")] = '\0';
        return 0;
}

static int ask(struct passphrase *passphrase)
{
        int r = EVP_read_pw_string_min(
                passphrase->text, passphrase->is_new ? 4 : 0, sizeof(passphrase->text),
                passphrase->is_new ? "New passphrase: " : "Passphrase: ", passphrase->is_new);

        if (r != 0)
                cli_complain("no passphrase was given: there is no terminal to ask at, or it said "
                             "two different ones; --passphrase-file FILE reads one");
        return r == 0 ? 0 : -1;
}

int passphrase_get(struct passphrase *passphrase)
{
        if (!*passphrase->text && (passphrase->file ? read_file(passphrase) : ask(passphrase)) < 0)
                return -1;
        return (int)strlen(passphrase->text);
}

void passphrase_forget(struct passphrase *passphrase)
{
        explicit_bzero(passphrase->text, sizeof(passphrase->text));
}

int passphrase_answer(char *buffer, int size, void *userdata)
{
        struct passphrase *passphrase = userdata;
        int length = passphrase_get(passphrase);

        if (length < 0 || length > size)
                return -1;
        memcpy(buffer, passphrase->text, (size_t)length);
        return length;
}
