/* SPDX-License-Identifier: Apache-2.0 */

/*
 * main() of an extension: serve until the daemon is done with us or SIGTERM comes, and
 * tell whoever started the program by hand how it is meant to be started.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "sdk/provider.h"
#include "sdk/public.h"

#define EXIT_STARTED_BY_HAND 2
#define STOPS_WAIT_NS        300000000ULL /* netextd kills later */
#define STOPS_ROUND_MS       20

struct termination {
        struct loop_io io;
        int fd; /* signalfd, owned */
        bool came;
};

#define TERMINATION_NULL { .io = LOOP_IO_NULL, .fd = -1 }

static int termination_on_io(uint32_t events, void *userdata)
{
        struct termination *termination = userdata;

        termination->came = true;
        return 0;
}

/* SIGTERM is an event of the loop from here on, and stays blocked until we exit. */
static int termination_init(struct termination *termination)
{
        sigset_t mask;

        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        termination->fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        return termination->fd < 0 ? -errno : 0;
}

static void termination_deinit(struct termination *termination)
{
        termination->fd = close_fd(termination->fd);
}

static int explain(const struct nx_extension *extension, int r)
{
        char program[4096] = "./PROGRAM";
        ssize_t length;

        if (r != -ENOTCONN) {
                fprintf(stderr, "%s: cannot start: %s\n", program_invocation_short_name,
                        r == -EINVAL ? "its struct nx_extension has no proper identifier, or was "
                                       "not started with NX_EXTENSION_INIT"
                                     : strerror(-r));
                return EXIT_FAILURE;
        }
        length = readlink("/proc/self/exe", program, sizeof(program) - 1);
        if (length > 0)
                program[length] = '\0';
        fprintf(stderr,
                "%s is a netext extension: netextd starts it and gives it the flows to decide.\n"
                "To run a command under it: netextctl run --with %s -- COMMAND\n",
                extension->identifier, program);
        return EXIT_STARTED_BY_HAND;
}

/* The signal can overtake netext-flowd, which says why each session stops. */
static void let_sessions_stop(struct nx_provider *provider)
{
        uint64_t deadline_ns = now_ns() + STOPS_WAIT_NS;

        while (provider_is_connected(provider) && now_ns() < deadline_ns)
                if (provider_round(provider, STOPS_ROUND_MS) < 0)
                        return;
}

static int serve(struct nx_provider *provider, struct termination *termination)
{
        int r;

        r = loop_add(&provider->loop, &termination->io, termination->fd, EPOLLIN, termination_on_io,
                     termination);
        while (r >= 0 && !termination->came)
                r = provider_round(provider, -1);
        loop_remove(&provider->loop, &termination->io);
        if (r >= 0)
                let_sessions_stop(provider);
        if (r >= 0 || (r == -EPIPE && provider->was_stopped))
                return EXIT_SUCCESS;
        if (r == -EPIPE && provider->did_not_start)
                return EXIT_FAILURE;
        fprintf(stderr, "%s: %s\n", program_invocation_short_name,
                provider->result < 0 ? nx_provider_get_error(provider) : strerror(-r));
        return EXIT_FAILURE;
}

_public_ int nx_main(const struct nx_extension *extension, void *userdata)
{
        _cleanup_(termination_deinit) struct termination termination = TERMINATION_NULL;
        _cleanup_(cleanup_provider) struct nx_provider *provider = NULL;
        int r;

        /* First: from the provider's hello on, netextd may send the signal. */
        r = termination_init(&termination);
        if (r >= 0)
                r = nx_provider_new(&provider, extension, userdata);
        if (r < 0)
                return explain(extension, r);
        if (extension->handle_begin)
                extension->handle_begin(provider, userdata);
        return serve(provider, &termination);
}
