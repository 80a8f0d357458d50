/* SPDX-License-Identifier: Apache-2.0 */

/* What is left of TCP's sequence numbers without SYN and FIN, by what the kernel knows at the end.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/bpf.h>

#include "base/cleanup.h"
#include "steer/counts.h"

#define OUT NX_DIRECTION_OUTBOUND
#define IN  NX_DIRECTION_INBOUND

static const struct {
        enum nx_direction direction;
        struct steer_tally tally;
        bool is_known;
        uint64_t outbound, inbound;
} ends[] = {
        /* Nobody wanted to know. */
        { OUT, { 0 }, false, 0, 0 },
        /* Never answered; refused. */
        { OUT, { .queued = 1, .state = BPF_TCP_SYN_SENT }, true, 0, 0 },
        { OUT, { .queued = 1, .state = BPF_TCP_CLOSE }, true, 0, 0 },
        /* The program closes first, with something on the way. */
        { OUT,
          { .acked = 11, .queued = 5, .received = 7, .state = BPF_TCP_ESTABLISHED },
          true,
          15,
          7 },
        { IN,
          { .acked = 10, .queued = 5, .received = 7, .state = BPF_TCP_ESTABLISHED },
          true,
          15,
          7 },
        /* The other end did. */
        { OUT, { 11, 8, 0, BPF_TCP_CLOSE_WAIT, 1, 0 }, true, 10, 7 },
        { OUT, { 11, 8, 0, BPF_TCP_CLOSE_WAIT, 0, 0 }, true, 10, 7 },
        /* The program said FIN, and it is not acked; it is; both did, in either order. */
        { OUT, { 11, 7, 1, BPF_TCP_FIN_WAIT1, 0, 0 }, true, 10, 7 },
        { OUT, { 12, 7, 0, BPF_TCP_FIN_WAIT2, 0, 0 }, true, 10, 7 },
        { OUT, { 11, 8, 1, BPF_TCP_CLOSING, 1, 0 }, true, 10, 7 },
        { OUT, { 11, 8, 1, BPF_TCP_LAST_ACK, 1, 0 }, true, 10, 7 },
        { OUT, { 12, 8, 0, BPF_TCP_CLOSE, 1, 0 }, true, 10, 7 },
        { IN, { 11, 8, 0, BPF_TCP_CLOSE, 1, 0 }, true, 10, 7 },
        /* Reset: had the program said FIN? */
        { OUT, { 11, 7, 0, BPF_TCP_CLOSE, 0, 0 }, false, 0, 0 },
        /* More than 32 bits. */
        { OUT,
          { 0x200000001, 0x300000000, 4, BPF_TCP_ESTABLISHED, 0, 0 },
          true,
          0x200000004,
          0x300000000 },
};

static void test_bytes_are_what_is_neither_syn_nor_fin(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
                struct flow_bytes bytes = {};

                if (counts_of_connection(ends[i].direction, &ends[i].tally, &bytes) !=
                            ends[i].is_known ||
                    bytes.outbound != ends[i].outbound || bytes.inbound != ends[i].inbound)
                        fail_msg("row %zu: %llu out, %llu in", i,
                                 (unsigned long long)bytes.outbound,
                                 (unsigned long long)bytes.inbound);
        }
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes_are_what_is_neither_syn_nor_fin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
