/* SPDX-License-Identifier: Apache-2.0 */

/* Archives are unpacked as netextd's worker does it, into a folder of our own. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "bundle/stage.h"
#include "cli/cleanup.h"
#include "cli/cli.h"
#include "cli/extension/opened.h"

#define FTW_FDS 16

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        (void)remove(path);
        return 0;
}

void opened_close(struct opened *opened)
{
        opened->folder_fd = close_fd(opened->folder_fd);
        if (opened->temporary)
                nftw(opened->temporary, remove_entry, FTW_FDS, FTW_DEPTH | FTW_PHYS);
        free(opened->temporary);
        opened->temporary = NULL;
        bundle_report_deinit(&opened->report);
}

static int unpack(struct opened *opened, int archive_fd)
{
        const char *base = getenv("TMPDIR");
        int r;

        opened->temporary = cli_format("%s/netext-bundle-XXXXXX", base && *base ? base : "/tmp");
        if (!mkdtemp(opened->temporary)) {
                cli_complain("cannot make a folder to unpack in, '%s': %s", opened->temporary,
                             strerror(errno));
                free(opened->temporary);
                opened->temporary = NULL;
                return CLI_FAILED;
        }
        opened->folder_fd = open(opened->temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (opened->folder_fd < 0)
                return cli_complain("cannot read '%s': %s", opened->temporary, strerror(errno));
        r = bundle_stage(archive_fd, opened->folder_fd, &opened->report);
        if (r < 0)
                return cli_complain("cannot unpack it to '%s': %s", opened->temporary,
                                    strerror(-r));
        if (opened->report.n_failed == 0)
                bundle_report_deinit(&opened->report);
        return 0;
}

int opened_open_folder(struct opened *opened, const char *path)
{
        opened->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (opened->folder_fd >= 0)
                return 0;
        if (errno == ENOTDIR)
                return cli_complain("'%s' is no folder: an archive cannot be changed; change and "
                                    "sign its folder, then pack that",
                                    path);
        return cli_complain("cannot read '%s': %s", path, strerror(errno));
}

int opened_open(struct opened *opened, const char *path)
{
        _cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        struct stat st;

        if (fd < 0 || fstat(fd, &st))
                return cli_complain("cannot read '%s': %s", path, strerror(errno));
        if (S_ISDIR(st.st_mode)) {
                opened->folder_fd = take_fd(&fd);
                return 0;
        }
        if (!S_ISREG(st.st_mode))
                return cli_complain("'%s' is neither a folder nor an archive", path);
        return unpack(opened, fd);
}

static int open_trust(const char *trust, int *ret_fd)
{
        *ret_fd = open(trust ?: TRUST_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*ret_fd >= 0 || (!trust && errno == ENOENT))
                return 0;
        return cli_complain("cannot read the trust folder '%s': %s", trust ?: TRUST_FOLDER,
                            strerror(errno));
}

int opened_verify(const char *path, const char *trust, const struct bundle_options *options,
                  struct bundle *ret)
{
        _cleanup_(opened_close) struct opened opened = OPENED_NULL;
        _cleanup_fd_ int trust_fd = -1;
        int r = open_trust(trust, &trust_fd);

        if (r == 0)
                r = opened_open(&opened, path);
        if (r != 0)
                return r;
        if (opened.report.n_failed > 0) { /* there is no folder to look at */
                ret->report = opened.report;
                opened.report = (struct bundle_report){};
                return 0;
        }
        r = bundle_verify(opened.folder_fd, trust_fd, options, ret);
        return r < 0 ? cli_complain("cannot look at '%s': %s", path, strerror(-r)) : 0;
}
