/* SPDX-License-Identifier: Apache-2.0 */

/* All tables of the inet family are listed, and those of ours deleted, each by itself. */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <time.h>

#include "footprint/footprint.h"
#include "reset/netfilter.h"
#include "reset/netlink.h"
#include "reset/networks.h"

#define TABLES_MAX 64 /* of ours, in one namespace */

struct tables {
        const struct reset *reset;
        size_t n;
        char names[TABLES_MAX][FOOTPRINT_TABLE_SIZE];
};

DEFINE_CLEANUP(struct nftnl_table *, table, nftnl_table_free)

/* Also one of packet filters is the instance's. base: a copy of name, which the result points into.
 */
static const char *instance_of(const char *name, char base[static FOOTPRINT_TABLE_SIZE])
{
        size_t suffix = strlen(FOOTPRINT_PACKETS), length;

        snprintf(base, FOOTPRINT_TABLE_SIZE, "%s", name);
        length = strlen(base);
        if (length > suffix && strcmp(base + length - suffix, FOOTPRINT_PACKETS) == 0)
                base[length - suffix] = '\0';
        return footprint_table_instance(base);
}

static int on_table(const struct nlmsghdr *message, void *userdata)
{
        _cleanup_(cleanup_table) struct nftnl_table *table = nftnl_table_alloc();
        struct tables *tables = userdata;
        char base[FOOTPRINT_TABLE_SIZE];
        const char *name, *instance;

        if (!table || nftnl_table_nlmsg_parse(message, table) < 0)
                return MNL_CB_ERROR;
        name = nftnl_table_get_str(table, NFTNL_TABLE_NAME);
        instance = instance_of(name, base);
        if (instance && reset_means(tables->reset, instance) && tables->n < TABLES_MAX)
                snprintf(tables->names[tables->n++], FOOTPRINT_TABLE_SIZE, "%s", name);
        return MNL_CB_OK;
}

static int list(struct tables *tables)
{
        char buffer[NETLINK_MESSAGE_MAX];
        struct nlmsghdr *message =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_DUMP, 1);
        int r = -EINTR;

        for (int i = 0; i < NETLINK_TRIES && r == -EINTR; i++) {
                tables->n = 0;
                r = netlink_ask(NETLINK_NETFILTER, message, message->nlmsg_len, on_table, tables);
        }
        return r;
}

/* Packets that wait are tagged with that number, so it stands in the rules; see footprint.h. */
static int find_number(const struct nlmsghdr *message, void *userdata)
{
        const uint32_t *words = mnl_nlmsg_get_payload(message);
        uint32_t *number = userdata;

        for (size_t i = 0; i < mnl_nlmsg_get_payload_len(message) / sizeof(*words); i++)
                if (footprint_is_route_table(words[i]))
                        *number = words[i];
        return MNL_CB_OK;
}

uint32_t netfilter_find_route_table(const char *instance)
{
        char buffer[NETLINK_MESSAGE_MAX], table[FOOTPRINT_TABLE_SIZE];
        struct nlmsghdr *message =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, 1);
        uint32_t number = 0;

        footprint_table(instance, table);
        mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
        (void)netlink_ask(NETLINK_NETFILTER, message, message->nlmsg_len, find_number, &number);
        return number;
}

static int drop(const char *name)
{
        _cleanup_(cleanup_table) struct nftnl_table *table = nftnl_table_alloc();
        char buffer[NETLINK_MESSAGE_MAX];
        struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer));
        struct nlmsghdr *message;
        int r = -ENOMEM;

        if (!batch)
                return r;
        nftnl_batch_begin(mnl_nlmsg_batch_current(batch), 1);
        mnl_nlmsg_batch_next(batch);
        if (table) {
                nftnl_table_set_str(table, NFTNL_TABLE_NAME, name);
                message = nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), NFT_MSG_DELTABLE,
                                                NFPROTO_INET, NLM_F_ACK, 2);
                nftnl_table_nlmsg_build_payload(message, table);
                mnl_nlmsg_batch_next(batch);
                nftnl_batch_end(mnl_nlmsg_batch_current(batch), 3);
                mnl_nlmsg_batch_next(batch);
                r = netlink_ask(NETLINK_NETFILTER, mnl_nlmsg_batch_head(batch),
                                mnl_nlmsg_batch_size(batch), NULL, NULL);
        }
        mnl_nlmsg_batch_stop(batch);
        return r;
}

static void remove_tables(struct reset *reset, const char *where, void *userdata)
{
        struct tables tables = { .reset = reset };
        int r;

        r = list(&tables);
        if (r < 0 && r != -EOPNOTSUPP && r != -EPROTONOSUPPORT && r != -EINVAL)
                reset_tell(reset, DEED_REMOVE, r, "the nft tables%s", where);
        for (size_t i = 0; i < tables.n; i++)
                reset_tell(reset, DEED_REMOVE, reset->is_trial ? 0 : drop(tables.names[i]),
                           "the nft table inet %s%s", tables.names[i], where);
}

void netfilter_remove(struct reset *reset)
{
        networks_visit(reset, remove_tables, NULL);
}
