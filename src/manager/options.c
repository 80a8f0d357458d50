/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The command line: one table of options, each with the function that checks its value.
 * A value that cannot work is refused here with what would.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <netext/manager.h>

#include "base/cleanup.h"
#include "footprint/footprint.h"
#include "manager/options.h"

#define MARK_MASK_DEFAULT 0x0f000000U
#define MARK_BITS         4

#define LAUNCHERS_SIZE_MAX 4096

#define POLICY_DIRECTORY "/etc/netext/policy.d"
#define TRUST_DIRECTORY  "/etc/netext/trust.d"

static int set_instance(struct options *options, const char *value)
{
        if (!footprint_is_instance(value))
                return -EINVAL;
        options->instance = value;
        return 0;
}

static int set_cgroup(struct options *options, const char *value)
{
        options->cgroup = value;
        return *value == '/' ? 0 : -EINVAL;
}

static int set_extension_cgroup(struct options *options, const char *value)
{
        options->extension_cgroup = value;
        return *value == '/' ? 0 : -EINVAL;
}

static int set_mark_mask(struct options *options, const char *value)
{
        unsigned long mask;
        char *end;

        errno = 0;
        mask = strtoul(value, &end, 16);
        if (errno || *end || end == value || mask == 0 || mask > UINT32_MAX)
                return -EINVAL;
        if (mask >> __builtin_ctzl(mask) != (1UL << MARK_BITS) - 1)
                return -EINVAL;
        options->mark_mask = (uint32_t)mask;
        return 0;
}

static int set_owner_fd(struct options *options, const char *value)
{
        unsigned long fd;
        char *end;

        errno = 0;
        fd = strtoul(value, &end, 10);
        if (errno || *end || end == value || fd < 3 || fd > 1 << 20 ||
            fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
                return -EINVAL;
        options->owner_fd = (int)fd;
        return 0;
}

static int set_state_directory(struct options *options, const char *value)
{
        options->state_directory = value;
        return *value == '/' && value[1] && value[strlen(value) - 1] != '/' ? 0 : -EINVAL;
}

static int set_policy_directory(struct options *options, const char *value)
{
        options->policy_directory = value;
        return *value == '/' ? 0 : -EINVAL;
}

static int set_trust_directory(struct options *options, const char *value)
{
        options->trust_directory = value;
        return *value == '/' ? 0 : -EINVAL;
}

/* Names and absolute paths, with commas between them; perhaps none. */
static int set_launchers(struct options *options, const char *value)
{
        size_t length;

        for (const char *word = value; *word; word += length + (word[length] == ',')) {
                length = strcspn(word, ",");
                if (length == 0 || (*word != '/' && memchr(word, '/', length)) ||
                    (word[length] && !word[length + 1]))
                        return -EINVAL;
        }
        options->launchers = value;
        return strlen(value) < LAUNCHERS_SIZE_MAX ? 0 : -EINVAL;
}

static int set_keep_configuration(struct options *options, const char *value)
{
        options->keep_configuration = true;
        return 0;
}

static int set_debug(struct options *options, const char *value)
{
        options->debug = true;
        return 0;
}

static const struct {
        struct option option;
        int (*set)(struct options *options, const char *value);
        const char *wanted;
        const char *help;
} table[] = {
        { { "instance", required_argument },
          set_instance,
          "1 to 40 lower-case letters, digits and dashes",
          "NAME      name of this instance (main)" },
        { { "cgroup", required_argument },
          set_cgroup,
          "an absolute path in a cgroup v2 hierarchy",
          "PATH        programs in it are seen (the whole machine)" },
        { { "mark-mask", required_argument },
          set_mark_mask,
          "four adjacent bits in hexadecimal, for example 0x0f000000",
          "HEX      bits of the packet mark to use (0x0f000000)" },
        { { "extension-cgroup", required_argument },
          set_extension_cgroup,
          "an absolute path in a cgroup v2 hierarchy",
          "PATH\n                         extensions run in cgroups below it "
          "(CGROUP2/netext/NAME)" },
        { { "state-directory", required_argument },
          set_state_directory,
          "the absolute path of a folder, without a slash at its end",
          "PATH\n                         installed extensions are kept in it "
          "(/var/lib/netext/NAME)" },
        { { "policy-directory", required_argument },
          set_policy_directory,
          "an absolute path",
          "PATH\n                         *.json in it say which extensions are allowed "
          "(" POLICY_DIRECTORY ")" },
        { { "trust-directory", required_argument },
          set_trust_directory,
          "an absolute path",
          "PATH\n                         *.pem and *.crl in it say whose signatures count "
          "(" TRUST_DIRECTORY ")" },
        { { "launchers", required_argument },
          set_launchers,
          "names of programs, or absolute paths, with commas between them",
          "LIST     programs that only start others: who had them do it is responsible "
          "(see netextd(8))" },
        { { "keep-configuration", no_argument },
          set_keep_configuration,
          "",
          "  sessions and sets are there again after the next start" },
        { { "owner-fd", required_argument },
          set_owner_fd,
          "the number of an open descriptor above 2",
          "N         end when the other end of this socket closes" },
        { { "debug", no_argument }, set_debug, "", "             log every step" },
};

static void print_help(void)
{
        printf("netextd [OPTIONS]\n\nRuns network extensions. See netextd(8).\n\n");
        for (size_t i = 0; i < ARRAY_SIZE(table); i++)
                printf("  --%s %s\n", table[i].option.name, table[i].help);
        printf("  --help                 show this\n  --version              show the version\n");
}

/* getopt(3) wants an array of its own struct; val is the row, behind those two that are not ours.
 */
enum { ROW_HELP = 1, ROW_VERSION, ROW_FIRST };

static void fill_long_options(struct option *long_options)
{
        *long_options++ = (struct option){ "help", no_argument, NULL, ROW_HELP };
        *long_options++ = (struct option){ "version", no_argument, NULL, ROW_VERSION };
        for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
                *long_options = table[i].option;
                long_options++->val = ROW_FIRST + (int)i;
        }
        *long_options = (struct option){};
}

static int apply(struct options *options, int row, const char *value)
{
        if (row < ROW_FIRST) {
                if (row == ROW_HELP)
                        print_help();
                else
                        puts("netextd " NETEXT_VERSION);
                return OPTIONS_E_DONE;
        }
        if (table[row - ROW_FIRST].set(options, value) >= 0)
                return 0;
        fprintf(stderr, "netextd: --%s: \"%s\" does not work: give %s\n",
                table[row - ROW_FIRST].option.name, value, table[row - ROW_FIRST].wanted);
        return -EINVAL;
}

int options_parse(struct options *ret, int argc, char *argv[])
{
        struct options options = {
                .instance = NX_INSTANCE_DEFAULT,
                .policy_directory = POLICY_DIRECTORY,
                .trust_directory = TRUST_DIRECTORY,
                .mark_mask = MARK_MASK_DEFAULT,
                .owner_fd = -1,
        };
        struct option long_options[ARRAY_SIZE(table) + ROW_FIRST];
        int row, r;

        fill_long_options(long_options);
        while ((row = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                if (row == '?') { /* getopt said why */
                        fprintf(stderr, "netextd: see netextd --help\n");
                        return -EINVAL;
                }
                r = apply(&options, row, optarg);
                if (r)
                        return r;
        }
        if (optind < argc) {
                fprintf(stderr, "netextd: \"%s\": there are no arguments besides options\n",
                        argv[optind]);
                return -EINVAL;
        }
        *ret = options;
        return 0;
}
