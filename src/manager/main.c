/* SPDX-License-Identifier: Apache-2.0 */

/*
 * netextd: the manager. It runs as root and does little with it; the list is priv/priv.h,
 * and everything else is given up in the first line below. What touches the network's
 * packets is netext-flowd, with four capabilities and a uid of its own; what decides is an
 * extension, with a uid of its own and nothing.
 *
 *      options → the list of privileges → the runtime folder → flowd and sessions →
 *      (flowd is ready: control API, ready) → the loop → everything is taken away
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "manager/instance.h"
#include "manager/priv/priv.h"

#define EXIT_USAGE 2

DEFINE_CLEANUP(struct instance *, instance, instance_free)

/* A descriptor that we make must never become somebody's stdin or stderr. */
static void fill_standard_descriptors(void)
{
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        (void)!open("/dev/null", O_RDWR);
}

/* A session takes 19 descriptors at most, and what systemd starts may have 1024. */
static void raise_file_limit(void)
{
        struct rlimit files;

        if (getrlimit(RLIMIT_NOFILE, &files) < 0)
                return;
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
}

static void open_log(const struct options *options)
{
        enum log_level level = LOG_LEVEL_INFO;

        if (options->owner_fd >= 0)
                level = LOG_LEVEL_NOTICE; /* the owner tells the story */
        if (options->debug)
                level = LOG_LEVEL_DEBUG;
        log_open("netextd", level);
}

static int run(const struct options *options)
{
        _cleanup_(cleanup_instance) struct instance *instance = NULL;
        int r;

        r = priv_reduce();
        if (r < 0)
                return r;
        r = instance_new(&instance, options);
        if (r < 0)
                return r;
        r = instance_claim(instance);
        if (r < 0)
                return r;
        r = instance_start(instance);
        if (r < 0)
                return r;
        return instance_run(instance);
}

int main(int argc, char *argv[])
{
        struct options options;
        int r;

        fill_standard_descriptors();
        raise_file_limit();
        umask(022); /* flowd and apps are other users, whatever root's umask is */
        r = options_parse(&options, argc, argv);
        if (r == OPTIONS_E_DONE)
                return EXIT_SUCCESS;
        if (r < 0)
                return EXIT_USAGE;
        open_log(&options);
        return run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
