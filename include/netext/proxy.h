/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/proxy.h
 *
 * The transparent proxy and the app proxy: providers that take flows over
 * (NETransparentProxyProvider, NEAppProxyProvider).
 *
 * A flow comes to handle_new_flow while its first packet waits in the kernel, so the
 * program's connect() has not returned. The provider claims it or declines it:
 *
 *      DECLINE   transparent proxy: the next session in the chain is asked, at last the flow
 *                goes direct, untouched. App proxy: the flow is refused.
 *      CLAIM     it is ours. Open the way to its destination, then call nx_flow_open(): the
 *                program's connect() succeeds and handle_open gets a connected socket whose
 *                peer is the program and whose local address is the flow's remote end. Or
 *                call nx_flow_fail(): connect() fails as the upstream did.
 *                Or call nx_flow_splice() with a socket that is on its way to the
 *                destination: the platform waits for it, opens or fails the flow as it ends,
 *                and carries the bytes itself.
 *      PEEK      let the program's connect() succeed and show us what it says first; then
 *                handle_peek answers in the place of handle_new_flow. Nothing is lost, and
 *                nothing was sent: a flow that is declined then goes on in the platform's relay,
 *                from the same address but another port, which only its server sees; one that is
 *                claimed begins with those bytes. TCP only.
 *      PAUSE     the answer comes later, by nx_flow_resume().
 *
 * What a program sends by a socket that it bound to an interface (SO_BINDTODEVICE of socket(7))
 * cannot be delivered. Such a flow may be declined, dropped or refused; where it is claimed or peeked
 * at, the session's fail policy decides, and handle_closed is called with -EOPNOTSUPP for what was
 * claimed.
 *
 * The two kinds differ in what DECLINE means and in what their rules are expected to name
 * (destinations, programs), and in their place in the chain.
 */

#include <netext/flow.h>
#include <netext/rule.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The running proxy, as the extension sees it. Valid from start_proxy to stop_proxy. */
struct nx_proxy;

/** Included and excluded rules, built before they are applied as one. */
struct nx_proxy_settings;

/** Why a flow that was claimed is over. */
struct nx_flow_end {
        size_t size;
        /** 0, or the negative errno with which it ended. */
        int error;
        /** Carried by the platform for a spliced flow, else 0. */
        uint64_t bytes_outbound, bytes_inbound;
};

/** The functions of a proxy provider; NULL where there is nothing to do. */
struct nx_proxy_provider {
        /** The session starts. Until this returns, new flows wait. Apply settings here.
         *  0, or a negative errno: the session fails with the last message reported. */
        int (*start_proxy)(struct nx_proxy *proxy, void *userdata);

        /** The session ends. Sockets of claimed flows stay the extension's and go on. */
        void (*stop_proxy)(struct nx_proxy *proxy, enum nx_provider_stop_reason reason,
                           void *userdata);

        /** CLAIM, DECLINE, DROP, REFUSE, PEEK or PAUSE; anything else is a fault of the extension.
         *  Without this function every flow is declined. A claimed flow stays valid until
         *  handle_closed, handle_open of a TCP flow, or stop_proxy has returned, without
         *  nx_flow_ref(). nx_flow_open(), nx_flow_fail() and nx_flow_splice() may be called
         *  here already by whoever then returns CLAIM; not to return it is a fault. */
        enum nx_verdict (*handle_new_flow)(struct nx_proxy *proxy, struct nx_flow *flow,
                                           void *userdata);

        /**
         * The first bytes of a flow that handle_new_flow asked to peek at: as many as it wanted,
         * or fewer when their time was over or the program said no more. size may be 0. bytes
         * are borrowed. CLAIM, DECLINE, DROP, REFUSE or PAUSE, or PEEK again after another
         * nx_flow_peek() for more; what was shown is then shown again, with more behind it.
         * nx_flow_open(), nx_flow_fail() and nx_flow_splice() are as in handle_new_flow.
         * Without this function the flow is declined. Until then the flow stays valid without
         * nx_flow_ref(); where its program goes away before, this is not called.
         */
        enum nx_verdict (*handle_peek)(struct nx_proxy *proxy, struct nx_flow *flow,
                                       const void *bytes, size_t size, void *userdata);

        /**
         * The flow is open. TCP: fd is a connected stream socket, half-close and resets as
         * on any other. UDP: a connected datagram socket, one datagram of the program each.
         * fd is handed over: close it when done, which ends the program's connection.
         * Without this function it is closed.
         * getsockname() is the flow's remote end, getpeername() the program's, also where filters
         * see the bytes on their way.
         */
        void (*handle_open)(struct nx_proxy *proxy, struct nx_flow *flow, int fd, void *userdata);

        /** A claimed flow is over: a spliced one has carried its last byte, a failed one was
         *  told, its program went away before it was open, or a UDP program closed its socket, or
         *  its flow was idle (see nx_proxy_settings_set_udp_idle()), which is error -ETIMEDOUT.
         *  Close the socket of a UDP flow then: what its program says next is another flow's.
         *  Or one that is paused needs no answer any more, as in struct nx_filter_provider; with an
         *  error.
         *  Not called for what is claimed when the session stops. end is borrowed.
         *  Once for each claimed flow, except that a TCP flow whose socket was handed over
         *  by handle_open ends on that socket. */
        void (*handle_closed)(struct nx_proxy *proxy, struct nx_flow *flow,
                              const struct nx_flow_end *end, void *userdata);

        /** As in struct nx_filter_provider. */
        void (*handle_file)(struct nx_proxy *proxy, const char *name, const char *path, int fd,
                            void *userdata);
};

/** The session's name. */
const char *nx_proxy_get_name(struct nx_proxy *proxy);

/** Tells the administrator something, by the session's record and the log. One line. */
void nx_proxy_report(struct nx_proxy *proxy, enum nx_level level, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/** Where a connection goes that carries a flow on. */
enum nx_egress {
        /** To whatever stands behind this session in the chain. */
        NX_EGRESS_NEXT = 1,
        /** To its destination, past all other proxies. Past no filter: one that has not seen the
         *  flow yet, because it was started later, decides about it as about any other. */
        NX_EGRESS_DIRECT = 2,
        /** Into one packet tunnel, and nowhere else: to its destination as NX_EGRESS_DIRECT, by the
         *  tunnel's interface. While that is down or gone there is no way; the socket never takes
         *  another. */
        NX_EGRESS_TUNNEL = 3,
};

#define NX_PEEK_BYTES_MAX 16384

/** What the PEEK that is returned next, or given to nx_flow_resume(), asks for: the first n_bytes
 *  (1 to NX_PEEK_BYTES_MAX) of what the program says, or what there is after timeout_ms (0: no
 *  limit). Each PEEK needs its own. -EINVAL for other sizes, for UDP and for a flow that
 *  handle_new_flow or handle_peek does not have and that is not paused; -ESTALE as in
 *  nx_flow_resume(). */
int nx_flow_peek(struct nx_flow *flow, size_t n_bytes, uint32_t timeout_ms);

/** @name Claimed flows
 *  nx_flow_open(), nx_flow_fail() and nx_flow_splice() are for one of them, once: -EALREADY if
 *  the flow was opened, failed or spliced before, -ESTALE if it was closed or its session was
 *  stopped or restarted meanwhile, -EINVAL for a flow that is not claimed.
 *  @{ */
/** The way to the destination is open: let the program's connect() succeed. */
int nx_flow_open(struct nx_flow *flow);
/** There is no way: the program's connect() fails like the upstream's did. error: -ECONNREFUSED,
 *  -EHOSTUNREACH, -ENETUNREACH, -ETIMEDOUT; others become -ECONNREFUSED. -EINVAL for one that is
 *  not negative. */
int nx_flow_fail(struct nx_flow *flow, int error);
/**
 * Gives a TCP flow to the platform together with upstream_fd, a stream socket that is
 * connected or connecting. The platform opens the flow when it is connected, relays both
 * directions in the kernel, and ends with both. upstream_fd is handed over on success.
 * -EINVAL for another flow or socket.
 */
int nx_flow_splice(struct nx_flow *flow, int upstream_fd);
/**
 * Says that the socket fd carries this flow on: its connection has the flow's origin, and
 * goes on behind this session in the chain instead of through it again. fd: any AF_INET or
 * AF_INET6 socket before its connect(). A plain call on the descriptor (setsockopt(2)), for
 * any library's socket, from any thread or process of the extension. -EPERM for a flow that
 * was not delivered to this extension, -EOPNOTSUPP where the platform does not know origins:
 * the connection is one like any other of the extension then.
 */
int nx_flow_attach(struct nx_flow *flow, int fd);
/**
 * The same, with a way to go from there: nx_flow_attach() is NX_EGRESS_NEXT. The last call
 * before the connect() counts, and one that fails changes nothing: do not connect where the
 * way matters. tunnel: NULL, but for NX_EGRESS_TUNNEL the name of a network interface of ours that
 * the kernel calls a tunnel (IFLA_INFO_KIND of rtnetlink(7)): WireGuard, TUN and TAP, PPP, IPIP,
 * SIT, GRE, VTI, XFRM, VXLAN, Geneve and their like. fd is bound to it from then on, as by
 * SO_BINDTODEVICE of socket(7); its routes are the interface's, and its address is one of the
 * interface's unless fd has one.
 *
 *      -EINVAL           another egress; or the interface is no tunnel
 *      -ENOENT           there is no such interface
 *      -ENETDOWN         the tunnel is down, or it is a TUN device whose program is away
 *      -EBUSY            fd is bound to another interface, or in a tunnel: it stays there
 *      -EPROTONOSUPPORT  fd is of MPTCP, whose later ways would take any interface
 *
 * When the tunnel goes down later, connect() and send() fail with ENETUNREACH or ENODEV, and what
 * is connected waits for it, as long as TCP does.
 */
int nx_flow_attach_via(struct nx_flow *flow, int fd, enum nx_egress egress, const char *tunnel);
/** @} */

/** @name Settings
 *  Which flows come to handle_new_flow: those that an included rule matches and no excluded
 *  one. Without settings none does.
 *  @{ */
/** loopback: false leaves flows to the host's own addresses alone, whatever the rules say. */
int nx_proxy_settings_new(struct nx_proxy_settings **ret_settings, bool loopback);
/** NULL in, NULL out. */
struct nx_proxy_settings *nx_proxy_settings_free(struct nx_proxy_settings *settings);
/** -EINVAL (a field does not parse; settings unchanged), -E2BIG. A rule's direction may be any
 *  or outbound. */
int nx_proxy_settings_include(struct nx_proxy_settings *settings, const struct nx_rule *rule);
int nx_proxy_settings_exclude(struct nx_proxy_settings *settings, const struct nx_rule *rule);

#define NX_UDP_IDLE_DEFAULT 300
#define NX_UDP_IDLE_MAX     3600

/** A claimed UDP flow is over when no datagram has passed for so many seconds, either way; 0:
 *  only when its program closes its socket. Without this call it is NX_UDP_IDLE_DEFAULT, the
 *  five minutes that RFC 4787 recommends; programs count on two, and send something that often to
 *  be reachable. Holds for flows that are opened under these settings. -EINVAL for more than
 *  NX_UDP_IDLE_MAX. */
int nx_proxy_settings_set_udp_idle(struct nx_proxy_settings *settings, uint32_t seconds);

/** result: 0, or a negative errno with the old settings still in force. */
typedef void nx_proxy_applied_fn(struct nx_proxy *proxy, int result, void *userdata);
/** Replaces the session's settings as one; otherwise like nx_filter_apply(). */
int nx_proxy_apply(struct nx_proxy *proxy, const struct nx_proxy_settings *settings,
                   nx_proxy_applied_fn *fn, void *userdata);
/** @} */

#ifdef __cplusplus
}
#endif
