/* SPDX-License-Identifier: Apache-2.0 */

/* A packet filter of the benchmarks: allows every packet, in both directions. */

#include <netext/extension.h>

static enum nx_packet_verdict handle_packet(struct nx_packet_filter *filter,
                                            struct nx_packet_context *context,
                                            const char *interface, enum nx_direction direction,
                                            const void *bytes, size_t size, void *userdata)
{
        return NX_PACKET_VERDICT_ALLOW;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "filter-packets",
                .packet_filter = { .packet_handler = handle_packet },
        };

        return nx_main(&extension, NULL);
}
