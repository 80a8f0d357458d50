/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/packet.h
 *
 * The packet filter: allows, drops or delays single packets (NEFilterPacketProvider).
 *
 * It sees whole IP packets where they leave a program of this host, behind everything that was
 * decided about their flow, and where they come in for one, before that: those that its rules name,
 * of the instance's programs. Packets that this host only passes on are none of anybody's here, and
 * what goes over lo is left alone unless it is asked for.
 *
 * What the kernel will cut into packets later is one (up to 64 KiB), and so is what it put together
 * of several. Of a datagram of IPv6 that comes in in fragments only the first is shown; without it
 * the others are nothing. Checksums of a packet that leaves may not be there yet.
 */

#include <netext/netext.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The running packet filter, as the extension sees it. Valid from start_filter to stop_filter. */
struct nx_packet_filter;

/** Which packet packet_handler is called for. Valid in that call, for its thread. */
struct nx_packet_context;

/** A packet that was delayed (NEPacket): it waits in the kernel, and this has a copy of it. */
struct nx_packet;

/** Which packets come to packet_handler, built before they are applied as one. */
struct nx_packet_filter_settings;

/** What becomes of a packet (NEFilterPacketProviderVerdict). */
enum nx_packet_verdict {
        NX_PACKET_VERDICT_ALLOW = 0,
        NX_PACKET_VERDICT_DROP = 1,
        /** It waits: say so after nx_packet_filter_delay_current_packet(). */
        NX_PACKET_VERDICT_DELAY = 2,
};

/** So many packets of one session can be delayed by each of its threads at once, with so many bytes
 *  together, and each for so long. What is beyond is decided by the session's fail policy. */
#define NX_PACKETS_DELAYED_MAX      1024
#define NX_PACKET_BYTES_DELAYED_MAX (8 * 1024 * 1024)
#define NX_PACKET_DELAY_S_MAX       10

/** The functions of a packet filter provider; NULL where there is nothing to do. */
struct nx_packet_filter_provider {
        /** The session starts. Apply settings here; before this returned no packet waits. 0, or a
         *  negative errno: the session fails with the last message that was reported. */
        int (*start_filter)(struct nx_packet_filter *filter, void *userdata);

        /** The session ends, and no packet_handler is running any more: the call waits for them. */
        void (*stop_filter)(struct nx_packet_filter *filter, enum nx_provider_stop_reason reason,
                            void *userdata);

        /**
         * What becomes of a packet. Called by several threads of the library at once, at most one
         * packet each: packets between the same two addresses by one thread, in their order. bytes
         * begin with the IP header and are borrowed; interface is the name of the one that it
         * leaves by or came in through. A packet waits for the session's verdict timeout at most;
         * after one that did, the fail policy decides about all until the thread answers again.
         * Here nothing of the library may be called but
         * nx_packet_filter_delay_current_packet(), the functions of struct nx_packet, and
         * nx_packet_filter_get_name(). A number that is no verdict is a fault of the extension, and
         * so is DELAY for a packet that was not delayed, or another verdict for one that was.
         * Without this function all are allowed.
         */
        enum nx_packet_verdict (*packet_handler)(struct nx_packet_filter *filter,
                                                 struct nx_packet_context *context,
                                                 const char *interface, enum nx_direction direction,
                                                 const void *bytes, size_t size, void *userdata);

        /** As in struct nx_filter_provider. */
        void (*handle_file)(struct nx_packet_filter *filter, const char *name, const char *path,
                            int fd, void *userdata);
};

/** The session's name. */
const char *nx_packet_filter_get_name(struct nx_packet_filter *filter);

/** Tells the administrator something, by the session's record and the log. One line. */
void nx_packet_filter_report(struct nx_packet_filter *filter, enum nx_level level,
                             const char *format, ...) __attribute__((format(printf, 3, 4)));

/** @name Delayed packets
 *  These may be called by any thread.
 *  @{ */
/** The packet that packet_handler is called for becomes the caller's: return DELAY for it then.
 *  NULL: there is no memory, or it was delayed before. */
struct nx_packet *nx_packet_filter_delay_current_packet(struct nx_packet_context *context);
/** Lets the packet go, and frees it. -ESTALE: its session stopped or restarted meanwhile; what
 *  waited for too long was decided by the fail policy, and that is no error. */
int nx_packet_filter_allow_packet(struct nx_packet *packet);
/** Drops the packet, and frees it. NULL in, NULL out. */
struct nx_packet *nx_packet_free(struct nx_packet *packet);
/** From the IP header on. */
const void *nx_packet_get_bytes(const struct nx_packet *packet, size_t *ret_size);
const char *nx_packet_get_interface(const struct nx_packet *packet);
enum nx_direction nx_packet_get_direction(const struct nx_packet *packet);
/** AF_INET or AF_INET6. */
int nx_packet_get_protocol_family(const struct nx_packet *packet);
/** @} */

/** @name Settings: which packets leave the kernel at all
 *  @{ */
/** Rules of one session. */
#define NX_PACKET_RULES_MAX 32

/** What is 0 or NULL matches everything. Initialise with NX_PACKET_RULE_INIT. */
struct nx_packet_rule {
        size_t size;
        enum nx_direction direction;
        /** "eth0"; at most 15 bytes, and it need not be there yet. */
        const char *interface;
        /** A number of IP's: IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_ICMPV6, … */
        int protocol;
        /** Of the other host: "198.18.0.0/15", "fd00::/8", or a single address. */
        const char *remote_network;
};

#define NX_PACKET_RULE_INIT .size = sizeof(struct nx_packet_rule)

/** loopback: false leaves what goes over lo alone, whatever the rules say. */
int nx_packet_filter_settings_new(struct nx_packet_filter_settings **ret_settings, bool loopback);
/** NULL in, NULL out. */
struct nx_packet_filter_settings *
nx_packet_filter_settings_free(struct nx_packet_filter_settings *settings);
/** packet_handler is called for what this rule or another one matches; with no rule, for nothing.
 *  -EINVAL (a field does not parse; settings unchanged), -E2BIG. */
int nx_packet_filter_settings_add_rule(struct nx_packet_filter_settings *settings,
                                       const struct nx_packet_rule *rule);

/** result: 0, or a negative errno with the old settings still in force. */
typedef void nx_packet_filter_applied_fn(struct nx_packet_filter *filter, int result,
                                         void *userdata);
/** Replaces the session's settings as one; otherwise like nx_filter_apply(). Without settings every
 *  packet that does not go over lo comes. */
int nx_packet_filter_apply(struct nx_packet_filter *filter,
                           const struct nx_packet_filter_settings *settings,
                           nx_packet_filter_applied_fn *fn, void *userdata);
/** @} */

#ifdef __cplusplus
}
#endif
