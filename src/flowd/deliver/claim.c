/* SPDX-License-Identifier: Apache-2.0 */

/* A session can only speak about its own claims, and once about each. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/socket.h"
#include "chain/session.h"
#include "deliver/claim.h"
#include "deliver/way.h"

/* Once a round: what is claimed in it has brought its descriptors, or gets them in a later one. */
static bool has_room(struct deliveries *deliveries)
{
        if (!deliveries->has_room)
                deliveries->has_room = !listener_is_short(&deliveries->listener);
        return deliveries->has_room;
}

int claim_begin(struct deliveries *deliveries, struct flow *flow, struct session *session)
{
        struct delivery *delivery;
        int r;

        if (!flow->delivery && !has_room(deliveries)) {
                deliveries->n_given_up++;
                return -EMFILE;
        }
        r = delivery_new(deliveries, flow, &delivery);
        if (r < 0)
                return r;
        delivery->state = DELIVERY_CLAIMED;
        delivery_give_to(delivery, session);
        return 0;
}

/* The claim that session may speak about now, or NULL. */
static struct delivery *claim_of(const struct flow *flow, const struct session *session)
{
        struct delivery *delivery = flow->delivery;

        return delivery && delivery->session == session && delivery->state == DELIVERY_CLAIMED
                       ? delivery
                       : NULL;
}

int claim_open(struct flow *flow, struct session *session, int result)
{
        struct delivery *delivery = claim_of(flow, session);

        if (!delivery || result > 0)
                return -EBADMSG;
        if (result < 0)
                delivery_fail(delivery, result);
        else
                way_open(delivery);
        return 0;
}

/* The state of a socket of TCP (also MPTCP), or 0: it is none. */
static uint8_t tcp_state(int fd)
{
        struct tcp_info info;
        socklen_t size = sizeof(info.tcpi_state); /* the first of its members; no more is asked */

        return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_state : 0;
}

/* Near destinations have answered by the time that we get the socket. */
static void take_upstream(struct delivery *delivery, int fd, uint8_t state)
{
        if (state == TCP_SYN_SENT || state == TCP_CLOSE)
                way_wait_for_upstream(delivery, fd);
        else
                way_to_upstream(delivery, fd);
}

int claim_splice(struct flow *flow, struct session *session, int fd)
{
        struct delivery *delivery = claim_of(flow, session);
        uint8_t state;

        if (delivery && fd < 0) { /* there was no room for it */
                delivery_give_up(delivery, -EMFILE);
                return 0;
        }
        state = tcp_state(fd);
        if (!delivery || flow->protocol != IPPROTO_TCP || state == 0 || state == TCP_LISTEN) {
                (void)socket_set_reset_on_close(fd, true);
                close_fd(fd);
                return -EBADMSG;
        }
        take_upstream(delivery, fd, state);
        return 0;
}
