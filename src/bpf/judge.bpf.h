/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * What do the rules say? The only rule engine there is: the hooks, flowd's questions
 * about flows that no hook saw, and the verdict tests all come through judge().
 */

#include "bpf/kernel.h"
#include "bpf/owner.bpf.h"
#include "bpf/shape.abi.h"
#include "bpf/state.bpf.h"
#include "bpf/steer.abi.h"

#define DIRECTION_INBOUND  1 /* enum nx_direction */
#define DIRECTION_OUTBOUND 2

struct settings_map {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __uint(map_flags, BPF_F_INNER_MAP);
        __uint(key_size, sizeof(__u32));
        __uint(value_size, sizeof(union steer_settings_entry));
};

/* One array a slot, replaced whole by flowd: new settings are in force from one packet to the next.
 */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
        __uint(max_entries, STEER_SESSIONS_MAX);
        __type(key, __u32);
        __array(values, struct settings_map);
} settings SEC(".maps");

/* Written and aged by flowd, by address; the least recently used goes when full. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 8192);
        __type(key, struct steer_address);
        __type(value, struct steer_names);
} names SEC(".maps");

struct set_map {
        __uint(type, BPF_MAP_TYPE_LPM_TRIE);
        __uint(max_entries, 1);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(key_size, sizeof(struct steer_set_key));
        __uint(value_size, sizeof(__u32));
};

/*
 * By the set's number: one trie a set, replaced whole by flowd, so that a lookup meets the
 * old content or the new one. Its domains are behind one number of the names map.
 */
struct {
        __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
        __uint(max_entries, STEER_SETS_MAX);
        __type(key, __u32);
        __array(values, struct set_map);
} sets SEC(".maps");

/* Written by flowd: the addresses of the host's own interfaces; read by is_loopback(). */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, STEER_LOCAL_ADDRESSES_MAX);
        __type(key, struct steer_address);
        __type(value, __u8);
} local_addresses SEC(".maps");

/* Written by flowd, aged by itself: what filters answered; the least recently used goes when full.
 */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 16384);
        __type(key, struct steer_memory_key);
        __type(value, struct steer_memory);
} memories SEC(".maps");

static __always_inline bool is_loopback(const struct steer_address *address)
{
        struct steer_address key = *address;

        if (!key.high && key.low == bpf_cpu_to_be64(1)) /* ::1 */
                return true;
        if (!key.high && (key.low & bpf_cpu_to_be64(0xffffffffff000000ULL)) ==
                                 bpf_cpu_to_be64(0x0000ffff7f000000ULL))
                return true; /* ::ffff:127.0.0.0/104 */
        return bpf_map_lookup_elem(&local_addresses, &key);
}

static __always_inline const struct steer_names *names_of(struct steer_address remote)
{
        return bpf_map_lookup_elem(&names, &remote);
}

/* Like judge() this is a global function, verified once and not in each place of a scan. */
__noinline int name_matches(const struct steer_address *remote, __u32 domain)
{
        const struct steer_names *of = remote ? names_of(*remote) : NULL;

        for (int i = 0; of && i < STEER_NAMES_MAX; i++)
                if (of->known[i].domain == domain)
                        return of->known[i].expiry_ns > bpf_ktime_get_boot_ns();
        return false;
}

/* A set that is not there has nothing in it. */
static __always_inline bool set_has(const struct steer_address *remote, __u32 set)
{
        struct steer_set_key key = { .n_bits = STEER_SET_WHOLE_BITS, .address = *remote };
        void *entries = bpf_map_lookup_elem(&sets, &set);
        const __u32 *domains;

        if (!entries)
                return false;
        if (bpf_map_lookup_elem(entries, &key))
                return true;
        key.entry = STEER_SET_DOMAINS;
        key.address = (struct steer_address){};
        domains = bpf_map_lookup_elem(entries, &key);
        return domains && name_matches(remote, *domains);
}

/* Is the cgroup of that number the one that a rule means, or below it? */
__noinline int cgroup_is_in(__u64 id, __u64 wanted)
{
        const struct steer_cgroup *cgroup = bpf_map_lookup_elem(&cgroups, &id);

        if (!cgroup)
                return false;
        for (int i = 0; i < STEER_CGROUP_LEVELS; i++)
                if (cgroup->levels[i] == wanted)
                        return true;
        return false;
}

static __always_inline bool cgroup_is_of_unit(__u64 id, __u64 unit)
{
        const struct steer_cgroup *cgroup = bpf_map_lookup_elem(&cgroups, &id);

        return cgroup && cgroup->unit == unit;
}

static __always_inline const struct steer_process *process_of(struct steer_process_key key)
{
        return bpf_map_lookup_elem(&processes, &key);
}

/* Was the process started, however many others were between, by the program that a rule means? */
__noinline int has_ancestor(const struct steer_process_key *of, __u64 wanted)
{
        const struct steer_process *process = of ? process_of(*of) : NULL;

        if (!process)
                return false;
        for (int i = 0; i < STEER_ANCESTORS_MAX; i++)
                if (process->ancestors[i] == wanted)
                        return true;
        return false;
}

/* Is what the process executes a program of a bundle that a rule means, by its team or its name? */
__noinline int is_signed_by(const struct steer_process_key *of, __u64 wanted)
{
        const struct steer_process *process = of ? process_of(*of) : NULL;
        const struct steer_signer *signer;

        if (!process)
                return false;
        signer = bpf_map_lookup_elem(&signers, &process->file);
        return signer && (signer->team == wanted || signer->bundle == wanted);
}

/* Is what the process executes that very file? */
__noinline int is_file(const struct steer_process_key *of, __u64 inode, __u32 device)
{
        const struct steer_process *process = of ? process_of(*of) : NULL;

        return process && process->file.inode == inode && process->file.device == device;
}

/* Of a network as rules name it, by how many of its bits count: none would match everything. */
static __always_inline bool network_has(const struct steer_address *network, __u8 prefix,
                                        const struct steer_address *address)
{
        __u64 high = prefix < 64 ? ~(~0ULL >> prefix) : ~0ULL;
        __u64 low = prefix > 64 ? ~0ULL << (128 - prefix) : 0;

        return !(((network->high ^ address->high) & bpf_cpu_to_be64(high)) |
                 ((network->low ^ address->low) & bpf_cpu_to_be64(low)));
}

/* The end of this host, of what comes in. */
static __always_inline bool local_end_matches(const struct steer_rule *rule,
                                              const struct steer_question *question)
{
        if (rule->local_port_last && (question->local_port < rule->local_port_first ||
                                      question->local_port > rule->local_port_last))
                return false;
        return !rule->local_prefix ||
               network_has(&rule->local, rule->local_prefix, &question->local);
}

/* In all but its digest. A global function as well: rules are tried in two kinds of scan. */
__noinline int rule_matches(const struct steer_rule *rule, const struct steer_question *question)
{
        if (!rule || !question)
                return false;
        if (rule->protocol && rule->protocol != question->protocol)
                return false;
        if (rule->direction && rule->direction != question->direction)
                return false;
        if (rule->port_last &&
            (question->remote_port < rule->port_first || question->remote_port > rule->port_last))
                return false;
        if ((question->remote.high & rule->mask.high) != rule->remote.high ||
            (question->remote.low & rule->mask.low) != rule->remote.low)
                return false;
        if (!local_end_matches(rule, question))
                return false;
        if (rule->program && rule->program != question->path_hash)
                return false;
        if (rule->uid != ~0U && rule->uid != question->uid)
                return false;
        if (rule->cgroup && !cgroup_is_in(question->cgroup_id, rule->cgroup))
                return false;
        if (rule->unit && !cgroup_is_of_unit(question->cgroup_id, rule->unit))
                return false;
        if (rule->ancestor && !has_ancestor(&question->process, rule->ancestor))
                return false;
        if (rule->signer && !is_signed_by(&question->process, rule->signer))
                return false;
        if (rule->inode && !is_file(&question->process, rule->inode, rule->device))
                return false;
        if (rule->domain && !name_matches(&question->remote, rule->domain))
                return false;
        return !rule->set || set_has(&question->remote, rule->set);
}

enum match {
        MATCH_NO,
        MATCH_YES,
        MATCH_UNKNOWN,
};

/* Of a rule that matches in all else. */
static __always_inline enum match digest_match(const struct steer_rule *rule,
                                               const struct steer_question *question)
{
        if (!rule->digest || rule->digest == question->digest)
                return MATCH_YES;
        return question->digest == STEER_DIGEST_UNKNOWN ? MATCH_UNKNOWN : MATCH_NO;
}

/* A search for the first rule of a session that matches. */
struct scan {
        const struct steer_question *question;
        void *entries; /* the session's settings, as they were when the scan began */
        __u32 n_rules;
        __u32 n_shapes;
        __u32 action;
        __u32 rule;  /* the lowest that matched so far; 0: none */
        __u32 next;  /* to be looked at; 0: the next bucket's */
        __u32 shape; /* index of the next one */
        __u32 name;  /* index of the next name of the remote address, for a shape with domains */
        bool wants_digest;
};

/* Whether it does, which is then the scan's result. */
static __always_inline bool try_rule(struct scan *scan, __u32 index, const struct steer_rule *rule)
{
        enum match match;

        if (!rule_matches(rule, scan->question))
                return false;
        match = digest_match(rule, scan->question);
        if (match == MATCH_NO)
                return false;
        scan->wants_digest = match == MATCH_UNKNOWN;
        scan->action = scan->wants_digest ? STEER_ASK : rule->action;
        scan->rule = index;
        return true;
}

static long scan_rule(__u32 index, struct scan *scan)
{
        union steer_settings_entry *entry;
        __u32 rule = index + 1;

        entry = bpf_map_lookup_elem(scan->entries, &rule);
        return !entry || try_rule(scan, rule, &entry->rule);
}

/* The domain of the next name of the remote address; 0 behind the last. */
static __always_inline __u32 next_domain(struct scan *scan)
{
        const struct steer_names *of = names_of(scan->question->remote);
        __u32 name = scan->name++;

        return of && name < STEER_NAMES_MAX ? of->known[name].domain : 0;
}

static __always_inline __u32 first_in_bucket(struct scan *scan, const struct steer_shape *shape,
                                             __u32 domain)
{
        const struct steer_question *question = scan->question;
        const struct shape_fields fields = {
                .remote = question->remote,
                .program = question->path_hash,
                .digest = question->digest,
                .uid = question->uid,
                .domain = domain,
                .port = question->remote_port,
                .local_port = question->local_port,
        };
        __u32 bucket = shape->first_bucket + shape_bucket(shape, &fields);
        __u32 index = 1 + scan->n_rules + scan->n_shapes + bucket / STEER_BUCKETS_PER_ENTRY;
        union steer_settings_entry *entry = bpf_map_lookup_elem(scan->entries, &index);

        return entry ? entry->buckets[bucket % STEER_BUCKETS_PER_ENTRY] : 0;
}

/* A shape has one bucket that can hold what matches, or one for each name of the remote address. */
static __always_inline void open_bucket(struct scan *scan, const struct steer_shape *shape)
{
        __u32 domain = 0;

        if (shape->fields & STEER_SHAPE_DOMAIN)
                domain = next_domain(scan);
        if (!domain) {
                scan->shape++;
                scan->name = 0;
        }
        if (domain || !(shape->fields & STEER_SHAPE_DOMAIN))
                scan->next = first_in_bucket(scan, shape, domain);
}

/* What is far from all of a shape's rules needs no look into its buckets. */
static __always_inline bool is_near(const struct steer_shape *shape,
                                    const struct steer_address *remote)
{
        return !(((remote->high ^ shape->remote.high) & shape->agreed.high) |
                 ((remote->low ^ shape->remote.low) & shape->agreed.low));
}

/* One rule of a bucket, or the way to the next bucket; 1 where no better rule can come. */
static long scan_shapes(__u32 step, struct scan *scan)
{
        __u32 index = scan->next ? scan->next : 1 + scan->n_rules + scan->shape;
        union steer_settings_entry *entry;

        if (!scan->next && scan->shape >= scan->n_shapes)
                return 1;
        entry = bpf_map_lookup_elem(scan->entries, &index);
        if (!entry)
                return 1;
        if (!scan->next) {
                if (scan->rule && entry->shape.first_rule > scan->rule)
                        return 1;
                if (is_near(&entry->shape, &scan->question->remote))
                        open_bucket(scan, &entry->shape);
                else
                        scan->shape++;
        } else if ((scan->rule && index > scan->rule) || try_rule(scan, index, &entry->rule)) {
                scan->next = 0;
        } else {
                scan->next = entry->rule.next;
        }
        return 0;
}

static __always_inline void scan_rules(struct scan *scan,
                                       const struct steer_settings_header *header)
{
        /* Then a rule with any digest can be the first to match. */
        bool can_be_any = header->digests && scan->question->digest == STEER_DIGEST_UNKNOWN;

        scan->n_rules = header->n_rules;
        scan->n_shapes = header->n_shapes;
        if (scan->n_shapes && !can_be_any) {
                bpf_loop(scan->n_rules + scan->n_shapes * (STEER_NAMES_MAX + 1) + 1, scan_shapes,
                         scan, 0);
                barrier(); /* one call for both, with either callback, would not be inlined */
        } else {
                bpf_loop(scan->n_rules, scan_rule, scan, 0);
        }
}

/* What the filter in slot answered the last time, if it said that this holds; else STEER_ASK. A
 * function by itself, so that its key does not lie on the stack below a scan. */
__noinline int remember(__u32 slot, const struct steer_question *question,
                        struct steer_outcome *outcome)
{
        struct steer_memory_key key = {};
        const struct steer_memory *memory;

        if (!question || !outcome)
                return STEER_ASK;
        key = (struct steer_memory_key){
                .remote = question->remote,
                .program = question->path_hash,
                .uid = question->uid,
                .epoch = state.epochs[slot % STEER_SESSIONS_MAX],
                .remote_port = question->remote_port,
                .protocol = question->protocol,
                .slot = slot,
        };
        if (!(state.remembering_slots >> slot & 1) || !question->path_hash ||
            question->direction != DIRECTION_OUTBOUND)
                return STEER_ASK;
        memory = bpf_map_lookup_elem(&memories, &key);
        if (!memory || memory->expiry_ns < bpf_ktime_get_boot_ns())
                return STEER_ASK;
        outcome->slot = slot;
        outcome->rule = 0;
        outcome->reason = STEER_REASON_REMEMBERED;
        return memory->action;
}

/*
 * The action of the session in slot, with its reason in outcome. Inbound flows concern only the
 * session that says so by a rule.
 */
static __always_inline __u32 ask_session(__u32 slot, const struct steer_question *question,
                                         struct steer_outcome *outcome)
{
        void *entries = bpf_map_lookup_elem(&settings, &slot);
        struct scan scan = {
                .question = question,
                .rule = unknown_zero(),
                .next = unknown_zero(),
                .shape = unknown_zero(),
                .name = unknown_zero(),
        };
        __u32 unruled = question->direction == DIRECTION_INBOUND ? STEER_ALLOW : STEER_ASK;
        union steer_settings_entry *entry;
        __u32 first = 0;

        if (!entries)
                return unruled;
        entry = bpf_map_lookup_elem(entries, &first);
        if (!entry)
                return unruled;
        if (question->direction == DIRECTION_INBOUND && !entry->header.inbound)
                return STEER_ALLOW;
        outcome->slot = slot;
        outcome->rule = 0;
        if (!entry->header.loopback && is_loopback(&question->remote)) {
                outcome->reason = STEER_REASON_LOOPBACK;
                return STEER_ALLOW;
        }
        scan.entries = entries;
        scan.action = entry->header.default_action;
        scan_rules(&scan, &entry->header);
        outcome->reason = scan.rule ? STEER_REASON_RULE : STEER_REASON_DEFAULT;
        outcome->rule = scan.rule;
        if (scan.wants_digest)
                outcome->wants_digest = true;
        return scan.action;
}

struct walk {
        const struct steer_question *question;
        struct steer_outcome *outcome;
        __u32 chain;
};

/* One place of the chain; 1 ends the walk. */
static long ask_place(__u32 place, struct walk *walk)
{
        const struct steer_question *question = walk->question;
        struct steer_outcome *outcome = walk->outcome;
        __u32 slot, action;

        if (place >= STEER_SESSIONS_MAX)
                return 1;
        slot = state.chains[walk->chain % STEER_CHAINS][place];
        if (slot >= STEER_SESSIONS_MAX)
                return 1;
        if (question->only && question->only != slot + 1)
                return 0;
        if (question->skip_slots >> slot & 1) {
                outcome->reason = STEER_REASON_CARRIED;
                return 0;
        }
        if (question->egress >= STEER_EGRESS_DIRECT && state.proxy_slots >> slot & 1) {
                outcome->reason = STEER_REASON_DIRECT;
                return 0;
        }
        if (question->cgroup_id && question->cgroup_id == state.extension_cgroups[slot]) {
                outcome->reason = STEER_REASON_OWN_TRAFFIC;
                return 0;
        }
        action = ask_session(slot, question, outcome);
        if (action == STEER_ASK && !outcome->wants_digest)
                action = remember(slot, question, outcome);
        if (action == STEER_DENY) {
                outcome->verdict = STEER_DENY;
                return 1;
        }
        if (action == STEER_ASK) {
                outcome->verdict = STEER_ASK;
                outcome->ask_slots |= 1ULL << slot;
        }
        return 0;
}

/*
 * Walks the chain. The first session that denies ends it; else the flow is allowed unless
 * some sessions want to be asked. The reason kept is that of the last session that had one.
 */
__noinline int judge(const struct steer_question *question, struct steer_outcome *outcome)
{
        struct walk walk = { .question = question, .outcome = outcome, .chain = state.chain };

        if (!question || !outcome)
                return 0;
        *outcome = (struct steer_outcome){ .verdict = STEER_ALLOW, .generation = state.generation };
        if (question->kind == STEER_OWNER_KERNEL) {
                outcome->reason = STEER_REASON_KERNEL;
                return 0;
        }
        bpf_loop(STEER_SESSIONS_MAX, ask_place, &walk, 0);
        return 0;
}
