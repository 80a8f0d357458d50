/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The smallest useful packet filter: pings of this host are answered a tenth of a second late, and
 * those with more than a kilobyte not at all.
 *
 *     cc hello-packet-filter.c $(pkg-config --cflags --libs netext) -o hello-packet-filter
 *     sudo netextctl run --with ./hello-packet-filter -- ping -c 3 example.org
 */

#include <netinet/in.h>
#include <pthread.h>
#include <time.h>

#include <netext/extension.h>

#define BYTES_MAX 1024
#define DELAY_NS  100000000L

/* Lets the packet go when it has waited long enough: any thread may do that. */
static void *wait_and_allow(void *packet)
{
        nanosleep(&(struct timespec){ .tv_nsec = DELAY_NS }, NULL);
        (void)nx_packet_filter_allow_packet(packet);
        return NULL;
}

/* Called by several threads at once, for each packet that a rule is about. */
static enum nx_packet_verdict handle_packet(struct nx_packet_filter *filter,
                                            struct nx_packet_context *context,
                                            const char *interface, enum nx_direction direction,
                                            const void *bytes, size_t size, void *userdata)
{
        struct nx_packet *packet;
        pthread_t thread;

        (void)filter, (void)interface, (void)direction, (void)bytes, (void)userdata;
        if (size > BYTES_MAX)
                return NX_PACKET_VERDICT_DROP;
        packet = nx_packet_filter_delay_current_packet(context);
        if (!packet)
                return NX_PACKET_VERDICT_ALLOW;
        if (pthread_create(&thread, NULL, wait_and_allow, packet) == 0)
                pthread_detach(thread);
        else
                (void)nx_packet_filter_allow_packet(packet);
        return NX_PACKET_VERDICT_DELAY;
}

/* Says which packets leave the kernel at all: answers to pings, and other news of ICMP. */
static int start_filter(struct nx_packet_filter *filter, void *userdata)
{
        static const int protocols[] = { IPPROTO_ICMP, IPPROTO_ICMPV6 };
        struct nx_packet_filter_settings *settings;
        int r;

        (void)userdata;
        r = nx_packet_filter_settings_new(&settings, false);
        if (r < 0)
                return r;
        for (int i = 0; i < 2 && r == 0; i++)
                r = nx_packet_filter_settings_add_rule(settings,
                                                       &(struct nx_packet_rule){
                                                               NX_PACKET_RULE_INIT,
                                                               .direction = NX_DIRECTION_INBOUND,
                                                               .protocol = protocols[i],
                                                       });
        if (r == 0)
                r = nx_packet_filter_apply(filter, settings, NULL, NULL);
        nx_packet_filter_settings_free(settings);
        return r;
}

int main(void)
{
        static const struct nx_extension extension = {
                NX_EXTENSION_INIT,
                .identifier = "hello-packet-filter",
                .version = "1",
                .packet_filter = {
                        .start_filter = start_filter,
                        .packet_handler = handle_packet,
                },
        };

        return nx_main(&extension, NULL);
}
