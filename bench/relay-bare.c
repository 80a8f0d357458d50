/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare relay: accepts what tproxy delivers, connects to where the client wanted to go, and
 * splices both ways (splicer.h). This is the least that going through user space can cost.
 *
 *     netext-bench-relay-bare PORT MARK
 *
 * It prints "ready" once it listens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay-common.h"
#include "splicer.h"

static uint32_t mark;

static int begin(struct pair *pair)
{
        int fd = relay_connect_on(pair->app.fd, mark), r;

        if (fd < 0)
                return fd;
        r = half_watch(&pair->upstream, fd, half_carry);
        return r < 0 ? r : half_watch(&pair->app, pair->app.fd, half_carry);
}

int main(int argc, char **argv)
{
        struct relay_arguments arguments;
        int r;

        if (relay_parse_arguments(argc, argv, &arguments) < 0) {
                fprintf(stderr, "usage: %s PORT MARK\n", argv[0]);
                return EXIT_FAILURE;
        }
        mark = arguments.mark;
        r = relay_listen(arguments.port);
        if (r >= 0)
                r = splicer_serve(r, begin);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
        return EXIT_FAILURE;
}
