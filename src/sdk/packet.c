/* SPDX-License-Identifier: Apache-2.0 */

/* A delayed packet: a copy of what the kernel holds, and the lane by which it is let go. */

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "sdk/lane.h"
#include "sdk/public.h"

struct nx_packet {
        struct lane *lane; /* a reference */
        uint64_t id;
        enum nx_direction direction;
        char interface[IF_NAMESIZE];
        size_t size;
        uint8_t bytes[];
};

_public_ struct nx_packet *nx_packet_filter_delay_current_packet(struct nx_packet_context *context)
{
        struct nx_packet *packet;

        if (context->is_delayed)
                return NULL;
        packet = malloc(sizeof(*packet) + context->size);
        if (!packet)
                return NULL;
        *packet = (struct nx_packet){
                .lane = context->lane,
                .id = context->id,
                .direction = context->direction,
                .size = context->size,
        };
        snprintf(packet->interface, sizeof(packet->interface), "%s", context->interface);
        memcpy(packet->bytes, context->bytes, context->size);
        atomic_fetch_add(&context->lane->n_refs, 1);
        context->is_delayed = true;
        return packet;
}

static int packet_end(struct nx_packet *packet, enum nx_packet_verdict verdict)
{
        int r = lane_release(packet->lane, packet->id, verdict);

        lane_unref(packet->lane);
        free(packet);
        return r;
}

_public_ int nx_packet_filter_allow_packet(struct nx_packet *packet)
{
        return packet_end(packet, NX_PACKET_VERDICT_ALLOW);
}

_public_ struct nx_packet *nx_packet_free(struct nx_packet *packet)
{
        if (packet)
                (void)packet_end(packet, NX_PACKET_VERDICT_DROP);
        return NULL;
}

_public_ const void *nx_packet_get_bytes(const struct nx_packet *packet, size_t *ret_size)
{
        *ret_size = packet->size;
        return packet->bytes;
}

_public_ const char *nx_packet_get_interface(const struct nx_packet *packet)
{
        return packet->interface;
}

_public_ enum nx_direction nx_packet_get_direction(const struct nx_packet *packet)
{
        return packet->direction;
}

_public_ int nx_packet_get_protocol_family(const struct nx_packet *packet)
{
        return packet->bytes[0] >> 4 == 4 ? AF_INET : AF_INET6;
}
