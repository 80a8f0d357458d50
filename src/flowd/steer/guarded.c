/* SPDX-License-Identifier: Apache-2.0 */

/* Nothing else in those chains counts; see steer/ruleset.c. */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/guarded.h"

#define MESSAGE_MAX 16384

DEFINE_CLEANUP(struct nftnl_rule *, rule, nftnl_rule_free)

static int add_expression(struct nftnl_expr *expression, void *userdata)
{
        uint64_t *packets = userdata;

        if (strcmp(nftnl_expr_get_str(expression, NFTNL_EXPR_NAME), "counter") == 0)
                *packets += nftnl_expr_get_u64(expression, NFTNL_EXPR_CTR_PACKETS);
        return 0;
}

static int on_rule(const struct nlmsghdr *message, void *userdata)
{
        _cleanup_(cleanup_rule) struct nftnl_rule *rule = nftnl_rule_alloc();

        if (!rule || nftnl_rule_nlmsg_parse(message, rule) < 0)
                return MNL_CB_ERROR;
        return nftnl_expr_foreach(rule, add_expression, userdata) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

static int add_chain(int fd, const char *table, const char *chain, uint64_t *packets)
{
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
        struct nlmsghdr *message =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, 0);
        ssize_t n;
        int r;

        mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
        mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
        if (sendto(fd, message, message->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) <
            0)
                return -errno;
        do {
                n = recv(fd, buffer, sizeof(buffer), 0);
                if (n < 0)
                        return -errno;
                r = mnl_cb_run(buffer, (size_t)n, 0, 0, on_rule, packets);
        } while (r > MNL_CB_STOP);
        return r < 0 && errno != ENOENT ? -errno : 0;
}

int guarded_count(const char *table, uint64_t *ret_packets)
{
        static const char *const chains[] = { "guard", "guard_in" };
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        uint64_t packets = 0;
        int r = fd < 0 ? -errno : 0;

        for (size_t i = 0; i < ARRAY_SIZE(chains) && r >= 0; i++)
                r = add_chain(fd, table, chains[i], &packets);
        if (r >= 0)
                *ret_packets = packets;
        return r;
}
