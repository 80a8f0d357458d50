/* SPDX-License-Identifier: Apache-2.0 */

/* The batch grows message by message and is sent as one datagram. */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "steer/transaction.h"
#include "steer/without.h"

#define BATCH_SIZE   (512 * 1024)
#define MESSAGE_SIZE (8 * 1024) /* none of ours is as long */

static struct nlmsghdr *message_begin(struct transaction *t, uint16_t type, uint16_t flags)
{
        return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(t->batch), type, NFPROTO_INET, flags,
                                     t->sequence++);
}

/* What would not fit is left out, and transact() says so. */
static void message_end(struct transaction *t)
{
        if (!mnl_nlmsg_batch_next(t->batch))
                t->is_too_large = true;
}

static void put_table_message(struct transaction *t, uint16_t type, uint16_t flags)
{
        struct nftnl_table *table = nftnl_table_alloc();

        if (!table)
                abort();
        nftnl_table_set_str(table, NFTNL_TABLE_NAME, t->table);
        nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, 0); /* not dormant, whoever made it that */
        nftnl_table_nlmsg_build_payload(message_begin(t, type, flags), table);
        message_end(t);
        nftnl_table_free(table);
}

void put_table(struct transaction *t)
{
        put_table_message(t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

/* One that is not there cannot be removed, so it is made first. */
void put_table_removal(struct transaction *t)
{
        put_table(t);
        put_table_message(t, NFT_MSG_DELTABLE, 0);
}

static struct nftnl_chain *chain_begin(struct transaction *t, const char *name)
{
        struct nftnl_chain *chain = nftnl_chain_alloc();

        if (!chain)
                abort();
        nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, t->table);
        nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
        return chain;
}

static void chain_end(struct transaction *t, struct nftnl_chain *chain)
{
        nftnl_chain_nlmsg_build_payload(message_begin(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE), chain);
        message_end(t);
        nftnl_chain_free(chain);
}

void put_chain(struct transaction *t, const char *name)
{
        chain_end(t, chain_begin(t, name));
}

void put_base_chain(struct transaction *t, const char *name, const char *type, uint32_t hook,
                    int32_t priority)
{
        struct nftnl_chain *chain = chain_begin(t, name);

        nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type);
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
        nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
        nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
        chain_end(t, chain);
}

void put_set(struct transaction *t, const struct expiring_set *wanted)
{
        struct nftnl_set *set = nftnl_set_alloc();

        if (!set)
                abort();
        nftnl_set_set_str(set, NFTNL_SET_TABLE, t->table);
        nftnl_set_set_str(set, NFTNL_SET_NAME, wanted->name);
        nftnl_set_set_u32(set, NFTNL_SET_FAMILY, NFPROTO_INET);
        nftnl_set_set_u32(set, NFTNL_SET_ID, ++t->last_set);
        nftnl_set_set_u32(set, NFTNL_SET_FLAGS, NFT_SET_TIMEOUT | NFT_SET_EVAL);
        nftnl_set_set_u32(set, NFTNL_SET_KEY_TYPE, wanted->key_type);
        nftnl_set_set_u32(set, NFTNL_SET_KEY_LEN, wanted->key_size);
        nftnl_set_set_u32(set, NFTNL_SET_DESC_SIZE, room_for(wanted->max_elements));
        nftnl_set_set_u64(set, NFTNL_SET_TIMEOUT, wanted->timeout_ms);
        nftnl_set_nlmsg_build_payload(message_begin(t, NFT_MSG_NEWSET, NLM_F_CREATE), set);
        message_end(t);
        nftnl_set_free(set);
}

struct nftnl_rule *rule_begin(struct transaction *t, const char *chain)
{
        struct nftnl_rule *rule = nftnl_rule_alloc();

        if (!rule)
                abort();
        nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, t->table);
        nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
        if (chain)
                nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
        return rule;
}

void rule_end(struct transaction *t, struct nftnl_rule *rule)
{
        uint16_t flags = NLM_F_CREATE | NLM_F_APPEND;

        nftnl_rule_nlmsg_build_payload(message_begin(t, NFT_MSG_NEWRULE, flags), rule);
        message_end(t);
        nftnl_rule_free(rule);
}

void put_rules_removal(struct transaction *t)
{
        struct nftnl_rule *every = rule_begin(t, NULL);

        nftnl_rule_nlmsg_build_payload(message_begin(t, NFT_MSG_DELRULE, 0), every);
        message_end(t);
        nftnl_rule_free(every);
}

/* Sends the batch; the kernel answers with an acknowledgement or the error of one message. */
static int commit(struct transaction *t)
{
        struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
        char buffer[8192]; /* more than one acknowledgement of each message needs */
        int r = 0, room = 2 * BATCH_SIZE;
        ssize_t n;

        if (!socket)
                return -errno;
        (void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_SNDBUFFORCE, &room,
                         sizeof(room));
        if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
            mnl_socket_sendto(socket, mnl_nlmsg_batch_head(t->batch),
                              mnl_nlmsg_batch_size(t->batch)) < 0)
                r = -errno;
        while (r == 0) {
                n = recv(mnl_socket_get_fd(socket), buffer, sizeof(buffer), MSG_DONTWAIT);
                if (n < 0)
                        break;
                if (mnl_cb_run(buffer, (size_t)n, 0, mnl_socket_get_portid(socket), NULL, NULL) < 0)
                        r = -errno;
        }
        mnl_socket_close(socket);
        return r;
}

int transact(const char *table, transaction_fn *put, const void *userdata)
{
        /* Always there: what is in force has to be put back, and taken away, without memory, too. */
        static char buffer[BATCH_SIZE + MESSAGE_SIZE];
        struct transaction t = {
                .table = table,
                .userdata = userdata,
                .sequence = (uint32_t)time(NULL),
        };
        int r;

        t.batch = mnl_nlmsg_batch_start(buffer, BATCH_SIZE);
        nftnl_batch_begin(mnl_nlmsg_batch_current(t.batch), t.sequence++);
        mnl_nlmsg_batch_next(t.batch);
        put(&t);
        nftnl_batch_end(mnl_nlmsg_batch_current(t.batch), t.sequence++);
        message_end(&t);
        r = t.is_too_large ? -E2BIG : commit(&t);
        mnl_nlmsg_batch_stop(t.batch);
        return r;
}
