/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/extension.h
 *
 * The main() of an extension: one table of what it provides, handed to nx_main().
 *
 * @code
 * static enum nx_verdict handle_new_flow(struct nx_filter *filter, struct nx_flow *flow,
 *                                        void *userdata)
 * {
 *         return nx_flow_get_remote_port(flow) == 25 ? NX_VERDICT_REFUSE : NX_VERDICT_ALLOW;
 * }
 *
 * int main(void)
 * {
 *         static const struct nx_extension extension = {
 *                 NX_EXTENSION_INIT,
 *                 .identifier = "no-smtp",
 *                 .filter = { .handle_new_flow = handle_new_flow },
 *         };
 *
 *         return nx_main(&extension, NULL);
 * }
 * @endcode
 *
 * The daemon starts the program; started by hand it explains itself and exits with 2.
 * Everything runs in one thread, but for the packet_handler of a packet filter: the one that calls
 * nx_main() or nx_provider_dispatch(). While a callback runs, flows wait; a provider that needs
 * time returns NX_VERDICT_PAUSE and answers later. Between a flow being handed over and its answer
 * at most the session's verdict timeout may pass (a paused flow is exempt), then the session's fail
 * policy decides.
 */

#include <netext/ask.h>
#include <netext/endpoint.h>
#include <netext/filter.h>
#include <netext/key.h>
#include <netext/packet.h>
#include <netext/proxy.h>
#include <netext/system.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An extension, in one static table. Start it with NX_EXTENSION_INIT. */
struct nx_extension {
        size_t size;
        /** Letters, digits, dashes and dots; the name sessions are started by, and, of one that
         *  is installed, the identifier of its manifest. */
        const char *identifier;
        const char *version;
        /** What it can be; a session runs one of them. An installed extension has one process
         *  for all its sessions, also of different kinds, unless its manifest has the scope
         *  session: nx_filter_get_name() and its like tell them apart. A table
         *  without any function is absent; without any table it is a filter that allows. */
        struct nx_filter_provider filter;
        struct nx_proxy_provider transparent_proxy;
        struct nx_proxy_provider app_proxy;
        /** The endpoints of its manifest that it serves, in the same process. */
        const struct nx_endpoint_provider *endpoints;
        size_t n_endpoints;
        /** One more thing that it can be. */
        struct nx_packet_filter_provider packet_filter;
        /** The machine's settings: soon after the start, and whenever some of them have changed.
         *  changed: 1U << enum nx_system_setting, several. */
        void (*handle_system)(const struct nx_system *system, uint32_t changed, void *userdata);
        /** nx_main() calls it once, before everything else: from here on the extension can use
         *  its secrets and keys (netext/key.h). */
        void (*handle_begin)(struct nx_provider *provider, void *userdata);
};

#define NX_EXTENSION_INIT .size = sizeof(struct nx_extension)

/**
 * Connects to the daemon that started this program, serves until the daemon is done
 * with it, and returns main()'s exit status. Prints to stderr what went wrong.
 */
int nx_main(const struct nx_extension *extension, void *userdata);

/** @name The same for programs with an event loop of their own.
 *  @{ */

/** -EINVAL for a bad table, -ENOTCONN where the daemon did not start this program. extension
 *  and userdata are borrowed until nx_provider_free(). */
int nx_provider_new(struct nx_provider **ret_provider, const struct nx_extension *extension,
                    void *userdata);
/** A descriptor to poll for reading; stays the provider's. */
int nx_provider_get_fd(struct nx_provider *provider);
/** Handles what is there, without blocking. -EPIPE when the daemon is done with us. */
int nx_provider_dispatch(struct nx_provider *provider);
/** What the last failed call was about. Never NULL. */
const char *nx_provider_get_error(struct nx_provider *provider);
/** NULL in, NULL out. */
struct nx_provider *nx_provider_free(struct nx_provider *provider);
/** @} */

#ifdef __cplusplus
}
#endif
