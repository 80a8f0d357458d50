/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the two reference responders share: one netfilter queue, read and
 * answered in batches. It knows packets and verdicts, not who decides.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define NFQUEUE_BATCH   64   /* packets in one read, verdicts in one write */
#define NFQUEUE_COPY    128  /* bytes of each packet that are copied to us */
#define NFQUEUE_MESSAGE 1024 /* one packet message, payload and attributes */

struct mnl_socket;

struct nfqueue_packet {
        uint32_t id;            /* host order */
        const uint8_t *payload; /* borrowed from the queue, until the next read; NULL if none */
        size_t n_payload;
};

struct nfqueue {
        struct mnl_socket *socket;
        uint16_t number;
        struct iovec iovecs[NFQUEUE_BATCH];
        struct mmsghdr messages[NFQUEUE_BATCH];
        uint8_t buffers[NFQUEUE_BATCH][NFQUEUE_MESSAGE];
};

/* Binds the queue in the caller's network namespace; the kernel unbinds it
 * when the socket closes, at the latest with the process. 0 or negative errno. */
int nfqueue_open(struct nfqueue *queue, uint16_t number);
void nfqueue_close(struct nfqueue *queue);

/* Waits for the first packet, then takes whatever else is there, up to
 * NFQUEUE_BATCH. Returns the number of packets or negative errno. */
int nfqueue_read(struct nfqueue *queue, struct nfqueue_packet *ret_packets);

/* Sends one verdict with one mark for each of `n` (at most NFQUEUE_BATCH)
 * packets in a single write. 0 or negative errno. */
int nfqueue_answer(struct nfqueue *queue, const uint32_t *ids, size_t n, uint32_t verdict,
                   uint32_t mark);

/* The common command line, `QUEUE MARK [SECONDS]`: fills the outputs and sets
 * an alarm that ends the process after SECONDS (600). 0 or negative errno. */
int nfqueue_parse_arguments(int argc, char **argv, uint16_t *ret_number, uint32_t *ret_mark);
