/* SPDX-License-Identifier: Apache-2.0 */

/*
 * To forget a flow is one small transaction. It must never fail: to take a transaction back, the
 * kernel waits for all its readers (20 ms and more), and flowd with it; thousands of
 * short flows would stand behind that. One that deletes what is not there fails, so this
 * asks for something else: to destroy it, which minds nothing (Linux 6.3 and later), or to
 * add it, which does not mind if it is there, and then to delete it.
 */

/* First: linux/in.h steps aside for it. */
#include <netinet/in.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "steer/passed.h"

/* NFT_MSG_DESTROYSETELEM; newer than the headers of some who build us. */
#define DESTROY_ELEMENT 30
#define LISTING_MAX     32768

static uint32_t make_key(uint8_t *key, const struct endpoint *local, const struct endpoint *remote)
{
        bool is_ipv4 = address_is_ipv4(&local->address);
        uint32_t skipped = is_ipv4 ? 12 : 0, size = 16 - skipped;
        uint16_t ports[] = { htons(local->port), 0, htons(remote->port), 0 };

        memcpy(key, local->address.s6_addr + skipped, size);
        memcpy(key + size, remote->address.s6_addr + skipped, size);
        memcpy(key + 2 * size, ports, sizeof(ports));
        return 2 * size + (uint32_t)sizeof(ports);
}

DEFINE_CLEANUP(struct nftnl_set *, set, nftnl_set_free)

static struct nftnl_set *make_set(const char *table, const char *name, const struct endpoint *local,
                                  const struct endpoint *remote)
{
        _cleanup_(cleanup_set) struct nftnl_set *set = nftnl_set_alloc();
        struct nftnl_set_elem *element = nftnl_set_elem_alloc();
        uint8_t key[PASSED_KEY_IPV6];
        uint32_t size;

        if (!set || !element) {
                if (element)
                        nftnl_set_elem_free(element);
                return NULL;
        }
        size = make_key(key, local, remote);
        nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key, size);
        nftnl_set_elem_add(set, element);
        nftnl_set_set_str(set, NFTNL_SET_TABLE, table);
        nftnl_set_set_str(set, NFTNL_SET_NAME, name);
        return take_ptr(set);
}

static void put_element(struct mnl_nlmsg_batch *batch, uint16_t type, const struct nftnl_set *set)
{
        uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
        struct nlmsghdr *message;

        message =
                nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch), type, NFPROTO_INET, flags, 1);
        nftnl_set_elems_nlmsg_build_payload(message, (struct nftnl_set *)set);
        mnl_nlmsg_batch_next(batch);
}

static void put_removal(const struct passed *passed, struct mnl_nlmsg_batch *batch,
                        const struct nftnl_set *set)
{
        if (passed->can_destroy) {
                put_element(batch, DESTROY_ELEMENT, set);
                return;
        }
        put_element(batch, NFT_MSG_NEWSETELEM, set);
        put_element(batch, NFT_MSG_DELSETELEM, set);
}

/* What the kernel objected to first, or 0. */
static int receive_error(int fd)
{
        char buffer[4096];
        int r = 0;

        while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
                const struct nlmsghdr *message = (const struct nlmsghdr *)buffer;

                if (message->nlmsg_type == NLMSG_ERROR && r == 0)
                        r = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
        }
        return r;
}

#define N_SETS 10

/* is_ended: the first set gets the flow that the others lose. */
static int forget(const struct passed *passed, const char *const *names, size_t n_names,
                  const struct endpoint *local, const struct endpoint *remote, bool is_ended)
{
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        char buffer[4096];
        struct mnl_nlmsg_batch *batch = mnl_nlmsg_batch_start(buffer, sizeof(buffer));

        if (!batch)
                return -ENOMEM;
        nftnl_batch_begin(mnl_nlmsg_batch_current(batch), 0);
        mnl_nlmsg_batch_next(batch);
        for (size_t i = 0; i < n_names; i++) {
                _cleanup_(cleanup_set) struct nftnl_set *set =
                        make_set(passed->table, names[i], local, remote);

                if (set && is_ended && i == 0)
                        put_element(batch, NFT_MSG_NEWSETELEM, set);
                else if (set)
                        put_removal(passed, batch, set);
        }
        nftnl_batch_end(mnl_nlmsg_batch_current(batch), 2);
        mnl_nlmsg_batch_next(batch);
        (void)sendto(passed->fd, mnl_nlmsg_batch_head(batch), mnl_nlmsg_batch_size(batch), 0,
                     (struct sockaddr *)&kernel, sizeof(kernel));
        mnl_nlmsg_batch_stop(batch);
        return receive_error(passed->fd);
}

/* What is left of the life of the first element in a message, or nothing: of one that is dying. */
static int read_left(const struct nlmsghdr *message, uint64_t *ret_left_ms)
{
        _cleanup_(cleanup_set) struct nftnl_set *set = nftnl_set_alloc();
        struct nftnl_set_elems_iter *elements;
        struct nftnl_set_elem *element;

        if (!set || nftnl_set_elems_nlmsg_parse(message, set) < 0)
                return -ENOMEM;
        elements = nftnl_set_elems_iter_create(set);
        if (!elements)
                return -ENOMEM;
        element = nftnl_set_elems_iter_next(elements);
        *ret_left_ms = element ? nftnl_set_elem_get_u64(element, NFTNL_SET_ELEM_EXPIRATION) : 0;
        nftnl_set_elems_iter_destroy(elements);
        return 0;
}

/* The answer is there when sendto() returns. */
static int ask(const struct passed *passed, const struct nftnl_set *set, uint64_t *ret_left_ms)
{
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        char buffer[4096];
        struct nlmsghdr *message =
                nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, NFPROTO_INET, 0, 1);

        nftnl_set_elems_nlmsg_build_payload(message, (struct nftnl_set *)set);
        if (sendto(passed->fd, message, message->nlmsg_len, 0, (struct sockaddr *)&kernel,
                   sizeof(kernel)) < 0 ||
            recv(passed->fd, buffer, sizeof(buffer), MSG_DONTWAIT) < 0)
                return -errno;
        if (message->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error ?: -EPROTO;
        return read_left(message, ret_left_ms);
}

static const struct {
        const char *name4, *name6;
        uint64_t life_ms;
} refreshed[PASSED_KIND_MAX] = {
        [PASSED_CLAIMED] = { "claimed4", "claimed6", CLAIMED_SECONDS * 1000 },
        [PASSED_SERVED] = { "served4", "served6", PASSED_SECONDS * 1000 },
        [PASSED_WATCHED] = { "watched4", "watched6", PASSED_SECONDS * 1000 },
        [PASSED_HEARD] = { "heard4", "heard6", PASSED_SECONDS * 1000 },
};

int passed_get_idle(const struct passed *passed, enum passed_kind kind,
                    const struct endpoint *local, const struct endpoint *remote,
                    uint64_t *ret_idle_ns)
{
        const char *name =
                address_is_ipv4(&local->address) ? refreshed[kind].name4 : refreshed[kind].name6;
        _cleanup_(cleanup_set) struct nftnl_set *set = make_set(passed->table, name, local, remote);
        uint64_t life_ms = refreshed[kind].life_ms;
        uint64_t left_ms = 0;
        int r;

        if (!set)
                return -ENOMEM;
        r = ask(passed, set, &left_ms);
        if (r < 0)
                return r;
        if (left_ms == 0 || left_ms > life_ms)
                return -ENOENT;
        *ret_idle_ns = (life_ms - left_ms) * 1000000;
        return 0;
}

/* Where the element ran out in between, an answer made the flow look like a served one. */
static const char *const names4[N_SETS] = {
        "ended4",   "claimed4", "watched4", "heard4", "onward4",
        "passing4", "lined4",   "served4",  "asked4", "passed4"
};
static const char *const names6[N_SETS] = {
        "ended6",   "claimed6", "watched6", "heard6", "onward6",
        "passing6", "lined6",   "served6",  "asked6", "passed6"
};
static const char *const settling4[] = { "passed4", "lined4", "asked4" };
static const char *const settling6[] = { "passed6", "lined6", "asked6" };

/* Of those names, how many of the last: the sets of what simply passed, and of what lined up. */
#define N_PLAIN 3
#define N_LINED 5

static const char *const *names_of(const struct endpoint *local)
{
        return address_is_ipv4(&local->address) ? names4 : names6;
}

void passed_forget(const struct passed *passed, const struct endpoint *local,
                   const struct endpoint *remote)
{
        (void)forget(passed, names_of(local), N_SETS, local, remote, false);
}

void passed_forget_plain(const struct passed *passed, const struct endpoint *local,
                         const struct endpoint *remote, bool has_lined)
{
        size_t n_names = has_lined ? N_LINED : N_PLAIN;

        (void)forget(passed, names_of(local) + N_SETS - n_names, n_names, local, remote, false);
}

int passed_end(const struct passed *passed, const struct endpoint *local,
               const struct endpoint *remote)
{
        return forget(passed, names_of(local), N_SETS, local, remote, true);
}

void passed_line_up(const struct passed *passed, const struct endpoint *local,
                    const struct endpoint *remote)
{
        (void)forget(passed, names_of(local) + N_SETS - N_LINED, N_LINED, local, remote, true);
}

void passed_settle(const struct passed *passed, const struct endpoint *local,
                   const struct endpoint *remote)
{
        const char *const *names = address_is_ipv4(&local->address) ? settling4 : settling6;

        (void)forget(passed, names, ARRAY_SIZE(settling4), local, remote, true);
}

static int set_cut(const struct passed *passed, const struct endpoint *local,
                   const struct endpoint *remote, bool is_cut)
{
        const char *name = address_is_ipv4(&local->address) ? "cut4" : "cut6";

        return forget(passed, &name, 1, local, remote, is_cut);
}

int passed_cut(const struct passed *passed, const struct endpoint *local,
               const struct endpoint *remote)
{
        return set_cut(passed, local, remote, true);
}

void passed_mend(const struct passed *passed, const struct endpoint *local,
                 const struct endpoint *remote)
{
        (void)set_cut(passed, local, remote, false);
}

struct listing {
        passed_fn *fn;
        void *userdata;
        bool is_claimed; /* those of the set that is read now */
};

static struct endpoint read_address(const uint8_t *bytes, bool is_ipv4, const uint8_t *port)
{
        struct endpoint endpoint = { .port = (uint16_t)(port[0] << 8 | port[1]) };
        struct in_addr ipv4;

        memcpy(&ipv4, bytes, sizeof(ipv4));
        if (is_ipv4)
                endpoint.address = address_from_ipv4(ipv4);
        else
                memcpy(&endpoint.address, bytes, sizeof(endpoint.address));
        return endpoint;
}

/* What make_key() made. */
static void tell_key(const struct listing *listing, const uint8_t *key, uint32_t key_size)
{
        bool is_ipv4 = key_size == PASSED_KEY_IPV4;
        uint32_t size = is_ipv4 ? 4 : 16;
        const uint8_t *ports = key + 2 * size;
        struct endpoint local, remote;

        if (key_size != PASSED_KEY_IPV4 && key_size != PASSED_KEY_IPV6)
                return;
        local = read_address(key, is_ipv4, ports);
        remote = read_address(key + size, is_ipv4, ports + 4);
        listing->fn(&local, &remote, listing->is_claimed, listing->userdata);
}

static int on_elements(const struct nlmsghdr *message, void *userdata)
{
        _cleanup_(cleanup_set) struct nftnl_set *set = nftnl_set_alloc();
        struct nftnl_set_elems_iter *elements;
        struct nftnl_set_elem *element;
        const uint8_t *key;
        uint32_t size;

        if (!set || nftnl_set_elems_nlmsg_parse(message, set) < 0)
                return MNL_CB_ERROR;
        elements = nftnl_set_elems_iter_create(set);
        if (!elements)
                return MNL_CB_ERROR;
        while ((element = nftnl_set_elems_iter_next(elements))) {
                key = nftnl_set_elem_get(element, NFTNL_SET_ELEM_KEY, &size);
                if (key)
                        tell_key(userdata, key, size);
        }
        nftnl_set_elems_iter_destroy(elements);
        return MNL_CB_OK;
}

static int list_set(const struct passed *passed, const char *name, struct listing *listing)
{
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
        _cleanup_(cleanup_set) struct nftnl_set *set = nftnl_set_alloc();
        _Alignas(struct nlmsghdr) char buffer[LISTING_MAX];
        struct nlmsghdr *message;
        ssize_t n;
        int r;

        if (!set)
                return -ENOMEM;
        nftnl_set_set_str(set, NFTNL_SET_TABLE, passed->table);
        nftnl_set_set_str(set, NFTNL_SET_NAME, name);
        message = nftnl_nlmsg_build_hdr(buffer, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, 1);
        nftnl_set_elems_nlmsg_build_payload(message, set);
        if (sendto(passed->fd, message, message->nlmsg_len, 0, (struct sockaddr *)&kernel,
                   sizeof(kernel)) < 0)
                return -errno;
        do {
                n = recv(passed->fd, buffer, sizeof(buffer), 0);
                if (n < 0)
                        return -errno;
                r = mnl_cb_run(buffer, (size_t)n, 0, 0, on_elements, listing);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -errno : 0;
}

int passed_list(const struct passed *passed, passed_fn *fn, void *userdata)
{
        static const char *const names[] = { "passed4",  "passed6",  "passing4", "passing6",
                                             "served4",  "served6",  "claimed4", "claimed6",
                                             "watched4", "watched6", "ended4",   "ended6" };
        struct listing listing = { .fn = fn, .userdata = userdata };
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(names) && r >= 0; i++) {
                listing.is_claimed = strncmp(names[i], "claimed", strlen("claimed")) == 0;
                r = list_set(passed, names[i], &listing);
                if (r == -ENOENT)
                        r = 0;
        }
        return r;
}

/* A kernel that does not know the message says so before it looks for the table. */
static bool can_destroy(const struct passed *passed)
{
        static const char *const nowhere[N_SETS] = { "", "", "", "", "", "", "", "", "", "" };
        static const struct endpoint nobody;
        struct passed trial = *passed;

        trial.can_destroy = true;
        return forget(&trial, nowhere, N_SETS, &nobody, &nobody, false) != -EINVAL;
}

int passed_open(struct passed *passed, const char *table)
{
        struct sockaddr_nl address = { .nl_family = AF_NETLINK };
        _cleanup_fd_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        *passed = (struct passed){ .fd = take_fd(&fd), .table = table };
        passed->can_destroy = can_destroy(passed);
        return 0;
}

void passed_close(struct passed *passed)
{
        passed->fd = close_fd(passed->fd);
}
