/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The kernel gives each object of a table a number of its own, never the same again, and each table
 * too. So it is the numbers that are compared, and never what a rule says.
 *
 * The rules are listed, the rest is asked for by name. A listing of one table's rules is whole also
 * where other tables change meanwhile, whatever the kernel says of it (NLM_F_DUMP_INTR).
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/intact.h"

#define MESSAGE_MAX 16384
#define BIT(type)   (1U << (type))

/* FNV-1a */
#define PRINT_FIRST 14695981039346656037ULL
#define PRINT_PRIME 1099511628211ULL

/* Of steer/ruleset.c, steer/inbound.c and steer/packet-table.c, whichever the table has. A chain
 * that only others jump to goes with their rules. */
static const char *const base_chains[] = { "hold",    "guard",  "turn",    "deliver",  "confine",
                                           "untrack", "arrive", "hold_in", "guard_in", "leave" };

struct print {
        uint64_t value;
        uint32_t attributes; /* by BIT(), those that count */
};

static void add(struct print *print, const void *bytes, size_t size)
{
        for (size_t i = 0; i < size; i++)
                print->value = (print->value ^ ((const uint8_t *)bytes)[i]) * PRINT_PRIME;
}

static int on_object(const struct nlmsghdr *message, void *userdata)
{
        const struct nlattr *attribute;
        struct print *print = userdata;

        mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
        {
                if (print->attributes & BIT(mnl_attr_get_type(attribute)))
                        add(print, mnl_attr_get_payload(attribute),
                            mnl_attr_get_payload_len(attribute));
        }
        return MNL_CB_OK;
}

static void forget_interruption(char *buffer, int size)
{
        struct nlmsghdr *message = (struct nlmsghdr *)buffer;

        for (; mnl_nlmsg_ok(message, size); message = mnl_nlmsg_next(message, &size))
                message->nlmsg_flags &= (uint16_t)~NLM_F_DUMP_INTR;
}

static int ask(int fd, const struct nlmsghdr *message, struct print *print)
{
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        _Alignas(struct nlmsghdr) char buffer[MESSAGE_MAX];
        ssize_t n;
        int r;

        if (sendto(fd, message, message->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) <
            0)
                return -errno;
        do {
                n = recv(fd, buffer, sizeof(buffer), 0);
                if (n < 0)
                        return -errno;
                forget_interruption(buffer, (int)n);
                r = mnl_cb_run(buffer, (size_t)n, 0, 0, on_object, print);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -errno : 0;
}

static int add_table(int fd, const char *table, struct print *print)
{
        char buffer[256];
        struct nlmsghdr *message =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK, 0);

        mnl_attr_put_strz(message, NFTA_TABLE_NAME, table);
        print->attributes = BIT(NFTA_TABLE_HANDLE) | BIT(NFTA_TABLE_FLAGS);
        return ask(fd, message, print);
}

/* One that is not there counts by its place only. */
static int add_chain(int fd, const char *table, const char *chain, struct print *print)
{
        char buffer[256];
        struct nlmsghdr *message =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETCHAIN, NFPROTO_INET, NLM_F_ACK, 0);
        int r;

        mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table);
        mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain);
        print->attributes = BIT(NFTA_CHAIN_HANDLE) | BIT(NFTA_CHAIN_HOOK) | BIT(NFTA_CHAIN_POLICY) |
                            BIT(NFTA_CHAIN_FLAGS);
        add(print, chain, strlen(chain));
        r = ask(fd, message, print);
        return r == -ENOENT ? 0 : r;
}

static int add_rules(int fd, const char *table, struct print *print)
{
        char buffer[256];
        struct nlmsghdr *message =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETRULE, NFPROTO_INET, NLM_F_DUMP, 0);

        mnl_attr_put_strz(message, NFTA_RULE_TABLE, table);
        print->attributes = BIT(NFTA_RULE_CHAIN) | BIT(NFTA_RULE_HANDLE);
        return ask(fd, message, print);
}

int intact_take(const char *table, uint64_t *ret_print)
{
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        struct print print = { .value = PRINT_FIRST };
        int r;

        if (fd < 0)
                return -errno;
        r = add_table(fd, table, &print);
        for (size_t i = 0; i < ARRAY_SIZE(base_chains) && r >= 0; i++)
                r = add_chain(fd, table, base_chains[i], &print);
        if (r >= 0)
                r = add_rules(fd, table, &print);
        if (r < 0 && r != -ENOENT)
                return r;
        *ret_print = r < 0 ? 0 : print.value;
        return 0;
}
