/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare single-process responder: takes what is in the queue, answers each
 * packet with NF_REPEAT and the mark. Nothing else, so this is the least that
 * asking user space about the first packet of a flow can cost.
 *
 * It prints "ready" once the queue is bound.
 */
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nfqueue.h"

static int respond(struct nfqueue *queue, uint32_t mark)
{
        struct nfqueue_packet packets[NFQUEUE_BATCH];
        uint32_t ids[NFQUEUE_BATCH];
        int n, r;

        for (;;) {
                n = nfqueue_read(queue, packets);
                if (n < 0)
                        return n;
                for (int i = 0; i < n; i++)
                        ids[i] = packets[i].id;

                r = nfqueue_answer(queue, ids, (size_t)n, NF_REPEAT, mark);
                if (r < 0)
                        return r;
        }
}

int main(int argc, char **argv)
{
        static struct nfqueue queue;
        uint16_t number;
        uint32_t mark;
        int r;

        r = nfqueue_parse_arguments(argc, argv, &number, &mark);
        if (r < 0) {
                fprintf(stderr, "usage: %s QUEUE MARK [SECONDS]\n", argv[0]);
                return EXIT_FAILURE;
        }
        r = nfqueue_open(&queue, number);
        if (r == 0) {
                puts("ready");
                fflush(stdout);
                r = respond(&queue, mark);
                nfqueue_close(&queue);
        }
        fprintf(stderr, "%s: queue %u: %s\n", argv[0], number, strerror(-r));
        return EXIT_FAILURE;
}
