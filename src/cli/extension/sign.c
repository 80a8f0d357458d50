/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl extension sign: lists what is in a folder, and signs the list. What could not be
 * activated anywhere is not signed: that is said here, where it can be mended.
 */

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle/files.h"
#include "bundle/signing.h"
#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/file.h"
#include "cli/extension/opened.h"
#include "cli/extension/passphrase.h"
#include "cli/extension/show.h"

static const char *key_path;
static const char *certificate_path;
static struct passphrase passphrase;

const struct cli_option extension_sign_options[] = {
        { "key", "FILE", "the private key (PEM), as keygen makes it", .string = &key_path },
        { "certificate", "FILE",
          "its certificate, and those that lead to a root; default: the key's name with .pem",
          .string = &certificate_path },
        { "passphrase-file", "FILE",
          "the key's passphrase is its first line; default: the terminal is asked",
          .string = &passphrase.file },
        {},
};

static int read_key(struct signing_key *ret)
{
        size_t size;
        char *text = file_read(key_path, &size);
        int r;

        if (!text)
                return CLI_FAILED;
        r = signing_read_key(text, size, passphrase_answer, &passphrase, ret);
        explicit_bzero(text, size);
        free(text);
        passphrase_forget(&passphrase);
        if (r == -EKEYREJECTED)
                return cli_complain("'%s' cannot be opened with that passphrase", key_path);
        return r < 0 ? cli_complain("there is no private key in '%s' (PEM)", key_path) : 0;
}

/* "my.key" to "my.pem". Caller owns. */
static char *default_certificate(void)
{
        size_t length = strlen(key_path);

        if (length > 4 && strcmp(key_path + length - 4, ".key") == 0)
                length -= 4;
        return cli_format("%.*s.pem", (int)length, key_path);
}

static int read_certificates(struct signing_key *ret)
{
        _cleanup_free_ char *path =
                certificate_path ? cli_format("%s", certificate_path) : default_certificate();
        size_t size;
        _cleanup_free_ char *text = file_read(path, &size);

        if (!text)
                return CLI_FAILED;
        if (signing_read_certificates(text, size, ret) < 0)
                return cli_complain("there is no certificate in '%s' (PEM)", path);
        if (!signing_key_fits(ret))
                return cli_complain("'%s' is not the certificate of the key '%s'", path, key_path);
        return 0;
}

/* What would be refused with any signature. */
static int check_content(int folder_fd, const char *path)
{
        const struct bundle_options options = { .without_signature = true };
        _cleanup_(bundle_deinit) struct bundle bundle = {};
        int r = bundle_verify(folder_fd, -1, &options, &bundle);

        if (r < 0)
                return cli_complain("cannot look at '%s': %s", path, strerror(-r));
        if (bundle_report_is_good(&bundle.report))
                return 0;
        show_failures(&bundle.report);
        return cli_complain("'%s' was not signed: mend that first", path);
}

static int write_signature(int folder_fd, const char *list, size_t list_size,
                           const unsigned char *signature, size_t signature_size)
{
        _cleanup_fd_ int fd = -1;
        int r;

        if (mkdirat(folder_fd, FILES_FOLDER, 0755) && errno != EEXIST)
                return -errno;
        fd = openat(folder_fd, FILES_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = file_replace(fd, strrchr(FILES_LIST, '/') + 1, list, list_size);
        if (r >= 0)
                r = file_replace(fd, strrchr(FILES_SIGNATURE, '/') + 1, signature, signature_size);
        return r;
}

static int sign(int folder_fd, const char *path, const struct signing_key *key)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(tree_deinit) struct tree tree = {};
        _cleanup_free_ char *list = NULL;
        unsigned char *signature = NULL;
        size_t list_size, signature_size;
        const char *unread = NULL;
        int r = tree_read(folder_fd, &tree, &report);

        if (r >= 0)
                r = file_list_make(folder_fd, &tree, &list, &list_size, &unread);
        if (r < 0)
                return cli_complain("cannot read '%s/%s': %s", path, unread ?: "", strerror(-r));
        if (signing_sign(key, list, list_size, &signature, &signature_size) < 0)
                return cli_complain("cannot sign with '%s': OpenSSL refused to", key_path);
        r = write_signature(folder_fd, list, list_size, signature, signature_size);
        OPENSSL_free(signature);
        return r < 0 ? cli_complain("cannot write '%s/" FILES_FOLDER "': %s", path, strerror(-r))
                     : 0;
}

/* Whether machines that trust the signer will take it: its team, its certificate. */
static int check_signed(int folder_fd, const char *path, bool json)
{
        const struct bundle_options options = { .unknown_signer = true };
        _cleanup_(bundle_deinit) struct bundle bundle = {};
        int r = bundle_verify(folder_fd, -1, &options, &bundle);

        if (r < 0)
                return cli_complain("cannot look at '%s': %s", path, strerror(-r));
        if (json)
                show_json(&bundle);
        if (bundle_report_is_good(&bundle.report))
                return CLI_OK;
        show_failures(&bundle.report);
        return cli_complain("'%s' was signed, and no machine will take it", path);
}

int verb_extension_sign(struct cli *cli)
{
        const char *path = cli->arguments[0];
        _cleanup_(opened_close) struct opened opened = OPENED_NULL;
        _cleanup_(signing_key_deinit) struct signing_key key = {};
        int r;

        if (!key_path) {
                cli_complain(
                        "'extension sign' needs --key FILE; 'netextctl extension keygen' makes "
                        "one");
                return CLI_USAGE;
        }
        r = opened_open_folder(&opened, path);
        if (r == 0)
                r = check_content(opened.folder_fd, path);
        if (r == 0)
                r = read_key(&key);
        if (r == 0)
                r = read_certificates(&key);
        if (r == 0)
                r = sign(opened.folder_fd, path, &key);
        return r != 0 ? r : check_signed(opened.folder_fd, path, cli->json);
}
