/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the kernel programs of steer.bpf.c and netext-flowd say to each other.
 * Addresses are 16 bytes in network order, IPv4 mapped (::ffff:a.b.c.d), so one form
 * serves AF_INET, AF_INET6 and mapped sockets; ports are in host order.
 */

#include <linux/types.h>

#define STEER_SESSIONS_MAX 64 /* a slot is a bit of a 64-bit set */
#define STEER_CHAINS       4
#define STEER_PATH_MAX     512 /* of an executable or a cgroup, reversed, with NULs */
#define STEER_NAME_MAX     256 /* of one component of it */
#define STEER_CMDLINE_MAX  256
#define STEER_DIGEST_SIZE  32 /* of SHA-256 */

/* Rules of one session; one entry of its map is the header. */
#define STEER_RULES_MAX 10000

/* Named sets of destinations. */
#define STEER_SETS_MAX 64

/* Addresses of the host's own interfaces. */
#define STEER_LOCAL_ADDRESSES_MAX 4096

enum steer_action {
        STEER_ALLOW = 1,
        STEER_DENY = 2,
        STEER_ASK = 4,
};

enum steer_owner_kind {
        STEER_OWNER_UNATTRIBUTED,
        STEER_OWNER_PROGRAM,
        STEER_OWNER_KERNEL,
};

/* Why steer_outcome.verdict is what it is. */
enum steer_reason {
        STEER_REASON_NONE, /* no session, or all of them allow */
        STEER_REASON_RULE,
        STEER_REASON_DEFAULT,
        STEER_REASON_LOOPBACK,
        STEER_REASON_KERNEL,
        STEER_REASON_OWN_TRAFFIC,
        STEER_REASON_CARRIED, /* it carries a flow on that passed the session */
        STEER_REASON_DIRECT,  /* who carries it on chose to go past the session, a proxy */
        STEER_REASON_REMEMBERED,
        STEER_REASON_NOT_ASKABLE, /* the session's fail policy, about what can be asked of nobody */
};

/* setsockopt(2) at this level says which flow a socket carries on; see wire/table.h. */
#define STEER_ATTACH_LEVEL 0x4e58

/* The option, and the way that the flow goes from there. */
enum steer_egress {
        STEER_EGRESS_NEXT = 1,
        STEER_EGRESS_DIRECT, /* past all proxies */
        STEER_EGRESS_TUNNEL, /* the same, by one interface and no other */
};

/* The option's value. */
struct steer_attachment {
        __u64 flow;
        __u32 interface; /* index of the tunnel's; of STEER_EGRESS_TUNNEL, and only then there */
        __u32 pad;
};

struct steer_address {
        __u64 high; /* network order */
        __u64 low;
};

/* One process between two exec()s. */
struct steer_process_key {
        __u64 start_ns; /* CLOCK_BOOTTIME */
        __u32 tgid;
        __u32 exec_id;
};

/* Of so many sockets, the last ones, it is known who made them. */
#define STEER_CREATORS 65536

/* Who made a socket; its place is the cookie's last bits. */
struct steer_creator {
        __u64 cookie; /* 0: it is being written */
        struct steer_process_key process;
};

#define STEER_PROCESS_READY  1u
#define STEER_PATH_TRUNCATED 2u
/* The path begins where ours do, in a mount namespace that only our users' root can arrange. */
#define STEER_PATH_TRUSTED  4u
#define STEER_HAS_ANCESTORS 8u /* they were read, as of its first flow */

/* So far up the programs are known that started another one. */
#define STEER_ANCESTORS_MAX 8

/* A file with what is in it: whoever writes to it changes changed_ns. */
struct steer_file {
        __u64 inode;
        __u64 changed_ns; /* ctime */
        __u32 device;     /* the kernel's dev_t: major << 20 | minor */
        __u32 generation; /* of the inode's number */
};

/* Programs of installed bundles. */
#define STEER_SIGNED_FILES_MAX 4096

/* Whose a file is, as rules name it: hashes of "TEAM" and of "TEAM.identifier". */
struct steer_signer {
        __u64 team;
        __u64 bundle;
};

/* The folder in which all paths begin, in one mount namespace and its copies. */
struct steer_root {
        __u64 inode;
        __u32 device;
        __u32 pad;
};

/* The digest of a file, as rules and questions name it; else a hash of it. */
#define STEER_DIGEST_UNKNOWN 0ULL  /* flowd has to find out */
#define STEER_DIGEST_NONE    ~0ULL /* there is none to be had: no rule's */

/* exe: components from the leaf up, each with its NUL: "curl\0bin\0usr\0". */
struct steer_process {
        struct steer_file file; /* the executable; as of the last flow, while rules ask for it */
        __u64 cgroup_id;        /* of its last connect() or sendto() */
        struct steer_root root; /* in which exe begins */
        __u64 path_hash;        /* siphash of exe; 0 unless trusted and whole */
        __u64 ancestors[STEER_ANCESTORS_MAX]; /* their path_hash, the parent's first */
        struct steer_process_key parents[STEER_ANCESTORS_MAX]; /* the same processes; then zeros */
        __u32 flags;
        __u32 exe_size;
        __u32 cmdline_size;
        char comm[16];
        char exe[STEER_PATH_MAX + STEER_NAME_MAX];
        char cmdline[STEER_CMDLINE_MAX];
};

/* A rule's cgroup is at most that deep; see steer_cgroup.levels. */
#define STEER_CGROUP_LEVELS 12

/*
 * path: like steer_process.exe. levels: from below the root down to the cgroup itself, or as
 * many as there is room for, each the hash of its name and of the level above; then 0. So
 * what is deep in a cgroup, or has long names, is still below the levels that a rule can name.
 * unit: the hash of the first name that is no slice's; 0: there is none. That is the unit of the
 * system's systemd, whatever those who live in it have made below.
 */
struct steer_cgroup {
        __u64 levels[STEER_CGROUP_LEVELS];
        __u64 unit;
        __u32 flags; /* STEER_PROCESS_READY, STEER_PATH_TRUNCATED */
        __u32 size;
        char path[STEER_PATH_MAX + STEER_NAME_MAX];
};

struct steer_outcome {
        __u8 verdict;      /* enum steer_action */
        __u8 reason;       /* enum steer_reason */
        __u8 slot;         /* session of reason RULE, DEFAULT, LOOPBACK */
        __u8 wants_digest; /* 1: what the rules say depends on it, and it is not known */
        __u32 rule;        /* 1 and up, of reason RULE */
        __u32 generation;
        __u32 pad2;
        __u64 ask_slots; /* bit k: session in slot k wants to be asked */
};

struct steer_owner {
        struct steer_process_key process;
        __u64 cookie; /* of the socket */
        __u64 cgroup_id;
        __u64 time_ns; /* CLOCK_BOOTTIME of connect() or sendto() */
        struct steer_address remote;
        struct steer_outcome outcome;
        __u64 origin_flow; /* flowd's number of the flow that the socket carries on; 0: none */
        __u64 skip_slots;  /* bit k: that flow passed the session in slot k */
        __u32 uid;
        __u16 remote_port;
        __u8 kind; /* enum steer_owner_kind */
        __u8 protocol;
        __u16 egress; /* enum steer_egress; 0: it carries nothing on */
        /* 1: no hook saw who began the flow or bound the socket. This is who had it when flowd
         * looked: of several processes the oldest, and time_ns is 0. */
        __u16 is_holder;
        __u32 interface; /* index of the one that the socket is bound to; 0: none */
};

/* A socket that a program has and that has another end: what flowd finds when it looks. */
struct steer_open_socket {
        struct steer_owner owner;
        struct steer_address local;
        __u16 local_port;
        __u8 direction; /* enum nx_direction */
        __u8 pad[5];
};

/* On whose behalf a socket that carries the flow on speaks, and what it need not pass again. */
struct steer_grant {
        __u64 origin_flow;
        __u64 skip_slots;
        struct steer_process_key process;
        __u64 path_hash;
        __u64 digest;
        __u64 cgroup_id;
        __u32 uid;
        __u32 kind;   /* enum steer_owner_kind */
        __u32 egress; /* enum steer_egress; chosen for each socket */
        __u32 pad;
};

/* An extension, by its cgroup, was asked about a flow. */
struct steer_granted {
        __u64 flow; /* 0: none */
        __u64 cgroup_id;
        struct steer_grant grant;
};

/*
 * What flowd says about each claimed flow, in memory that it has mapped: there is no system call.
 * Who reads it goes by the lowest bits of a number to a shelf, which is looked through.
 */
#define STEER_SHELVES    2048
#define STEER_SHELF_SIZE 8

struct steer_shelf {
        struct steer_granted granted[STEER_SHELF_SIZE]; /* by the flow's number */
        __u64 delivered[STEER_SHELF_SIZE]; /* cookies of TCP sockets that a proxy gets; 0: none */
};

/* How a queued packet finds the record that its socket's program left. */
struct steer_tuple {
        struct steer_address remote;
        __u16 remote_port;
        __u16 local_port;
        __u32 protocol;
        __u32 sequence; /* of a connection's first segment: ports are used again; of UDP 0 */
        __u32 pad;
};

/* The priority of a datagram that came in for a multicast group, or for all of a network, whichever
 * instance says so. */
#define STEER_GROUP_TAG 0x4e5b0000U

/* A socket that such datagrams reach, and who sends them. */
struct steer_member {
        struct steer_address group; /* where they go */
        struct steer_address remote;
        __u64 cookie;
        __u16 group_port;
        __u16 remote_port;
        __u32 pad;
};

/* Whether it gets them, as of steer_state.generation. */
struct steer_admission {
        __u32 generation;
        __u32 is_admitted;
};

/* Both ends of a connection that came in. */
struct steer_ends {
        struct steer_address local;
        struct steer_address remote;
        __u16 local_port;
        __u16 remote_port;
        __u32 pad;
};

/* An inspected connection that came in: flowd is its server for the visitor, and the visitor for
 * its server. */
enum steer_visit {
        STEER_VISIT_ANNOUNCED = 1, /* flowd is on the way to the server */
        STEER_VISIT_ADMITTED,      /* the server has accepted it: the visitor may come to flowd */
};

/* Where flowd waits for visitors who come in through an interface. */
struct steer_door {
        __u32 interface;
        __u32 family;
};

enum steer_event_type {
        STEER_EVENT_ALLOWED = 1, /* by rules alone; the packets never come to user space */
        STEER_EVENT_DENIED,      /* the program got EPERM */
        STEER_EVENT_CLOSED,      /* the program closed the socket */
        STEER_EVENT_HUNG_UP,     /* it closed a connection that others began, or that is older */
        STEER_EVENT_BOUND,       /* a socket for datagrams has a port: it can be a new member */
        STEER_EVENT_UNASKED,     /* a datagram did not reach a member that nobody was asked about */
};

struct steer_event {
        __u32 type;
        __u16 local_port; /* of CLOSED, HUNG_UP and BOUND, and of DENIED where it is known */
        __u16 protocol;   /* of CLOSED */
        __u64 cookie;
};

/* What TCP had counted when its program closed the socket; SYN and FIN are a byte each. */
struct steer_tally {
        __u64 acked;    /* that the other end has */
        __u64 received; /* in order */
        __u32 queued;   /* that the program said, and that are not acked */
        __u8 state;     /* BPF_TCP_ESTABLISHED and so on; 0: nobody wanted to know */
        __u8 has_end;   /* the other end has said all it had to say */
        __u16 pad;
};

/* STEER_EVENT_CLOSED */
struct steer_event_closed {
        struct steer_event event;
        struct steer_address local;
        __u64 time_ns; /* CLOCK_BOOTTIME */
        struct steer_tally tally;
};

/* STEER_EVENT_HUNG_UP: its socket has no record, its ends are all that is known */
struct steer_event_hung_up {
        struct steer_event event;
        struct steer_address local;
        struct steer_address remote;
        __u64 time_ns; /* CLOCK_BOOTTIME */
        __u16 remote_port;
        __u16 pad[3];
        struct steer_tally tally;
};

/* STEER_EVENT_UNASKED */
struct steer_event_unasked {
        struct steer_event event;
        struct steer_member member;
};

/* STEER_EVENT_ALLOWED, STEER_EVENT_DENIED */
struct steer_event_decided {
        struct steer_event event;
        struct steer_owner owner;
};

/* A flow of datagrams whose bytes somebody wants to know, by its socket and its other end. */
struct steer_counted_flow {
        struct steer_address remote;
        __u64 cookie;
        __u16 remote_port;
        __u16 pad[3];
};

/* What is in the datagrams, of the program and for it. */
struct steer_counted_bytes {
        __u64 outbound;
        __u64 inbound;
};

/* What this kernel can tell. */
struct steer_kernel {
        __u32 has_cgroup_levels; /* for rules about a cgroup or a unit */
        __u32 pad;
};

/* A question for the rules, without a socket: flows that the hooks did not see, and tests. */
struct steer_question {
        struct steer_address remote;
        struct steer_address local;       /* for certain only of what comes in */
        struct steer_process_key process; /* whose ancestors count */
        __u64 path_hash;                  /* 0: no program is known */
        __u64 digest;                     /* STEER_DIGEST_… or a hash */
        __u64 cgroup_id;                  /* of the program; 0: unknown */
        __u64 skip_slots;
        __u32 uid; /* ~0: unknown */
        __u16 remote_port;
        __u16 local_port; /* as local */
        __u8 protocol;
        __u8 direction;
        __u8 kind; /* enum steer_owner_kind */
        __u8 egress;
        __u8 only; /* 1 and the slot of the session that the question is for; 0: all are */
        __u8 pad[3];
};

struct steer_judgement {
        struct steer_question question;
        struct steer_outcome outcome; /* answer */
};

enum steer_found {
        STEER_FOUND_NOTHING,
        STEER_FOUND_SOCKET, /* without a record: no hook saw its connect(), sendto() or bind() */
        STEER_FOUND_KERNEL, /* no process has it open: a tunnel's own */
        STEER_FOUND_OWNER,
};

/* So many are asked at once, all about one interface: a test run's packet has room for them. */
#define STEER_LOOKUPS_MAX 16

/* A question for the socket tables: whose is the socket that sends this, or that it will reach? */
struct steer_lookup {
        __u8 ethernet[16]; /* a test run's packet begins with a link header */
        struct steer_address local;
        struct steer_address remote;
        __u16 local_port;
        __u16 remote_port;
        __u8 protocol;
        __u8 found;      /* answer: enum steer_found */
        __u8 is_inbound; /* a first segment or a datagram that came in: who waits for it? */
        __u8 is_bound;   /* answer: to an interface */
        __u32 interface; /* that the packet takes; 0: unknown */
        __u32 sequence;  /* of a connection's first segment that leaves */
        struct steer_owner owner;
};

/* A question about an open file of the asking process. */
struct steer_descriptor {
        __s32 fd;
        __u32 found; /* answer */
        struct steer_file file;
};

/*
 * A session's settings: an array whose entry 0 is the header, then come the rules in their order,
 * then, where there are many, the shapes that they are found by, and their buckets. Rules are
 * counted from 1, which is also their entry; 0 is none.
 */
struct steer_settings_header {
        __u32 n_rules;
        __u32 n_shapes; /* 0: the rules are looked at one by one */
        __u8 default_action;
        __u8 loopback; /* 0: leave flows to this host alone */
        __u8 inbound;  /* a rule speaks of inbound flows; 0: leave them alone */
        __u8 digests;  /* a rule names a digest */
};

/* A field that is 0 matches everything. */
struct steer_rule {
        __u64 program;  /* siphash of the executable's reversed path */
        __u64 digest;   /* siphash of the executable's SHA-256 */
        __u64 cgroup;   /* one of steer_cgroup.levels */
        __u64 unit;     /* steer_cgroup.unit */
        __u64 ancestor; /* one of steer_process.ancestors */
        __u64 signer;   /* one of a steer_signer */
        __u64 inode;    /* steer_process.file's */
        struct steer_address remote;
        struct steer_address mask;
        struct steer_address local; /* of what comes in: the end here */
        __u32 uid;                  /* ~0 matches everything */
        __u32 domain;
        __u32 set;    /* the set's number */
        __u32 device; /* of inode */
        __u16 port_first;
        __u16 port_last;
        __u16 local_port_first;
        __u16 local_port_last;
        __u8 protocol;
        __u8 direction;
        __u8 action;
        __u8 local_prefix; /* bits of local that count */
        __u32 next;        /* rule in the same bucket */
};

enum steer_shape_field {
        STEER_SHAPE_REMOTE = 1 << 0,
        STEER_SHAPE_PROGRAM = 1 << 1,
        STEER_SHAPE_DIGEST = 1 << 2,
        STEER_SHAPE_UID = 1 << 3,
        STEER_SHAPE_PORT = 1 << 4, /* one, not several */
        STEER_SHAPE_DOMAIN = 1 << 5,
        STEER_SHAPE_LOCAL_PORT = 1 << 6, /* one, not several */
};

/* Which fields some rules have in common to name; see shape.abi.h. In order of first_rule. */
struct steer_shape {
        struct steer_address mask;   /* of the remote address */
        __u32 fields;                /* enum steer_shape_field, several */
        __u32 n_buckets;             /* a power of two */
        __u32 first_bucket;          /* of all shapes' buckets */
        __u32 first_rule;            /* the lowest of them */
        struct steer_address remote; /* of its first rule */
        struct steer_address agreed; /* the bits of it that all of them name, and alike */
};

#define STEER_BUCKETS_PER_ENTRY 16

union steer_settings_entry {
        struct steer_settings_header header;
        struct steer_rule rule;
        struct steer_shape shape;
        __u32 buckets[STEER_BUCKETS_PER_ENTRY]; /* the lowest rule in each */
};

#define STEER_NAMES_MAX 16

/* Which domains of rules the names are below that the instance's programs resolved to an address.
 */
struct steer_names {
        struct steer_known_name {
                __u64 expiry_ns; /* CLOCK_BOOTTIME */
                __u32 domain;    /* of a steer_rule; 0 ends them */
                __u32 pad;
        } known[STEER_NAMES_MAX];
};

enum steer_set_entry {
        STEER_SET_NETWORK,
        STEER_SET_DOMAINS, /* one: the address is ::, the value is the domain of a steer_rule */
};

/* Of a set's trie; the value is an __u32. */
struct steer_set_key {
        __u32 n_bits; /* that count from here on: STEER_SET_ENTRY_BITS + the prefix */
        __u32 entry;  /* enum steer_set_entry */
        struct steer_address address;
};

#define STEER_SET_ENTRY_BITS 32
#define STEER_SET_WHOLE_BITS (STEER_SET_ENTRY_BITS + 128)

/* A program of a user's that the filter in slot was asked about, and where it went. */
struct steer_memory_key {
        struct steer_address remote;
        __u64 program; /* siphash of its reversed path */
        __u32 uid;
        __u32 epoch; /* steer_state.epochs[slot] */
        __u16 remote_port;
        __u8 protocol;
        __u8 slot;
        __u32 pad;
};

struct steer_memory {
        __u64 expiry_ns; /* CLOCK_BOOTTIME */
        __u32 action;    /* enum steer_action */
        __u32 pad;
};

struct steer_counters {
        __u64 events_lost;      /* the ring was full */
        __u64 owners_lost;      /* no memory for a socket's record */
        __u64 attaches_refused; /* of a flow that was not the caller's */
};

/* Pinned: see state.bpf.h. */
struct steer_state {
        /* Written once by flowd: the key of the hashes in rules and process records. */
        __u64 path_key[2];
        /* Written by flowd: slots in the order of the chain, then 0xff. chain is the index of the
         * one in force; a new one is written to the next place first, so that a reader who was
         * interrupted meets a whole chain. */
        __u8 chains[STEER_CHAINS][STEER_SESSIONS_MAX];
        __u32 chain;
        /* Written by flowd: there are proxies, so sockets may carry flows on. */
        __u32 has_proxies;
        /* Written by flowd: somebody wants to know how many bytes connections had at their end. */
        __u32 wants_tally;
        /* Nobody writes it; see unknown_zero(). */
        __u32 zero;
        /* Written by flowd: bit k: the session in slot k is a proxy. */
        __u64 proxy_slots;
        /* Written by flowd: bit k: a rule of the session in slot k names a cgroup or a unit. */
        __u64 cgroup_slots;
        /* Written by flowd: bit k: the filter in slot k has asked for bytes. */
        __u64 inspecting_slots;
        /* Written by flowd: bit k: a rule of the session in slot k names a digest. */
        __u64 digest_slots;
        /* Written by flowd: bit k: a rule of the session in slot k names a signer, or a file by its number. */
        __u64 file_slots;
        /* Written by flowd: bit k: a rule of the session in slot k speaks of inbound flows. */
        __u64 inbound_slots;
        /* Written by flowd: bit k: the filter in slot k wants its answers remembered. */
        __u64 remembering_slots;
        /* Written by flowd: what was remembered in another epoch of the slot is forgotten. */
        __u32 epochs[STEER_SESSIONS_MAX];
        /* Written by flowd: bit k: the rules of the session in slot k let pass what none of them
         * matches. */
        __u64 allowing_slots;
        /* Written by flowd: bit k: the fail policy of the session in slot k is closed. */
        __u64 closed_slots;
        /* Written by flowd: bit k: it is that of last rules. */
        __u64 last_rules_slots;
        /* Written by flowd: raised when the chain, settings or local addresses change. */
        __u32 generation;
        /* flowd's notes to the next flowd: its first queue's number, the last packets it read. */
        __u32 queue;
        __u32 last_packet;
        __u32 last_answer;
        __u64 last_flow; /* and the last number that it gave a flow */
        __u64 guarded;   /* and the packets that fail policies decided, by rules that are gone */
        /* Written by note_root(), for flowd: paths that begin elsewhere are others'. */
        struct steer_root root;
        /* Written by flowd, by slot: the cgroup of the extension, whose own traffic skips it. */
        __u64 extension_cgroups[STEER_SESSIONS_MAX];
        struct steer_counters counters; /* written by the hooks */
};

_Static_assert(sizeof(struct steer_outcome) == 24, "shared layout");
_Static_assert(sizeof(struct steer_owner) == 112, "shared layout");
_Static_assert(sizeof(struct steer_open_socket) == 136, "shared layout");
_Static_assert(sizeof(struct steer_tally) == 24, "shared layout");
_Static_assert(sizeof(struct steer_event_closed) == 64, "shared layout");
_Static_assert(sizeof(struct steer_counted_flow) == 32, "shared layout");
_Static_assert(sizeof(struct steer_ends) == 40, "shared layout");
_Static_assert(sizeof(struct steer_kernel) == 8, "shared layout");
_Static_assert(sizeof(struct steer_member) == 48, "shared layout");
_Static_assert(sizeof(struct steer_admission) == 8, "shared layout");
_Static_assert(sizeof(struct steer_event_unasked) == 64, "shared layout");
_Static_assert(sizeof(struct steer_event_hung_up) == 88, "shared layout");
_Static_assert(sizeof(struct steer_event_decided) == 128, "shared layout");
_Static_assert(sizeof(struct steer_file) == 24, "shared layout");
_Static_assert(sizeof(struct steer_signer) == 16, "shared layout");
_Static_assert(sizeof(struct steer_question) == 96, "the stack of the hooks has no room for more");
_Static_assert(sizeof(struct steer_rule) == 136, "shared layout");
_Static_assert(sizeof(struct steer_settings_header) == 12, "shared layout");
_Static_assert(sizeof(struct steer_memory) == 16, "shared layout");
_Static_assert(sizeof(struct steer_memory_key) == 40, "shared layout");
_Static_assert(sizeof(struct steer_set_key) == 24, "shared layout");
_Static_assert(sizeof(struct steer_shape) == 64, "shared layout");
_Static_assert(sizeof(struct steer_tuple) == 32, "shared layout");
_Static_assert(sizeof(struct steer_lookup) == 176, "shared layout");
