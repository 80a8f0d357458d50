/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netext-flowd: holds flows, finds their owners, asks the sessions, and tells the kernel.
 *
 * It is started by netextd as a user of its own with CAP_NET_ADMIN, CAP_NET_RAW,
 * CAP_NET_BIND_SERVICE, CAP_BPF and CAP_PERFMON, opens what it needs (BPF programs, the
 * packet queue, netlink, listeners), and then gives up the file system (sandbox.c). It reads
 * no configuration and starts nothing.
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "engine/engine.h"
#include "probe/probe.h"
#include "engine/sandbox.h"
#include "owner/launchers.h"

static int usage(const char *problem)
{
        fprintf(stderr,
                "netext-flowd: %s\n"
                "netext-flowd is started by netextd; see netextd(8). By hand it can be asked what\n"
                "this machine offers: netext-flowd --probe\n",
                problem);
        return 2;
}

enum option_code {
        OPTION_INSTANCE = 256,
        OPTION_CGROUP,
        OPTION_EXTENSION_CGROUP,
        OPTION_MARK_MASK,
        OPTION_PIN_DIR,
        OPTION_LAUNCHERS,
        OPTION_LINK_FD,
        OPTION_LISTEN_FD,
        OPTION_QUEUE_FD,
        OPTION_PROBE,
        OPTION_DEBUG,
};

static const struct option options[] = {
        { "instance", required_argument, NULL, OPTION_INSTANCE },
        { "cgroup", required_argument, NULL, OPTION_CGROUP },
        { "extension-cgroup", required_argument, NULL, OPTION_EXTENSION_CGROUP },
        { "mark-mask", required_argument, NULL, OPTION_MARK_MASK },
        { "pin-dir", required_argument, NULL, OPTION_PIN_DIR },
        { "launchers", required_argument, NULL, OPTION_LAUNCHERS },
        { "link-fd", required_argument, NULL, OPTION_LINK_FD },
        { "listen-fd", required_argument, NULL, OPTION_LISTEN_FD },
        { "queue-fd", required_argument, NULL, OPTION_QUEUE_FD },
        { "probe", no_argument, NULL, OPTION_PROBE },
        { "debug", no_argument, NULL, OPTION_DEBUG },
        {},
};

struct arguments {
        struct engine_config config;
        enum log_level log_level;
        bool probe;
};

static int parse_option(struct arguments *arguments, int option)
{
        switch (option) {
        case OPTION_INSTANCE:
                arguments->config.instance = optarg;
                return 0;
        case OPTION_CGROUP:
                arguments->config.cgroup_path = optarg;
                return 0;
        case OPTION_EXTENSION_CGROUP:
                arguments->config.extension_cgroup_path = optarg;
                return 0;
        case OPTION_MARK_MASK:
                arguments->config.mark_mask = (uint32_t)strtoul(optarg, NULL, 16);
                return 0;
        case OPTION_PIN_DIR:
                arguments->config.pin_dir = optarg;
                return 0;
        case OPTION_LAUNCHERS:
                arguments->config.launchers = optarg;
                return 0;
        case OPTION_LINK_FD:
                arguments->config.link_fd = atoi(optarg);
                return 0;
        case OPTION_LISTEN_FD:
                arguments->config.listen_fd = atoi(optarg);
                return 0;
        case OPTION_QUEUE_FD:
                arguments->config.queue_fd = atoi(optarg);
                return 0;
        case OPTION_PROBE:
                arguments->probe = true;
                return 0;
        case OPTION_DEBUG:
                arguments->log_level = LOG_LEVEL_DEBUG;
                return 0;
        default:
                return -EINVAL;
        }
}

static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
        int option;

        *arguments = (struct arguments){
                .config = { .launchers = LAUNCHERS_DEFAULT,
                            .link_fd = -1,
                            .listen_fd = -1,
                            .queue_fd = -1 },
                .log_level = LOG_LEVEL_NOTICE,
        };
        while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
                if (parse_option(arguments, option) < 0)
                        return -EINVAL;
        return optind == argc ? 0 : -EINVAL;
}

static bool is_complete(const struct engine_config *config)
{
        return config->instance && config->cgroup_path && config->extension_cgroup_path &&
               config->pin_dir && config->mark_mask && config->link_fd >= 0 &&
               config->listen_fd >= 0;
}

static int serve(const struct engine_config *config)
{
        static struct engine engine;
        const char *problem;
        int r;

        r = engine_init(&engine, config, &problem);
        if (r < 0) {
                log_error("%s: %s", problem, strerror(-r));
                return 1;
        }
        r = sandbox_enter();
        if (r < 0) {
                log_error("the system-call filter cannot be loaded: %s", strerror(-r));
                return 1;
        }
        r = loop_run(&engine.loop);
        if (r < 0)
                log_error("the loop ended: %s", strerror(-r));
        link_flush(&engine.link);
        engine_deinit(&engine);
        return r < 0;
}

int main(int argc, char **argv)
{
        struct arguments arguments;

        signal(SIGPIPE, SIG_IGN);
        if (parse_arguments(&arguments, argc, argv) < 0)
                return usage("an option is wrong");
        log_open("netext-flowd", arguments.log_level);
        if (arguments.probe)
                return probe_all();
        if (!is_complete(&arguments.config))
                return usage("an option is missing");
        return serve(&arguments.config);
}
