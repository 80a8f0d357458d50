/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/flowd/flow/packet.c src/base/endpoint.c */

/* Packets as a raw socket may send them: no read beyond the end, a payload inside it. */

#include <stdlib.h>

#include "flow/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
        struct packet packet;

        if (packet_parse(bytes, size, &packet) < 0)
                return 0;
        if (packet.payload < bytes || packet.payload + packet.payload_size != bytes + size)
                abort();
        return 0;
}
