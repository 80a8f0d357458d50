/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the rule engine reads (bpf/judge.bpf.h): each session's settings and remembered answers, the
 * order of the sessions, and what names, sets and the host's own addresses stand for.
 */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "steer/hooks-internal.h"
#include "steer/hooks.h"
#include "steer/rules.h"
#include "steer.skel.h"

static void forget_answers(struct hooks *hooks, unsigned int slot)
{
        struct steer_state *state = hooks_state(hooks);

        state->remembering_slots &= ~(1ULL << slot);
        state->epochs[slot]++;
}

int hooks_remember(struct hooks *hooks, unsigned int slot, const struct steer_question *question,
                   enum steer_action action, uint64_t expiry_ns)
{
        const struct steer_memory memory = { .expiry_ns = expiry_ns, .action = action };
        struct steer_state *state = hooks_state(hooks);
        const struct steer_memory_key key = {
                .remote = question->remote,
                .program = question->path_hash,
                .uid = question->uid,
                .epoch = state->epochs[slot],
                .remote_port = question->remote_port,
                .protocol = question->protocol,
                .slot = (uint8_t)slot,
        };

        if (bpf_map_update_elem(bpf_map__fd(hooks_skeleton(hooks)->maps.memories), &key, &memory,
                                BPF_ANY) < 0)
                return -errno;
        state->remembering_slots |= 1ULL << slot;
        return 0;
}

static void set_bit(__u64 *slots, uint64_t bit, bool is_set)
{
        *slots = is_set ? *slots | bit : *slots & ~bit;
}

/* They do so before the rules come, and until they are gone. */
int hooks_set_settings(struct hooks *hooks, unsigned int slot,
                       const union steer_settings_entry *entries, uint32_t n_entries)
{
        const struct rules_needs needs = rules_needs(entries, n_entries);
        struct steer_state *state = hooks_state(hooks);
        uint64_t bit = 1ULL << slot;
        int r;

        state->cgroup_slots |= needs.cgroups ? bit : 0;
        state->digest_slots |= needs.digests ? bit : 0;
        state->file_slots |= needs.files ? bit : 0;
        state->inbound_slots |= needs.inbound ? bit : 0;
        r = rules_put(bpf_map__fd(hooks_skeleton(hooks)->maps.settings), slot, entries, n_entries);
        if (r >= 0) {
                set_bit(&state->cgroup_slots, bit, needs.cgroups);
                set_bit(&state->digest_slots, bit, needs.digests);
                set_bit(&state->file_slots, bit, needs.files);
                set_bit(&state->inbound_slots, bit, needs.inbound);
                set_bit(&state->allowing_slots, bit,
                        entries && entries[0].header.default_action == STEER_ALLOW);
        }
        forget_answers(hooks, slot);
        /* Only now: what the old settings judged meanwhile must not look judged by the new. */
        state->generation++;
        return r;
}

void hooks_set_chain(struct hooks *hooks, const uint8_t *slots, size_t n_slots)
{
        struct steer_state *state = hooks_state(hooks);
        uint32_t next = (state->chain + 1) % STEER_CHAINS;

        memset(state->chains[next], 0xff, sizeof(state->chains[next]));
        memcpy(state->chains[next], slots, n_slots);
        __atomic_store_n(&state->chain, next, __ATOMIC_RELEASE);
        state->generation++;
}

void hooks_set_session(struct hooks *hooks, unsigned int slot, struct hooks_session session)
{
        struct steer_state *state = hooks_state(hooks);

        state->extension_cgroups[slot] = session.cgroup_id;
        set_bit(&state->proxy_slots, 1ULL << slot, session.is_proxy);
        set_bit(&state->closed_slots, 1ULL << slot, session.is_closed);
        set_bit(&state->last_rules_slots, 1ULL << slot, session.has_last_rules);
        forget_answers(hooks, slot);
        state->generation++;
}

void hooks_set_inspecting(struct hooks *hooks, unsigned int slot, bool is_inspecting)
{
        set_bit(&hooks_state(hooks)->inspecting_slots, 1ULL << slot, is_inspecting);
}

bool hooks_is_inspecting(struct hooks *hooks, unsigned int slot)
{
        return hooks_state(hooks)->inspecting_slots & 1ULL << slot;
}

/* Its place, or a free one, or that of the name which would go first. */
static struct steer_known_name *place_for_name(struct steer_names *names, uint32_t domain)
{
        struct steer_known_name *place = &names->known[0];

        for (size_t i = 0; i < STEER_NAMES_MAX; i++) {
                if (names->known[i].domain == domain || names->known[i].domain == 0)
                        return &names->known[i];
                if (names->known[i].expiry_ns < place->expiry_ns)
                        place = &names->known[i];
        }
        return place;
}

int hooks_set_name(struct hooks *hooks, const struct steer_address *address, uint32_t domain,
                   uint64_t expiry_ns)
{
        int fd = bpf_map__fd(hooks_skeleton(hooks)->maps.names);
        struct steer_names names = {};
        struct steer_known_name *place;

        (void)bpf_map_lookup_elem(fd, address, &names);
        place = place_for_name(&names, domain);
        *place = (struct steer_known_name){ .expiry_ns = expiry_ns, .domain = domain };
        return bpf_map_update_elem(fd, address, &names, BPF_ANY) < 0 ? -errno : 0;
}

/* By the batch, which takes half as long; one by one where a kernel cannot do that. */
static int add_networks(int fd, const struct steer_set_key *networks, uint32_t n_networks)
{
        _cleanup_free_ uint32_t *values =
                calloc(n_networks, sizeof(*values)); /* nobody reads them */
        LIBBPF_OPTS(bpf_map_batch_opts, opts);
        uint32_t n = n_networks;

        if (!values)
                return -ENOMEM;
        if (bpf_map_update_batch(fd, networks, values, &n, &opts) == 0)
                return 0;
        for (uint32_t i = 0; i < n_networks; i++)
                if (bpf_map_update_elem(fd, &networks[i], &values[i], BPF_ANY) < 0)
                        return -errno;
        return 0;
}

static int fill_set(int fd, const struct steer_set_key *networks, uint32_t n_networks,
                    uint32_t domains)
{
        const struct steer_set_key key = { .n_bits = STEER_SET_WHOLE_BITS,
                                           .entry = STEER_SET_DOMAINS };
        int r;

        r = n_networks > 0 ? add_networks(fd, networks, n_networks) : 0;
        if (r < 0)
                return r;
        return bpf_map_update_elem(fd, &key, &domains, BPF_ANY) < 0 ? -errno : 0;
}

int hooks_put_set(struct hooks *hooks, uint32_t set, const struct steer_set_key *networks,
                  uint32_t n_networks, uint32_t domains)
{
        LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
        int outer = bpf_map__fd(hooks_skeleton(hooks)->maps.sets);
        _cleanup_fd_ int inner = -1;
        int r;

        inner = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "set", sizeof(*networks), sizeof(domains),
                               n_networks + 1, &opts);
        if (inner < 0)
                return -errno;
        r = fill_set(inner, networks, n_networks, domains);
        if (r < 0)
                return r;
        if (bpf_map_update_elem(outer, &set, &inner, BPF_ANY) < 0)
                return -errno;
        hooks_state(hooks)->generation++;
        return 0;
}

int hooks_remove_set(struct hooks *hooks, uint32_t set)
{
        int outer = bpf_map__fd(hooks_skeleton(hooks)->maps.sets);

        if (bpf_map_delete_elem(outer, &set) < 0)
                return errno == ENOENT ? 0 : -errno;
        hooks_state(hooks)->generation++;
        return 0;
}

bool hooks_next_set(struct hooks *hooks, const uint32_t *after, uint32_t *ret_set)
{
        int outer = bpf_map__fd(hooks_skeleton(hooks)->maps.sets);

        return bpf_map_get_next_key(outer, after, ret_set) == 0;
}

int hooks_set_local_address(struct hooks *hooks, const struct steer_address *address, bool is_local)
{
        int fd = bpf_map__fd(hooks_skeleton(hooks)->maps.local_addresses), r;
        uint8_t is_there = 1;

        r = is_local ? bpf_map_update_elem(fd, address, &is_there, BPF_NOEXIST)
                     : bpf_map_delete_elem(fd, address);
        if (r < 0)
                return errno == EEXIST || errno == ENOENT ? 0 : -errno;
        hooks_state(hooks)->generation++;
        return 0;
}

bool hooks_is_of_this_host(struct hooks *hooks, const struct in6_addr *address)
{
        int fd = bpf_map__fd(hooks_skeleton(hooks)->maps.local_addresses);
        bool is_ipv4_loopback = address_is_ipv4(address) && address->s6_addr[12] == IN_LOOPBACKNET;
        uint8_t is_there;

        return is_ipv4_loopback || IN6_IS_ADDR_LOOPBACK(address) ||
               bpf_map_lookup_elem(fd, address, &is_there) == 0;
}

bool hooks_next_local_address(struct hooks *hooks, const struct steer_address *after,
                              struct steer_address *ret_address)
{
        int fd = bpf_map__fd(hooks_skeleton(hooks)->maps.local_addresses);

        return bpf_map_get_next_key(fd, after, ret_address) == 0;
}
