// SPDX-License-Identifier: GPL-2.0-only

/*
 * The hooks of an instance's cgroup. At connect() and sendto() they note whose socket it
 * is, ask the rules, and answer what the rules can answer:
 *
 *      verdict   TCP connect()          UDP sendto()     connected UDP
 *      allow     socket marked PASS     (first packet    (first packet
 *      ask       left unmarked           to flowd)        to flowd)
 *      deny      EPERM                  EPERM            refused at the first packet
 *
 * What is left unmarked meets the nft chain, which holds it for flowd (steer/ruleset.c).
 * UDP sockets are never marked: one socket talks to many peers, and udp_sendmsg() reads
 * the mark before its hook runs. A UDP connect() is not denied, because it sends nothing:
 * getaddrinfo(3) sorts addresses with it.
 *
 * At bind() they note who will listen there: when somebody comes, a packet is all there is, and
 * flowd asks for the record and for the rules (look_up_sockets, judge_question). A server's answers
 * to datagrams that others sent it are no flows of its own, so rules do not deny them.
 *
 * Of other protocols no packet is held. What the rules say about all flows of such a socket they
 * say as it is made, and whoever would want to be asked is not: the fail policy stands in.
 *
 * Sockets of other network namespaces are out of scope and left alone.
 *
 * A chain of calls has 512 bytes of stack, and kernels before 6.8 count each function's in steps of
 * 32 (check_max_stack_depth()): hooks have at most 288 of them. Nor do they take a map's key or
 * value from where a global function's argument points (map_key_value_types): it is copied.
 */

#include "bpf/kernel.h"
#include "bpf/steer.abi.h"
#include "bpf/state.bpf.h"
#include "bpf/config.bpf.h"
#include "bpf/ends.bpf.h"
#include "bpf/events.bpf.h"
#include "bpf/owner.bpf.h"
#include "bpf/judge.bpf.h"
#include "bpf/connection.bpf.h"
#include "bpf/creator.bpf.h"
#include "bpf/shelves.bpf.h"
#include "bpf/carried.bpf.h"
#include "bpf/face.bpf.h"
#include "bpf/count.bpf.h"
#include "bpf/group.bpf.h"
#include "bpf/lookup.bpf.h"
#include "bpf/older.bpf.h"

char _license[] SEC("license") = "GPL";

/* Written by the hooks for flows that flowd will see; read by flowd; the oldest goes when full. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 16384);
        __type(key, struct steer_tuple);
        __type(value, struct steer_owner);
} asked SEC(".maps");

/*
 * enum steer_visit, by the ends of an inspected connection that came in. Written and removed by
 * flowd; the oldest goes when full.
 */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 16384);
        __type(key, struct steer_ends);
        __type(value, __u8);
} visits SEC(".maps");

/*
 * UDP flows that others began and that were let in: an answer to such a caller is no flow of the
 * server's own. Written and removed by flowd, read where rules deny; the oldest goes when full. The
 * value means nothing.
 */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 65536);
        __type(key, struct steer_tuple);
        __type(value, __u8);
} callers SEC(".maps");

/* flowd's listening sockets for visitors, each bound to its interface. They leave by themselves. */
struct {
        __uint(type, BPF_MAP_TYPE_SOCKHASH);
        __uint(max_entries, 1024);
        __type(key, struct steer_door);
        __type(value, __u64);
} doors SEC(".maps");

static __always_inline void tell_decided(__u32 type, const struct steer_owner *owner,
                                         __u16 local_port)
{
        struct steer_event_decided *decided;

        decided = new_event(type, sizeof(*decided), owner->cookie);
        if (!decided)
                return;
        decided->event.local_port = local_port;
        decided->owner = *owner;
        bpf_ringbuf_submit(decided, 0);
}

/* Writes our bits of the socket's mark, leaves the others. */
static __always_inline void mark_socket(struct bpf_sock_addr *ctx, __u32 bits)
{
        __u32 mark = ctx->sk->mark;

        if ((mark & mark_mask) == bits)
                return;
        mark = (mark & ~mark_mask) | bits;
        bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* The rules are about the program that the bytes are of, not about who sends them on. */
static __always_inline void judge_by_origin(struct bpf_sock *socket, struct mptcp_sock *connection,
                                            struct steer_question *question,
                                            struct steer_owner *owner)
{
        const struct steer_grant *grant = bpf_sk_storage_get(&carried, socket, 0, 0);

        if (!grant && connection)
                grant = bpf_sk_storage_get(&carried, connection, 0, 0);
        if (!grant)
                return;
        question->process = grant->process;
        question->path_hash = grant->path_hash;
        question->digest = grant->digest;
        question->cgroup_id = grant->cgroup_id;
        question->uid = grant->uid;
        question->kind = grant->kind;
        question->skip_slots = owner->skip_slots = grant->skip_slots;
        question->egress = owner->egress = grant->egress;
        owner->origin_flow = grant->origin_flow;
}

static __always_inline void judge_by_process(struct steer_question *question,
                                             struct steer_owner *owner)
{
        const struct steer_process *process = owner_of_current(owner);

        question->process = owner->process;
        if (process)
                question->path_hash = process->path_hash;
        question->digest = digest_of(process);
        question->cgroup_id = owner->cgroup_id;
        question->uid = owner->uid;
        question->kind = owner->kind;
}

/* Who calls, and what the rules say about a flow to remote. */
static __always_inline void judge_current(struct bpf_sock_addr *ctx, struct mptcp_sock *connection,
                                          const struct steer_address *remote,
                                          struct steer_owner *owner)
{
        struct steer_question question = {
                .remote = *remote,
                .remote_port = bpf_ntohs((__u16)ctx->user_port),
                .protocol = ctx->protocol,
                .direction = DIRECTION_OUTBOUND,
        };

        owner->cookie = bpf_get_socket_cookie(ctx);
        owner->remote = *remote;
        owner->remote_port = question.remote_port;
        owner->protocol = question.protocol;
        owner->interface = ctx->sk->bound_dev_if;
        if (is_later_way(connection))
                judge_by_connection(connection, &question, owner);
        else
                judge_by_process(&question, owner);
        if (connection && !is_later_way(connection)) {
                keep_connection(connection, &question, owner);
                pass_creator_on(connection, owner->cookie);
        }
        if (state.has_proxies)
                judge_by_origin(ctx->sk, connection, &question, owner);
        judge(&question, &owner->outcome);
}

/*
 * A local port is chosen after the connect() hook, and no hook runs when a packet leaves;
 * so flowd asks the socket tables whose it is. When the socket is closed, or connected
 * elsewhere, its record goes where flowd looks for packets whose socket is gone. A function by
 * itself, as the next: the kernel gives all that lie on each other 512 bytes of stack.
 */
__noinline int leave_owner(const struct steer_owner *of, __u16 local_port, __u32 sequence)
{
        struct steer_tuple tuple = { .local_port = local_port, .sequence = sequence };
        struct steer_owner owner;

        if (!of || !local_port)
                return 0;
        owner = *of;
        tuple.remote = owner.remote;
        tuple.remote_port = owner.remote_port;
        tuple.protocol = owner.protocol;
        bpf_map_update_elem(&asked, &tuple, &owner, BPF_ANY);
        return 0;
}

/* Does the datagram answer one that was let in? */
__noinline int is_answer(const struct steer_owner *owner, __u16 local_port)
{
        struct steer_tuple tuple = { .local_port = local_port, .protocol = IPPROTO_UDP };

        if (!owner)
                return 0;
        tuple.remote = owner->remote;
        tuple.remote_port = owner->remote_port;
        return bpf_map_lookup_elem(&callers, &tuple) != NULL;
}

/* Where the socket sent from. A TCP socket that failed has given it back, but not forgotten it. */
static __always_inline __u16 earlier_port(struct bpf_sock_addr *ctx)
{
        struct tcp_sock *tcp = bpf_skc_to_tcp_sock(ctx->sk);

        return tcp ? bpf_ntohs(tcp->inet_conn.icsk_inet.inet_sport) : ctx->sk->src_port;
}

static __always_inline __u32 earlier_sequence(struct bpf_sock_addr *ctx)
{
        struct tcp_sock *tcp = bpf_skc_to_tcp_sock(ctx->sk);

        return tcp ? tcp->snd_una : 0;
}

/* Keeps the owner on the socket, for when its packets come to flowd. False: there is no memory. */
static __always_inline bool keep_owner(struct bpf_sock_addr *ctx, const struct steer_owner *owner)
{
        struct steer_owner *kept;

        kept = bpf_sk_storage_get(&owners, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (!kept) {
                __sync_fetch_and_add(&state.counters.owners_lost, 1);
                return false;
        }
        if (kept->cookie)
                leave_owner(kept, earlier_port(ctx), earlier_sequence(ctx));
        *kept = *owner;
        return true;
}

static __always_inline bool in_scope(struct bpf_sock_addr *ctx)
{
        __u32 mark;

        if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
                return false;
        mark = ctx->sk->mark & mark_mask;
        if (mark == mark_relay || mark == mark_own || mark == mark_onward)
                return false; /* flowd's: it takes a flow on that was judged */
        return bpf_get_netns_cookie(ctx) == netns_cookie;
}

static __always_inline int deny(const struct steer_owner *owner, __u16 local_port)
{
        tell_decided(STEER_EVENT_DENIED, owner, local_port);
        return 0;
}

/* Of those who would be asked, one that is closed answers. */
static __always_inline bool is_denied_unasked(struct steer_outcome *outcome)
{
        __u64 closed = state.closed_slots | (state.last_rules_slots & ~state.allowing_slots);

        if (outcome->verdict != STEER_ASK || !(outcome->ask_slots & closed))
                return outcome->verdict == STEER_DENY;
        outcome->reason = STEER_REASON_NOT_ASKABLE;
        outcome->rule = 0;
        return true;
}

/*
 * 1 lets connect() go on, 0 is EPERM. A socket with somebody else's mark is decided by
 * packet instead of by mark: rules that compare the whole mark must find what they look for.
 * A flow whose owner flowd could not find is decided here: a program can use up the memory that
 * its sockets may have for options, and would be nobody then.
 */
static __always_inline int on_connect(struct bpf_sock_addr *ctx, struct steer_address remote)
{
        bool is_tcp = ctx->protocol == IPPROTO_TCP;
        struct mptcp_sock *connection;
        struct steer_owner owner = {};

        if (!in_scope(ctx))
                return 1;
        connection = is_tcp ? connection_of(ctx->sk) : NULL;
        judge_current(ctx, connection, &remote, &owner);
        if (is_tcp && owner.outcome.verdict == STEER_DENY) {
                owner.cookie = bpf_get_socket_cookie(ctx); /* a later way that is none ends alone */
                return deny(&owner, 0);
        }
        if (is_tcp && owner.outcome.verdict == STEER_ALLOW && !(ctx->sk->mark & ~mark_mask) &&
            !is_later_way(connection)) {
                mark_socket(ctx, mark_pass);
                tell_decided(STEER_EVENT_ALLOWED, &owner, 0);
                return 1;
        }
        mark_socket(ctx, 0);
        if (!keep_owner(ctx, &owner) && is_denied_unasked(&owner.outcome))
                return deny(&owner, 0);
        return 1;
}

/*
 * "Any" as a destination is this host: the address that the socket is bound to, else
 * loopback (ip_route_output_key_hash_rcu(), tcp_v6_connect()). What is judged is where the
 * packets go.
 */
static __always_inline struct steer_address remote4(struct bpf_sock_addr *ctx)
{
        __u32 ipv4 = ctx->user_ip4;

        if (!ipv4)
                ipv4 = ctx->sk->src_ip4;
        return mapped(ipv4 ? ipv4 : bpf_htonl(0x7f000001));
}

static __always_inline struct steer_address remote6(struct bpf_sock_addr *ctx)
{
        __u32 words[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };

        if (!words[0] && !words[1] && words[2] == bpf_htonl(0x0000ffff) && !words[3])
                words[3] = bpf_htonl(0x7f000001);
        if (!(words[0] | words[1] | words[2] | words[3]))
                words[3] = bpf_htonl(1);
        return address6(words);
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
        return on_connect(ctx, remote4(ctx));
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
        return on_connect(ctx, remote6(ctx));
}

/* Leaves a record for the packet that is about to be queued. 0 is EPERM. */
static __always_inline int on_sendmsg(struct bpf_sock_addr *ctx, struct steer_address remote)
{
        __u16 local_port = ctx->sk->src_port;
        struct steer_owner owner = {};

        if (!in_scope(ctx))
                return 1;
        judge_current(ctx, NULL, &remote, &owner);
        if (owner.outcome.verdict == STEER_DENY && !is_answer(&owner, local_port))
                return deny(&owner, local_port);
        keep_owner(ctx, &owner);
        leave_owner(&owner, local_port, 0);
        return 1;
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
        return on_sendmsg(ctx, remote4(ctx));
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
        return on_sendmsg(ctx, remote6(ctx));
}

/* TCP, UDP and MPTCP are judged as they begin a flow. */
static __always_inline bool is_judged_by_flow(const struct bpf_sock *ctx)
{
        if (ctx->type == SOCK_DGRAM)
                return ctx->protocol == IPPROTO_UDP;
        return ctx->type == SOCK_STREAM &&
               (ctx->protocol == IPPROTO_TCP || ctx->protocol == IPPROTO_MPTCP);
}

/* As rules call them: a raw socket can send anything, whatever it was made for. */
static __always_inline __u8 other_protocol(const struct bpf_sock *ctx)
{
        return ctx->protocol == IPPROTO_ICMP || ctx->protocol == IPPROTO_ICMPV6 ? IPPROTO_ICMP
                                                                                : IPPROTO_RAW;
}

/* 0 is EPERM, of socket(). */
SEC("cgroup/sock_create")
int sock_create(struct bpf_sock *ctx)
{
        struct steer_question question = { .direction = DIRECTION_OUTBOUND };
        struct steer_owner owner = {};

        if (bpf_get_netns_cookie(ctx) != netns_cookie)
                return 1;
        if (is_judged_by_flow(ctx)) {
                note_creator(ctx);
                return 1;
        }
        question.protocol = owner.protocol = other_protocol(ctx);
        owner.cookie = bpf_get_socket_cookie(ctx);
        judge_by_process(&question, &owner);
        judge(&question, &owner.outcome);
        return is_denied_unasked(&owner.outcome) ? deny(&owner, 0) : 1;
}

static __always_inline void tell_bound(struct bpf_sock *ctx, __u64 cookie)
{
        struct steer_event *event = new_event(STEER_EVENT_BOUND, sizeof(*event), cookie);

        if (!event)
                return;
        event->local_port = ctx->src_port;
        bpf_ringbuf_submit(event, 0);
}

/* The last one to bind it may be about to listen. */
static __always_inline int on_bind(struct bpf_sock *ctx)
{
        struct steer_owner owner = {}, *kept;

        if (ctx->protocol != IPPROTO_TCP && ctx->protocol != IPPROTO_UDP)
                return 1;
        if (bpf_get_netns_cookie(ctx) != netns_cookie)
                return 1;
        owner.cookie = bpf_get_socket_cookie(ctx);
        owner.protocol = ctx->protocol;
        owner_of_current(&owner);
        kept = bpf_sk_storage_get(&listeners, ctx, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (kept)
                *kept = owner;
        else
                __sync_fetch_and_add(&state.counters.owners_lost, 1);
        if (ctx->protocol != IPPROTO_UDP)
                return 1;
        bpf_map_update_elem(&receivers, &owner.cookie, &owner, BPF_ANY);
        if (state.inbound_slots)
                tell_bound(ctx, owner.cookie);
        return 1;
}

SEC("cgroup/post_bind4")
int bind4(struct bpf_sock *ctx)
{
        return on_bind(ctx);
}

SEC("cgroup/post_bind6")
int bind6(struct bpf_sock *ctx)
{
        return on_bind(ctx);
}

/* Of what rules allowed this is the first that flowd hears of the local end. */
static __always_inline void tell_closed(struct bpf_sock *ctx, __u64 cookie)
{
        struct steer_event_closed *closed;

        closed = new_event(STEER_EVENT_CLOSED, sizeof(*closed), cookie);
        if (!closed)
                return;
        closed->event.local_port = read_socket(ctx, skc_num);
        closed->event.protocol = ctx->protocol;
        closed->local = local_address(ctx, ctx->family);
        closed->time_ns = bpf_ktime_get_boot_ns();
        closed->tally = (struct steer_tally){};
        if (ctx->protocol == IPPROTO_TCP)
                read_tally(ctx, &closed->tally);
        bpf_ringbuf_submit(closed, 0);
}

static __always_inline __u16 port_in_packets(const void *socket)
{
        return bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)socket, inet_sport));
}

/* Of one that nobody has answered. */
static __always_inline __u32 first_sequence(const void *socket)
{
        return BPF_CORE_READ((const struct tcp_sock *)socket, snd_una);
}

/* A socket that accept() made has no record, but a peer. */
static __always_inline void tell_hung_up(const void *socket, __u32 family)
{
        __u16 remote_port = bpf_ntohs(read_socket(socket, skc_dport));
        struct steer_event_hung_up *hung_up;

        if (!remote_port)
                return;
        hung_up = new_event(STEER_EVENT_HUNG_UP, sizeof(*hung_up), 0);
        if (!hung_up)
                return;
        hung_up->event.local_port = port_in_packets(socket);
        hung_up->local = local_address(socket, family);
        hung_up->remote = remote_address(socket, family);
        hung_up->remote_port = remote_port;
        hung_up->time_ns = bpf_ktime_get_boot_ns();
        hung_up->tally = (struct steer_tally){};
        read_tally(socket, &hung_up->tally);
        bpf_ringbuf_submit(hung_up, 0);
}

struct way_walk {
        const struct list_head *node;
        __u64 end;
};

static long tell_way_hung_up(__u32 step, struct way_walk *walk)
{
        const struct list_head *node = walk->node;
        const void *way =
                (const void *)node - bpf_core_field_offset(struct mptcp_subflow_context, node);
        const struct sock *socket =
                BPF_CORE_READ((const struct mptcp_subflow_context *)way, tcp_sock);

        if ((__u64)node == walk->end)
                return 1;
        tell_hung_up(socket, read_socket(socket, skc_family));
        walk->node = BPF_CORE_READ(node, next);
        return 0;
}

/* Each way of a connection, while it lasts. */
static __always_inline void tell_ways_hung_up(struct bpf_sock *ctx)
{
        const struct mptcp_sock *connection = (const void *)ctx;
        struct way_walk walk = {
                .end = (__u64)ctx + bpf_core_field_offset(struct mptcp_sock, conn_list),
        };

        if (!bpf_core_type_exists(struct mptcp_subflow_context))
                return;
        walk.node = BPF_CORE_READ(connection, conn_list.next);
        bpf_loop(MPTCP_WAYS_MAX, tell_way_hung_up, &walk, 0);
}

/* A socket that never began a flow has those that others began, if any. */
static __always_inline void tell_unheard(struct bpf_sock *ctx)
{
        if (!state.inbound_slots)
                return;
        if (ctx->protocol == IPPROTO_MPTCP)
                tell_ways_hung_up(ctx);
        else if (ctx->protocol == IPPROTO_TCP && (ctx->mark & mark_mask) != mark_own)
                tell_hung_up(ctx, ctx->family);
        else if (ctx->protocol == IPPROTO_UDP && read_socket(ctx, skc_num))
                tell_closed(ctx, bpf_get_socket_cookie(ctx));
}

static __always_inline const struct sock *first_way(struct bpf_sock *ctx)
{
        const struct mptcp_sock *connection = (const void *)ctx;
        const struct list_head *node = BPF_CORE_READ(connection, conn_list.next);
        const void *way =
                (const void *)node - bpf_core_field_offset(struct mptcp_subflow_context, node);

        return BPF_CORE_READ((const struct mptcp_subflow_context *)way, tcp_sock);
}

/* All ways of a connection end with its program's socket. */
static __always_inline void release_connection(struct bpf_sock *ctx)
{
        struct connection *connection = bpf_sk_storage_get(&connections, ctx, 0, 0);

        if (!connection) {
                tell_unheard(ctx);
                return;
        }
        leave_owner(&connection->owner, port_in_packets(ctx), first_sequence(first_way(ctx)));
        tell_closed(ctx, connection->owner.cookie);
}

/*
 * The listener answered: what follows has to take the same way as the first segment. From now
 * on the socket says so itself, for as long as it lives, whatever becomes of flowd. Attached
 * only while there are proxies: it costs every connection some calls.
 */
static __always_inline void on_connected(struct bpf_sock_ops *ctx, struct bpf_sock *socket)
{
        __u32 mark = (socket->mark & ~mark_mask) | mark_deliver;

        if (!take_delivered(bpf_get_socket_cookie(ctx)))
                return;
        bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* Contexts are read by words: the verifier takes no larger piece. */
#define context_word(field) (*(const volatile __u32 *)&(field))
#define context_address6(words)                                                                    \
        address6((const __u32[4]){ context_word(words[0]), context_word(words[1]),                 \
                                   context_word(words[2]), context_word(words[3]) })

/* Both contexts that know a connection's ends name them alike. */
#define context_ends(ctx, remote_port_)                                                            \
        ({                                                                                         \
                struct steer_ends _ends = { .local_port = (ctx)->local_port,                       \
                                            .remote_port = remote_port_ };                         \
                                                                                                   \
                if ((ctx)->family == AF_INET) {                                                    \
                        _ends.local = mapped(context_word((ctx)->local_ip4));                      \
                        _ends.remote = mapped(context_word((ctx)->remote_ip4));                    \
                } else {                                                                           \
                        _ends.local = context_address6((ctx)->local_ip6);                          \
                        _ends.remote = context_address6((ctx)->remote_ip6);                        \
                }                                                                                  \
                _ends;                                                                             \
        })

/*
 * A server's end of an inspected connection, whose other end is flowd, over lo. The visitor's own
 * connection to flowd will have the same ends, and come in through another interface: each is
 * bound to its own, so that the kernel can tell them apart (inet_sk_bound_dev_eq()).
 */
static __always_inline void on_accepted(struct bpf_sock_ops *ctx, struct bpf_sock *socket)
{
        __u32 mark = socket->mark, interface = LOOPBACK_IFINDEX;
        struct steer_ends ends = context_ends(ctx, bpf_ntohl(ctx->remote_port));

        if ((mark & mark_mask) == mark_own || !bpf_map_lookup_elem(&visits, &ends))
                return;
        mark = (mark & ~mark_mask) | mark_onward;
        bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
        bpf_setsockopt(ctx, SOL_SOCKET, SO_BINDTOIFINDEX, &interface, sizeof(interface));
}

SEC("sockops")
int established(struct bpf_sock_ops *ctx)
{
        struct bpf_sock *socket = ctx->sk;

        if (!socket)
                return 1;
        if (ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
                on_connected(ctx, socket);
        else if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
                on_accepted(ctx, socket);
        return 1;
}

/* Who listens? For a visitor whose connection is inspected, flowd. */
SEC("sk_lookup")
int receive(struct bpf_sk_lookup *ctx)
{
        struct steer_ends ends = context_ends(ctx, bpf_ntohs(ctx->remote_port));
        struct steer_door door = { .interface = ctx->ingress_ifindex, .family = ctx->family };
        struct bpf_sock *socket;
        __u8 *visit;

        if (ctx->protocol != IPPROTO_TCP)
                return SK_PASS;
        visit = bpf_map_lookup_elem(&visits, &ends);
        if (!visit || *visit != STEER_VISIT_ADMITTED)
                return SK_PASS;
        socket = bpf_map_lookup_elem(&doors, &door);
        if (!socket)
                return SK_PASS;
        bpf_sk_assign(ctx, socket, BPF_SK_LOOKUP_F_REPLACE);
        bpf_sk_release(socket);
        return SK_PASS;
}

/*
 * setsockopt(2) of an extension. 1 lets the kernel see it, unless optlen is -1; 0 is EPERM, or
 * the error that was set. A flow can be carried on by the extension that was asked about it, and
 * by nobody else.
 */
SEC("cgroup/setsockopt")
int attach(struct bpf_sockopt *ctx)
{
        const __u64 *flow = ctx->optval;
        const struct steer_granted *granted;
        int r;

        if (ctx->level != STEER_ATTACH_LEVEL || ctx->optname < STEER_EGRESS_NEXT ||
            ctx->optname > STEER_EGRESS_TUNNEL)
                return 1;
        if ((void *)(flow + 1) > ctx->optval_end)
                return 0;
        granted = granted_of(*flow);
        if (!granted) {
                __sync_fetch_and_add(&state.counters.attaches_refused, 1);
                return 0;
        }
        r = choose_egress(ctx);
        if (r) {
                bpf_set_retval(r);
                return 0;
        }
        if (!keep_grant(ctx->sk, granted, *flow, ctx->optname))
                return 0;
        ctx->optlen = -1;
        return 1;
}

/*
 * Extensions that live outside of the instance's cgroup are none of the instance's programs,
 * but the flows that they carry on are its flows. They are marked, so that nft can tell.
 */
static __always_inline int on_carried_connect(struct bpf_sock_addr *ctx,
                                              struct steer_address remote)
{
        if (!bpf_sk_storage_get(&carried, ctx->sk, 0, 0))
                return 1;
        if (!on_connect(ctx, remote))
                return 0;
        if ((ctx->sk->mark & mark_mask) != mark_pass)
                mark_socket(ctx, mark_carried);
        return 1;
}

SEC("cgroup/connect4")
int carried_connect4(struct bpf_sock_addr *ctx)
{
        return on_carried_connect(ctx, remote4(ctx));
}

SEC("cgroup/connect6")
int carried_connect6(struct bpf_sock_addr *ctx)
{
        return on_carried_connect(ctx, remote6(ctx));
}

/* When the other end has answered a SYN, it waits for flowd no more; a datagram can always. */
static __always_inline bool can_be_held(struct bpf_sock *ctx)
{
        return ctx->protocol != IPPROTO_TCP || ctx->state == BPF_TCP_SYN_SENT ||
               ctx->state == BPF_TCP_CLOSE;
}

static __always_inline void forget_receiver(struct bpf_sock *ctx)
{
        __u64 cookie = bpf_get_socket_cookie(ctx);

        bpf_map_delete_elem(&receivers, &cookie);
}

SEC("cgroup/sock_release")
int sock_release(struct bpf_sock *ctx)
{
        if (ctx->protocol == IPPROTO_MPTCP) {
                release_connection(ctx);
                return 1;
        }
        if (ctx->protocol == IPPROTO_UDP)
                forget_receiver(ctx);
        if ((ctx->mark & mark_mask) != mark_pass) {
                struct steer_owner *owner = bpf_sk_storage_get(&owners, ctx, 0, 0);

                if (!owner) {
                        tell_unheard(ctx);
                        return 1;
                }
                if (can_be_held(ctx))
                        leave_owner(owner, port_in_packets(ctx),
                                    ctx->protocol == IPPROTO_TCP ? first_sequence(ctx) : 0);
        }
        tell_closed(ctx, bpf_get_socket_cookie(ctx));
        return 1;
}

/* Fills struct steer_judgement by a test run: for flows that no hook saw, and for tests. */
SEC("syscall")
int judge_question(struct steer_judgement *judgement)
{
        struct steer_question question = judgement->question;
        struct steer_outcome outcome = {};

        judge(&question, &outcome);
        judgement->outcome = outcome;
        return 0;
}

SEC("syscall")
int describe_kernel(struct steer_kernel *kernel)
{
        kernel->has_cgroup_levels = has_cgroup_levels();
        return 0;
}

/* Asked by a test run, once: where do the paths of the asking process begin? */
SEC("syscall")
int note_root(void *context)
{
        struct task_struct *task = (void *)bpf_get_current_task();
        struct steer_process_key key = key_of(task);
        const struct steer_process *process;

        record_ancestor(&key, (__u64)task);
        process = bpf_map_lookup_elem(&ancestors, &key);
        if (process)
                state.root = process->root;
        return 0;
}

/* Answers struct steer_descriptor by a test run: which file is that, as the hooks know files? */
SEC("syscall")
int describe_file(struct steer_descriptor *descriptor)
{
        struct task_struct *task = bpf_get_current_task_btf();
        struct fdtable *table = BPF_CORE_READ(task, files, fdt);
        struct steer_file record = {};
        struct file *file = NULL;
        __u32 fd = descriptor->fd;

        descriptor->found = 0;
        if (fd >= BPF_CORE_READ(table, max_fds))
                return 0;
        bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
        if (!file)
                return 0;
        read_file(&record, file);
        descriptor->file = record;
        descriptor->found = 1;
        return 0;
}
