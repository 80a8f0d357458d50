/* SPDX-License-Identifier: Apache-2.0 */

/* netextctl extension pack: a signed folder as one file. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "bundle/pack.h"
#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/opened.h"
#include "cli/extension/show.h"
#include "cli/output/writer.h"

/* Caller owns; NULL, with a complaint made, for what nobody could activate. */
static char *check(int folder_fd, const char *path)
{
        const struct bundle_options options = { .unknown_signer = true };
        _cleanup_(bundle_deinit) struct bundle bundle = {};
        int r = bundle_verify(folder_fd, -1, &options, &bundle);

        if (r == 0 && bundle_report_is_good(&bundle.report))
                return cli_format("%s-%s.nxt", bundle.manifest.identifier, bundle.manifest.version);
        show_failures(&bundle.report);
        cli_complain("'%s' was not packed: mend that, and sign it", path);
        return NULL;
}

static int write_archive(int folder_fd, const char *path, const char *target, int fd)
{
        _cleanup_(bundle_report_deinit) struct bundle_report report = {};
        _cleanup_(tree_deinit) struct tree tree = {};
        const char *unread = NULL;
        int r = tree_read(folder_fd, &tree, &report);

        if (r >= 0)
                r = archive_pack(folder_fd, &tree, fd, &unread);
        if (r >= 0)
                return 0;
        if (unread)
                return cli_complain("cannot read '%s/%s': %s", path, unread, strerror(-r));
        return cli_complain("cannot write '%s': %s", target, strerror(-r));
}

static int pack(int folder_fd, const char *path, const char *target)
{
        _cleanup_free_ char *fresh = cli_format("%s.new", target);
        _cleanup_fd_ int fd =
                open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
        int r;

        if (fd < 0)
                return cli_complain("cannot write '%s': %s", fresh, strerror(errno));
        r = write_archive(folder_fd, path, target, fd);
        if (r == 0 && rename(fresh, target))
                r = cli_complain("cannot make '%s': %s", target, strerror(errno));
        if (r != 0)
                (void)unlink(fresh);
        return r;
}

int verb_extension_pack(struct cli *cli)
{
        const char *path = cli->arguments[0];
        _cleanup_(opened_close) struct opened opened = OPENED_NULL;
        _cleanup_free_ char *target = NULL, *usual = NULL;
        struct emitter json = EMITTER_INIT(stdout);
        int r = opened_open_folder(&opened, path);

        if (r != 0)
                return r;
        usual = check(opened.folder_fd, path);
        if (!usual)
                return CLI_FAILED;
        target = cli_format("%s", cli->n_arguments > 1 ? cli->arguments[1] : usual);
        r = pack(opened.folder_fd, path, target);
        if (r != 0)
                return r;
        if (!cli->json) {
                printf("%s\n", target);
                return CLI_OK;
        }
        emit_begin(&json, NULL, '{');
        emit_string(&json, "archive", target);
        emit_end(&json, '}');
        return CLI_OK;
}
