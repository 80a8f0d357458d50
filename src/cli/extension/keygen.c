/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextctl extension keygen: a key and a certificate for it, without any authority. Whoever puts
 * the certificate into a machine's trust folder trusts what the key signs.
 */

#include <string.h>

#include "bundle/manifest.h"
#include "bundle/signing.h"
#include "bundle/text.h"
#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/file.h"
#include "cli/extension/passphrase.h"
#include "cli/output/writer.h"

static const char *team = EXTENSION_TEAM_DEFAULT;
static const char *name;
static bool wants_passphrase;
static struct passphrase passphrase = { .is_new = true };

const struct cli_option extension_keygen_options[] = {
        { "team", "TEAM", "the team that signs; default " EXTENSION_TEAM_DEFAULT, .string = &team },
        { "name", "NAME", "who signs, as people are shown; default: the team", .string = &name },
        { "passphrase", NULL, "ask for a passphrase that protects the key",
          .flag = &wants_passphrase },
        { "passphrase-file", "FILE", "the same, from the first line of a file",
          .string = &passphrase.file },
        {},
};

/* Of a string that OpenSSL or we made from a key. */
static void forget(char **text)
{
        if (*text)
                explicit_bzero(*text, strlen(*text));
        free(*text);
}

static int make(const char *key_path, const char *certificate_path)
{
        _cleanup_(signing_key_deinit) struct signing_key key = {};
        _cleanup_(forget) char *key_text = NULL;
        _cleanup_free_ char *certificate_text = NULL;
        bool protect = wants_passphrase || passphrase.file;
        int r;

        if (protect && passphrase_get(&passphrase) < 0)
                return CLI_FAILED;
        if (signing_key_generate(team, name ?: team, &key) < 0 ||
            signing_key_to_pem(&key, protect ? passphrase.text : NULL, &key_text) < 0 ||
            signing_certificate_to_pem(&key, &certificate_text) < 0)
                return cli_complain("cannot make a key: OpenSSL refused to");
        r = file_create(key_path, 0600, key_text, strlen(key_text));
        if (r != 0)
                return r;
        r = file_create(certificate_path, 0644, certificate_text, strlen(certificate_text));
        if (r != 0)
                (void)unlink(key_path);
        return r;
}

int verb_extension_keygen(struct cli *cli)
{
        _cleanup_free_ char *key_path = cli_format("%s.key", cli->arguments[0]);
        _cleanup_free_ char *certificate_path = cli_format("%s.pem", cli->arguments[0]);
        struct emitter json = EMITTER_INIT(stdout);
        int r;

        if (!manifest_is_team(team))
                return cli_complain("'%s' is no team: expected letters, digits and dashes, at most "
                                    "%d",
                                    team, MANIFEST_TEAM_MAX);
        if (name && (!text_is_printable(name) || !*name || strlen(name) > 64))
                return cli_complain("'%s' is no name for a certificate: expected 1 to 64 printable "
                                    "bytes",
                                    name);
        r = make(key_path, certificate_path);
        passphrase_forget(&passphrase);
        if (r != 0)
                return r;
        if (!cli->json) {
                printf("%s signs; keep it. %s goes into the trust folder of machines that are to "
                       "trust it.\n",
                       key_path, certificate_path);
                return CLI_OK;
        }
        emit_begin(&json, NULL, '{');
        emit_string(&json, "key", key_path);
        emit_string(&json, "certificate", certificate_path);
        emit_string(&json, "team", team);
        emit_end(&json, '}');
        return CLI_OK;
}
