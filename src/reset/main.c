/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netext-reset: takes away whatever instances of netext left, with no daemon, no configuration and
 * no network. It asks nobody and trusts no record: what is ours is known by its name and number
 * (footprint/footprint.h), and a record only adds to that.
 *
 *      processes → policy rules and routes → nft tables → pinned BPF → cgroups → runtime folders
 *
 * Who could put something back ends first, what stops the network goes next, what is needed to find
 * the rest goes last. To run it again is harmless, also where an earlier one was killed on its way.
 */

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "footprint/footprint.h"
#include "reset/cgroups.h"
#include "reset/folders.h"
#include "reset/netfilter.h"
#include "reset/pins.h"
#include "reset/processes.h"
#include "reset/reset.h"
#include "reset/routing.h"

enum {
        EXIT_DONE,
        EXIT_LEFT,
        EXIT_USAGE,
};

static const char help[] =
        "netext-reset [--dry-run] [INSTANCE]\n"
        "\n"
        "Removes every trace of netext from this machine, or of one instance: processes,\n"
        "netfilter tables, policy rules, routes, BPF programs, cgroups and runtime folders.\n"
        "Installed extensions and their settings stay. See netext-reset(8).\n"
        "\n"
        "  -n, --dry-run  only say what would be removed\n"
        "  --help, --version\n";

enum option_code {
        OPTION_HELP = 256,
        OPTION_VERSION,
};

static const struct option options[] = {
        { "dry-run", no_argument, NULL, 'n' },
        { "help", no_argument, NULL, OPTION_HELP },
        { "version", no_argument, NULL, OPTION_VERSION },
        {},
};

static int usage(const char *problem, const char *what)
{
        fprintf(stderr, "netext-reset: %s%s; see netext-reset --help\n", problem, what);
        return EXIT_USAGE;
}

static int run(struct reset *reset)
{
        processes_end(reset);
        routing_remove(reset);
        netfilter_remove(reset);
        pins_remove(reset);
        cgroups_remove(reset);
        folders_remove(reset);
        if (reset->n_found == 0)
                printf("nothing of %s%s was found\n", reset->instance ? "instance " : "netext",
                       reset->instance ?: "");
        return reset->n_failed > 0 ? EXIT_LEFT : EXIT_DONE;
}

int main(int argc, char *argv[])
{
        struct reset reset = {};
        int option;

        while ((option = getopt_long(argc, argv, "n", options, NULL)) != -1) {
                switch (option) {
                case 'n':
                        reset.is_trial = true;
                        break;
                case OPTION_HELP:
                        fputs(help, stdout);
                        return EXIT_DONE;
                case OPTION_VERSION:
                        puts("netext-reset " NETEXT_VERSION);
                        return EXIT_DONE;
                default:
                        return EXIT_USAGE;
                }
        }
        if (argc - optind > 1)
                return usage("one instance at a time, or all; not also ", argv[optind + 1]);
        reset.instance = argv[optind];
        if (reset.instance && !footprint_is_instance(reset.instance))
                return usage("an instance's name is 1 to 40 lower-case letters, digits and "
                             "dashes, not ",
                             reset.instance);
        if (geteuid() != 0)
                return usage("only root can remove what netext left", "");
        setvbuf(stdout, NULL, _IOLBF, 0);
        return run(&reset);
}
