/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netext-bench-load, the load of the benchmarks: a server, closed-loop TCP
 * clients, one bulk stream, and datagrams. This file is the command line.
 *
 * Clients close with a reset (SO_LINGER 0): no TIME_WAIT is left on either
 * side, so the ephemeral ports last for any rate. Every run ends by itself:
 * --seconds bounds it in time, --count in number. Results are one line of JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "load.h"

static int target_parse(const char *address, const char *port, struct target *ret_target)
{
        const struct addrinfo hints = {
                .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                .ai_socktype = SOCK_STREAM,
        };
        struct addrinfo *info;

        if (getaddrinfo(address, port, &hints, &info) != 0)
                return -EINVAL;
        memcpy(&ret_target->address, info->ai_addr, info->ai_addrlen);
        ret_target->n_address = info->ai_addrlen;
        freeaddrinfo(info);
        return 0;
}

static int mode_parse(const char *name, enum server_mode *ret_mode)
{
        if (strcmp(name, "echo") == 0)
                *ret_mode = SERVER_ECHO;
        else if (strcmp(name, "sink") == 0)
                *ret_mode = SERVER_SINK;
        else if (strcmp(name, "udp") == 0)
                *ret_mode = SERVER_UDP;
        else
                return -EINVAL;
        return 0;
}

static int number_parse(const char *text, uint64_t max, uint64_t *ret_number)
{
        uint64_t number;
        char *end;

        errno = 0;
        number = strtoull(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || number == 0 || number > max)
                return -EINVAL;
        *ret_number = number;
        return 0;
}

static int option_parse(int option, const char *value, struct options *options)
{
        uint64_t number = 0;
        char *end;
        int r = 0;

        switch (option) {
        case 'm':
                return mode_parse(value, &options->mode);
        case 'c':
                r = number_parse(value, N_CLIENTS_MAX, &number);
                options->n_clients = (unsigned int)number;
                return r;
        case 't':
                r = number_parse(value, N_THREADS_MAX, &number);
                options->n_threads = (unsigned int)number;
                return r;
        case 'n':
                return number_parse(value, UINT64_MAX / N_CLIENTS_MAX, &options->count);
        case 'u':
                r = number_parse(value, PAUSE_US_MAX, &number);
                options->pause_us = (unsigned int)number;
                return r;
        case 'p':
                r = number_parse(value, UINT16_MAX, &number);
                options->socks5_port = (uint16_t)number;
                return r;
        case 's':
                options->seconds = strtod(value, &end);
                return *end == '\0' && options->seconds > 0 && options->seconds <= 3600 ? 0
                                                                                        : -EINVAL;
        default:
                return -EINVAL;
        }
}

static int options_parse(int argc, char **argv, struct options *options)
{
        static const struct option known[] = {
                {"mode", required_argument, NULL, 'm'},
                {"clients", required_argument, NULL, 'c'},
                {"threads", required_argument, NULL, 't'},
                {"count", required_argument, NULL, 'n'},
                {"seconds", required_argument, NULL, 's'},
                {"socks5", required_argument, NULL, 'p'},
                {"pause", required_argument, NULL, 'u'},
                {NULL, 0, NULL, 0},
        };
        int option, r;

        while ((option = getopt_long(argc, argv, "", known, NULL)) >= 0) {
                r = option_parse(option, optarg, options);
                if (r < 0)
                        return r;
        }
        if (argc - optind != 3)
                return -EINVAL;
        r = target_parse(argv[optind + 1], argv[optind + 2], &options->target);
        if (r == 0 && options->socks5_port)
                r = options_go_through_socks5(options);
        return r;
}

static const struct verb {
        const char *name;
        int (*run_fn)(const struct options *options);
        bool thread_per_core;
        double seconds;
} verbs[] = {
        {"server", run_server, false, 600},
        {"connect", run_connect, true, 3},
        {"bulk", run_bulk, false, 3},
        {"udp", run_udp, false, 3},
};

static const struct verb *verb_find(const char *name)
{
        for (size_t i = 0; name && i < sizeof(verbs) / sizeof(verbs[0]); i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];
        return NULL;
}

static int usage(void)
{
        fputs("usage: netext-bench-load server ADDR PORT [--mode echo|sink|udp] [--threads N] "
              "[--seconds S]\n"
              "       netext-bench-load connect ADDR PORT [--clients N] [--threads N] [--seconds "
              "S] [--count N] [--pause US] [--socks5 PORT]\n"
              "       netext-bench-load bulk ADDR PORT [--seconds S] [--socks5 PORT]\n"
              "       netext-bench-load udp ADDR PORT [--clients N_IN_FLIGHT] [--seconds S]\n",
              stderr);
        return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        const struct verb *verb = verb_find(argc > 1 ? argv[1] : NULL);
        struct options options = {.n_clients = 1, .n_threads = 1, .count = 10 * 1000 * 1000};
        int r;

        if (!verb)
                return usage();

        options.seconds = verb->seconds;
        if (verb->thread_per_core)
                options.n_threads =
                        (unsigned int)(get_nprocs() < N_THREADS_MAX ? get_nprocs() : N_THREADS_MAX);
        r = options_parse(argc, argv, &options);
        if (r < 0)
                return usage();

        r = verb->run_fn(&options);
        if (r < 0)
                fprintf(stderr, "netext-bench-load %s: %s\n", verb->name, strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
