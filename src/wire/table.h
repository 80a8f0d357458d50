/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The one table of everything that travels between netextd, netext-flowd and
 * extensions. A message is a header and attributes; what an attribute's bytes mean
 * does not depend on the message it stands in. The numbers are the protocol: never
 * reuse one, add at the end, and raise WIRE_VERSION when a meaning changes.
 */

#include <stdint.h>

#define WIRE_VERSION          3
#define WIRE_MESSAGE_SIZE_MAX (40 * 1024) /* one message with its header */
#define WIRE_BATCH_SIZE_MAX   (96 * 1024) /* one datagram: whole messages, back to back */
#define WIRE_DATA_MAX         (32 * 1024) /* of one WIRE_BYTES */
#define WIRE_STRING_MAX       1024        /* a string with its NUL */
#define WIRE_UDP_IDLE_S_MAX   3600
#define WIRE_REMEMBER_S_MAX   86400

/* Of PROVIDER_MEMORY: how many questions wait there at once, and how long each may be. */
#define WIRE_SLOTS     8
#define WIRE_SLOT_SIZE (512 * 1024)

/*
 * Of PROVIDER_PACKET_MEMORY: how many packets wait there for an answer, each in the slot that its
 * number has in the last bits, and how long each may be (a queue of the kernel's copies no more).
 */
#define WIRE_PACKET_SLOTS     64
#define WIRE_PACKET_SLOT_SIZE (64 * 1024)

/*
 * nx_flow_attach_via(): setsockopt(2) on the socket that carries a flow on. The option is the
 * enum nx_egress, the value the flow's number in eight bytes and, of a tunnel, the index of its
 * interface in four. No protocol knows this level; a cgroup/setsockopt BPF program answers it, and
 * where there is none the kernel says ENOPROTOOPT.
 */
#define WIRE_ATTACH_LEVEL 0x4e58

enum wire_type {
        WIRE_U8,
        WIRE_U16,
        WIRE_U32,
        WIRE_U64,
        WIRE_I32,
        WIRE_BOOL,    /* one byte, 0 or 1 */
        WIRE_STRING,  /* NUL at the end and nowhere else */
        WIRE_ADDRESS, /* 16 bytes, IPv4 mapped */
        WIRE_ENUM,    /* one byte, a value of its names table */
        WIRE_BYTES,   /* any, at most WIRE_DATA_MAX, perhaps none */
};

/* ATTR(number, NAME, type, "key in the control API and JSON", names of a WIRE_ENUM) */
#define WIRE_ATTRIBUTES(ATTR)                                                                      \
        ATTR(1, VERSION, WIRE_U32, "version", NULL)                                                \
        ATTR(2, NAME, WIRE_STRING, "name", NULL)                                                   \
        ATTR(3, TEXT, WIRE_STRING, "text", NULL)                                                   \
        ATTR(4, RESULT, WIRE_I32, "result", NULL)                                                  \
        ATTR(5, SESSION, WIRE_U32, "session", NULL)                                                \
        ATTR(6, ORDER, WIRE_I32, "order", NULL)                                                    \
        ATTR(7, GRADE, WIRE_ENUM, "grade", wire_grades)                                            \
        ATTR(8, FAIL_POLICY, WIRE_ENUM, "fail_policy", wire_fail_policies)                         \
        ATTR(9, VERDICT_TIMEOUT_MS, WIRE_U32, "verdict_timeout_ms", NULL)                          \
        ATTR(10, READY_TIMEOUT_MS, WIRE_U32, "ready_timeout_ms", NULL)                             \
        ATTR(11, CGROUP_ID, WIRE_U64, "cgroup_id", NULL)                                           \
        ATTR(12, COUNT, WIRE_U64, "count", NULL)                                                   \
        ATTR(13, SESSION_STATE, WIRE_ENUM, "state", wire_session_states)                           \
        ATTR(14, EVENT, WIRE_ENUM, "event", wire_flow_events)                                      \
        ATTR(15, ENABLE, WIRE_BOOL, "enable", NULL)                                                \
        ATTR(16, FLOW, WIRE_U64, "flow", NULL)                                                     \
        ATTR(17, PROTOCOL, WIRE_ENUM, "protocol", wire_protocols)                                  \
        ATTR(18, DIRECTION, WIRE_ENUM, "direction", wire_directions)                               \
        ATTR(19, LOCAL_ADDRESS, WIRE_ADDRESS, "local_address", NULL)                               \
        ATTR(20, LOCAL_PORT, WIRE_U16, "local_port", NULL)                                         \
        ATTR(21, REMOTE_ADDRESS, WIRE_ADDRESS, "remote_address", NULL)                             \
        ATTR(22, REMOTE_PORT, WIRE_U16, "remote_port", NULL)                                       \
        ATTR(23, REMOTE_NAME, WIRE_STRING, "remote_name", NULL)                                    \
        ATTR(24, OWNER, WIRE_ENUM, "owner", wire_owners)                                           \
        ATTR(25, PID, WIRE_U32, "pid", NULL)                                                       \
        ATTR(26, PROCESS_STARTED_NS, WIRE_U64, "process_started_ns", NULL)                         \
        ATTR(27, UID, WIRE_U32, "uid", NULL)                                                       \
        ATTR(28, PROGRAM, WIRE_STRING, "program", NULL)                                            \
        ATTR(29, PROGRAM_DEVICE, WIRE_U64, "program_device", NULL)                                 \
        ATTR(30, PROGRAM_INODE, WIRE_U64, "program_inode", NULL)                                   \
        ATTR(31, PROGRAM_TRUSTED, WIRE_BOOL, "program_path_trusted", NULL)                         \
        ATTR(32, COMMAND_LINE, WIRE_STRING, "command_line", NULL)                                  \
        ATTR(33, CGROUP, WIRE_STRING, "cgroup", NULL)                                              \
        ATTR(34, STARTED_NS, WIRE_U64, "started_ns", NULL)                                         \
        ATTR(35, DECIDED_NS, WIRE_U64, "decided_ns", NULL)                                         \
        ATTR(36, CLOSED_NS, WIRE_U64, "closed_ns", NULL)                                           \
        ATTR(37, FLOW_STATE, WIRE_ENUM, "state", wire_flow_states)                                 \
        ATTR(38, VERDICT, WIRE_ENUM, "verdict", wire_verdicts)                                     \
        ATTR(39, DECIDED_BY, WIRE_STRING, "decided_by", NULL)                                      \
        ATTR(40, REASON, WIRE_ENUM, "reason", wire_reasons)                                        \
        ATTR(41, RULE, WIRE_STRING, "rule", NULL)                                                  \
        ATTR(42, REMOTE_PREFIX, WIRE_U8, "remote_prefix", NULL)                                    \
        ATTR(43, PORT_FIRST, WIRE_U16, "port_first", NULL)                                         \
        ATTR(44, PORT_LAST, WIRE_U16, "port_last", NULL)                                           \
        ATTR(45, ACTION, WIRE_U8, "action", NULL)                                                  \
        ATTR(46, LOOPBACK, WIRE_BOOL, "loopback", NULL)                                            \
        ATTR(47, DOMAIN, WIRE_STRING, "domain", NULL)                                              \
        ATTR(48, LABEL, WIRE_STRING, "label", NULL)                                                \
        ATTR(49, KEY, WIRE_STRING, "key", NULL)                                                    \
        ATTR(50, HELD_PACKETS, WIRE_U32, "held_packets", NULL)                                     \
        ATTR(51, COMM, WIRE_STRING, "comm", NULL)                                                  \
        ATTR(52, KIND, WIRE_ENUM, "kind", wire_kinds)                                              \
        ATTR(53, KINDS, WIRE_U32, "kinds", NULL) /* 1 << enum nx_provider_kind, several */         \
        ATTR(54, BYTES_OUTBOUND, WIRE_U64, "bytes_outbound", NULL)                                 \
        ATTR(55, BYTES_INBOUND, WIRE_U64, "bytes_inbound", NULL)                                   \
        ATTR(56, ORIGIN_FLOW, WIRE_U64, "origin_flow", NULL)                                       \
        ATTR(57, ORIGIN_PROGRAM, WIRE_STRING, "origin_program", NULL)                              \
        ATTR(58, ORIGIN_PID, WIRE_U32, "origin_pid", NULL)                                         \
        ATTR(59, DATA, WIRE_BYTES, "data", NULL)                                                   \
        ATTR(60, OFFSET, WIRE_U64, "offset", NULL)                                                 \
        ATTR(61, PASS_BYTES, WIRE_U64, "pass_bytes", NULL)                                         \
        ATTR(62, PEEK_BYTES, WIRE_U64, "peek_bytes", NULL) /* of PEEK; outbound of FILTER_DATA */  \
        ATTR(63, PEEK_INBOUND, WIRE_U64, "peek_inbound", NULL)                                     \
        ATTR(64, SLOT, WIRE_U32, "slot", NULL)                                                     \
        ATTR(65, UDP_IDLE_S, WIRE_U32, "udp_idle_s", NULL)                                         \
        ATTR(66, ENDED_BY, WIRE_ENUM, "ended_by", wire_flow_ends)                                  \
        ATTR(67, ENDED_SESSION, WIRE_STRING, "ended_session", NULL)                                \
        ATTR(68, REPORT_FREQUENCY, WIRE_ENUM, "report_frequency", wire_report_frequencies)         \
        ATTR(69, REPORT_EVENT, WIRE_ENUM, "report_event", wire_report_events)                      \
        ATTR(70, KEY_OPERATION, WIRE_ENUM, "operation", wire_key_operations)                       \
        ATTR(71, KEY_TYPE, WIRE_ENUM, "type", wire_key_types)                                      \
        ATTR(72, SCHEME, WIRE_U16, "scheme", NULL) /* enum nx_signature_scheme */                  \
        ATTR(79, SIGNER, WIRE_STRING, "signer", NULL) /* TEAM.identifier; of rules also TEAM */    \
        ATTR(73, QUESTION, WIRE_U64, "question", NULL)                                             \
        ATTR(74, LIFETIME, WIRE_ENUM, "lifetime", wire_lifetimes)                                  \
        ATTR(75, SCOPE, WIRE_U8, "scope", NULL) /* enum wire_scope, several */                     \
        ATTR(76, TIMEOUT_MS, WIRE_U32, "timeout_ms", NULL)                                         \
        ATTR(77, ANSWER, WIRE_U64, "answer", NULL)                                                 \
        ATTR(78, WANTS_DIGEST, WIRE_BOOL, "wants_digest", NULL)                                    \
        ATTR(80, PROGRAM_DIGEST, WIRE_STRING, "program_digest", NULL)                              \
        ATTR(81, UNIT, WIRE_STRING, "unit", NULL)                                                  \
        ATTR(82, STARTED_BY, WIRE_STRING, "started_by", NULL)                                      \
        ATTR(83, ORIGIN_UID, WIRE_U32, "origin_uid", NULL)                                         \
        ATTR(84, ORIGIN_CGROUP, WIRE_STRING, "origin_cgroup", NULL)                                \
        ATTR(85, ORIGIN_TRUSTED, WIRE_BOOL, "origin_program_path_trusted", NULL)                   \
        ATTR(86, ORIGIN_DIGEST, WIRE_STRING, "origin_program_digest", NULL)                        \
        ATTR(87, LOCAL_PREFIX, WIRE_U8, "local_prefix", NULL)                                      \
        ATTR(88, LOCAL_PORT_FIRST, WIRE_U16, "local_port_first", NULL)                             \
        ATTR(89, LOCAL_PORT_LAST, WIRE_U16, "local_port_last", NULL)                               \
        ATTR(90, CHECK_RESULT, WIRE_ENUM, "result", wire_check_results)                            \
        ATTR(91, FILE, WIRE_STRING, "file", NULL)                                                  \
        ATTR(92, INTERFACE, WIRE_STRING, "interface", NULL)                                        \
        ATTR(93, IP_PROTOCOL, WIRE_U8, "ip_protocol", NULL)                                        \
        ATTR(94, PACKET, WIRE_U64, "packet", NULL)                                                 \
        ATTR(95, PACKET_VERDICT, WIRE_ENUM, "packet_verdict", wire_packet_verdicts)                \
        ATTR(96, LANE, WIRE_U32, "lane", NULL)                                                     \
        ATTR(98, RESPONSIBLE_PROGRAM, WIRE_STRING, "responsible_program", NULL)                    \
        ATTR(99, RESPONSIBLE_PID, WIRE_U32, "responsible_pid", NULL)                               \
        ATTR(100, RUN, WIRE_U32, "run", NULL)     /* which process of the extension */             \
        ATTR(101, SLOTS, WIRE_U64, "slots", NULL) /* sessions, a bit each */                       \
        ATTR(102, SESSION_NAME, WIRE_STRING, "session_name", NULL)                                 \
        ATTR(103, PARENTS, WIRE_STRING, "parents", NULL) /* a path a line, nearest first */        \
        ATTR(104, CONTAINER, WIRE_STRING, "container", NULL)                                       \
        ATTR(105, OLDER, WIRE_BOOL, "older", NULL)                                                 \
        ATTR(106, OWNER_IS_HOLDER, WIRE_BOOL, "owner_is_holder", NULL)                             \
        ATTR(107, MAY_INSPECT, WIRE_BOOL, "may_inspect", NULL) /* what flows carry */              \
        ATTR(108, SUBJECT, WIRE_STRING, "subject", NULL) /* of a certificate */                    \
        ATTR(109, EXPIRES_NS, WIRE_U64, "expires_ns", NULL)                                        \
        ATTR(111, EXTENSION, WIRE_STRING, "extension", NULL) /* TEAM.identifier */                 \
        ATTR(110, FLOWS, WIRE_U64, "flows", NULL) /* that a rule decided */                        \
        ATTR(113, CREATOR_STARTED_NS, WIRE_U64, "creator_started_ns", NULL)                        \
        ATTR(115, REMEMBER_S, WIRE_U32, "remember_s", NULL)                                        \
        ATTR(116, GID, WIRE_U32, "gid", NULL)                                                      \
        ATTR(117, STARTED_TICKS, WIRE_U64, "started_ticks", NULL) /* field 22 of /proc/PID/stat */ \
        ATTR(118, HINT_ON_BEHALF_OF, WIRE_STRING, "hint_on_behalf_of", NULL)                       \
        ATTR(119, HINT_ON_BEHALF_OF_PID, WIRE_U32, "hint_on_behalf_of_pid", NULL)                  \
        ATTR(120, HINT_ON_BEHALF_OF_SEVERAL, WIRE_BOOL, "hint_on_behalf_of_several", NULL) \
        ATTR(121, LAST_SENDER_PROGRAM, WIRE_STRING, "last_sender_program", NULL)                   \
        ATTR(122, ORIGIN_SIGNER, WIRE_STRING, "origin_signer", NULL)                               \
        ATTR(123, CREATOR_PID, WIRE_U32, "creator_pid", NULL)                                      \
        ATTR(124, CREATOR_PROGRAM, WIRE_STRING, "creator_program", NULL)                           \
        ATTR(125, LAST_SENDER_PID, WIRE_U32, "last_sender_pid", NULL)

enum wire_attribute {
#define ATTR(number, name, type, key, names) WIRE_ATTR_##name = number,
        WIRE_ATTRIBUTES(ATTR)
#undef ATTR
                _WIRE_ATTR_MAX = 128,
};

/* A set of attributes: a bit for each. */
__extension__ typedef unsigned __int128 wire_attributes;
#define WIRE_BIT(attribute) ((wire_attributes)1 << (attribute))
#define WIRE_HAS(name)      WIRE_BIT(WIRE_ATTR_##name)

/*
 * MSG(number, RECEIVER_VERB, attributes that must be there, descriptors that come along)
 *
 * MANAGER is netextd, FLOWD is netext-flowd, PROVIDER and EXTENSION are an extension
 * (on its flow channel from flowd, and its control channel from netextd), ENGINE is
 * flowd as an extension's flow channel sees it, KEYS is netext-keys. netext-bundle only
 * answers.
 */
#define WIRE_MESSAGES(MSG)                                                                         \
        /* netextd -> flowd */                                                                     \
        MSG(1, FLOWD_SESSION_ADD,                                                                  \
            WIRE_HAS(SESSION) | WIRE_HAS(NAME) | WIRE_HAS(ORDER) | WIRE_HAS(GRADE) |               \
                    WIRE_HAS(FAIL_POLICY) | WIRE_HAS(VERDICT_TIMEOUT_MS) |                         \
                    WIRE_HAS(READY_TIMEOUT_MS) | WIRE_HAS(CGROUP_ID) | WIRE_HAS(KIND),             \
            0)                                                                                     \
        /* a provider's flow channel */                                                            \
        MSG(2, FLOWD_SESSION_CHANNEL, WIRE_HAS(SESSION) | WIRE_HAS(RUN), 1)                        \
        MSG(3, FLOWD_SESSION_REMOVE, WIRE_HAS(SESSION), 0) /* COUNT: as of PROVIDER_STOP */        \
        MSG(4, FLOWD_FLOW_LIST, 0, 0) /* FLOW: only that one; COUNT: newest n */                   \
        MSG(5, FLOWD_FLOW_WATCH, WIRE_HAS(ENABLE), 0)                                              \
        MSG(6, FLOWD_STATUS_GET, 0, 0)                                                             \
        MSG(7, FLOWD_QUIT, 0, 0) /* take every kernel object away, then exit */                    \
        MSG(8, FLOWD_SYNC, 0, 0) /* all sessions were sent: reconcile, answer MANAGER_DONE */      \
        MSG(9, FLOWD_SET_BEGIN, WIRE_HAS(NAME), 0)                                                 \
        /* one each: DOMAIN, or REMOTE_ADDRESS and REMOTE_PREFIX */                                \
        MSG(10, FLOWD_SET_ENTRY, 0, 0)                                                             \
        MSG(11, FLOWD_SET_COMMIT, 0, 0) /* in force as one */                                      \
        MSG(12, FLOWD_SET_REMOVE, WIRE_HAS(NAME), 0)                                               \
        MSG(13, FLOWD_SETS_KEEP, 0, 0) /* all sets were sent: there are no others */               \
        MSG(14, FLOWD_SET_CHECK, WIRE_HAS(NAME),                                                   \
            0) /* answered by MANAGER_DONE: is it in force? */                                     \
        /* FLOW; or PROGRAM, REMOTE_ADDRESS and REMOTE_PORT, as many as there are. Answered by     \
         * MANAGER_STATUS "flows_ended" */                                                         \
        MSG(26, FLOWD_FLOWS_END, 0, 0)                                                             \
        /* open flows meet the rules and filters of now; answered by MANAGER_STATUS "flows_…" */ \
        MSG(27, FLOWD_FLOWS_REJUDGE, 0, 0)                                                         \
        MSG(15, FLOWD_SIGNED_FILES_KEEP, 0, 0)          /* all were sent: there are no others */   \
        MSG(31, FLOWD_SIGNED_FILE, WIRE_HAS(SIGNER), 1) /* a program of an installed bundle */     \
        MSG(25, FLOWD_EXECUTABLE, 0, 1) /* what MANAGER_EXECUTABLE_OPEN asked for */               \
        MSG(24, FLOWD_EXECUTABLE_FAILED, WIRE_HAS(RESULT), 0)                                      \
        /* a session's rules in force, as MANAGER_RULE each */                                     \
        MSG(29, FLOWD_RULES_LIST, WIRE_HAS(SESSION), 0)                                            \
        /* what would decide such a flow: a MANAGER_RULE for each session, in chain order */       \
        MSG(30, FLOWD_RULES_JUDGE, WIRE_HAS(PROTOCOL) | WIRE_HAS(DIRECTION) | WIRE_HAS(UID), 0)    \
        /* flowd -> netextd; a reply carries the id of its request */                              \
        MSG(16, MANAGER_READY, WIRE_HAS(VERSION), 0)                                               \
        MSG(17, MANAGER_KEEP, 0, 1) /* the queue's socket, to hand to the next flowd */            \
        MSG(18, MANAGER_FLOW, WIRE_HAS(FLOW), 0)                                                   \
        MSG(19, MANAGER_DONE, WIRE_HAS(RESULT), 0)                                                 \
        MSG(20, MANAGER_SESSION_STATE,                                                             \
            WIRE_HAS(SESSION) | WIRE_HAS(SESSION_STATE) | WIRE_HAS(RUN), 0)                        \
        MSG(21, MANAGER_STATUS, WIRE_HAS(KEY), 0) /* KEY and COUNT or TEXT, one fact each */       \
        MSG(22, MANAGER_EXECUTABLE_OPEN, WIRE_HAS(PID), 0) /* answered by FLOWD_EXECUTABLE… */   \
        MSG(23, MANAGER_RULE, WIRE_HAS(SESSION) | WIRE_HAS(ACTION), 0)                             \
        /* flowd -> provider */                                                                    \
        MSG(32, PROVIDER_START, WIRE_HAS(VERSION) | WIRE_HAS(NAME) | WIRE_HAS(KIND), 0)            \
        MSG(33, PROVIDER_STOP, WIRE_HAS(COUNT), 0) /* COUNT: enum nx_provider_stop_reason */       \
        MSG(34, PROVIDER_FLOW_NEW,                                                                 \
            WIRE_HAS(FLOW) | WIRE_HAS(PROTOCOL) | WIRE_HAS(DIRECTION) | WIRE_HAS(OWNER) |          \
                    WIRE_HAS(LOCAL_ADDRESS) | WIRE_HAS(LOCAL_PORT) | WIRE_HAS(REMOTE_ADDRESS) |    \
                    WIRE_HAS(REMOTE_PORT),                                                         \
            0)                                                                                     \
        MSG(36, PROVIDER_SETTINGS_DONE, WIRE_HAS(RESULT), 0)                                       \
        MSG(37, PROVIDER_FLOW_SOCKET, WIRE_HAS(FLOW), 1) /* an open flow's end of the program */   \
        MSG(38, PROVIDER_FLOW_CLOSED, WIRE_HAS(FLOW) | WIRE_HAS(RESULT),                           \
            0) /* BYTES_… if spliced */                                                          \
        MSG(39, PROVIDER_FLOW_PEEKED, WIRE_HAS(FLOW) | WIRE_HAS(DATA), 0)                          \
        MSG(40, PROVIDER_FLOW_DATA, WIRE_HAS(FLOW) | WIRE_HAS(DIRECTION) | WIRE_HAS(OFFSET),       \
            0) /* DATA, or COUNT bytes in SLOT */                                                  \
        MSG(41, PROVIDER_FLOW_COMPLETE, WIRE_HAS(FLOW) | WIRE_HAS(DIRECTION), 0)                   \
        MSG(42, PROVIDER_MEMORY, 0, 1) /* WIRE_SLOTS of WIRE_SLOT_SIZE bytes, to read */           \
        MSG(43, PROVIDER_FLOW_UPDATED, WIRE_HAS(FLOW) | WIRE_HAS(RESULT), 0)                       \
        /* BYTES_… where they are known; ACTION: enum nx_filter_action */                        \
        MSG(44, PROVIDER_FLOW_REPORT, WIRE_HAS(FLOW) | WIRE_HAS(REPORT_EVENT) | WIRE_HAS(ACTION),  \
            0)                                                                                     \
        /* provider -> flowd */                                                                    \
        MSG(48, ENGINE_STARTED, WIRE_HAS(VERSION) | WIRE_HAS(RESULT), 0)                           \
        /* PEEK: PEEK_BYTES, VERDICT_TIMEOUT_MS; FILTER_DATA: PEEK_BYTES, PEEK_INBOUND;            \
         * of a filter's others perhaps REMEMBER_S; of all of its, where it wants reports,         \
         * REPORT_FREQUENCY */                                                                     \
        /* REASON and RULE: of a flow that people were asked about; with NONE nobody answered */   \
        MSG(49, ENGINE_VERDICT, WIRE_HAS(FLOW) | WIRE_HAS(VERDICT), 0)                             \
        MSG(50, ENGINE_SETTINGS_BEGIN, WIRE_HAS(ACTION) | WIRE_HAS(LOOPBACK),                      \
            0) /* UDP_IDLE_S: of a proxy's claimed flows; 0: never */                              \
        MSG(51, ENGINE_SETTINGS_RULE, WIRE_HAS(ACTION), 0) /* NAME: a set of destinations */       \
        MSG(52, ENGINE_SETTINGS_COMMIT, 0, 0) /* answered by PROVIDER_SETTINGS_DONE */             \
        MSG(53, ENGINE_STOPPED, 0, 0)                                                              \
        MSG(54, ENGINE_FLOW_OPEN, WIRE_HAS(FLOW) | WIRE_HAS(RESULT), 0) /* 0, or why not */        \
        MSG(55, ENGINE_FLOW_SPLICE, WIRE_HAS(FLOW), 1) /* the flow's upstream, maybe connecting */ \
        MSG(56, ENGINE_DATA_VERDICT, WIRE_HAS(FLOW) | WIRE_HAS(DIRECTION) | WIRE_HAS(VERDICT),     \
            0) /* FILTER_DATA: PASS_BYTES, PEEK_BYTES. An answer has OFFSET, an update not */      \
        MSG(57, ENGINE_DATA_SEEN, WIRE_HAS(SLOT), 0) /* the slot is free */                        \
        /* a live flow gets another verdict; answered by PROVIDER_FLOW_UPDATED */                  \
        MSG(58, ENGINE_FLOW_UPDATE, WIRE_HAS(FLOW) | WIRE_HAS(VERDICT), 0)                         \
        /* by such a channel: of a packet that waits, or that was delayed */                       \
        MSG(62, ENGINE_PACKET_VERDICT, WIRE_HAS(PACKET) | WIRE_HAS(PACKET_VERDICT), 0)             \
        /* netextd -> extension */                                                                 \
        /* a file of that session; TEXT: its path, for messages */                                 \
        MSG(64, EXTENSION_FILE, WIRE_HAS(NAME) | WIRE_HAS(SESSION_NAME), 1)                        \
        MSG(65, EXTENSION_CHANNEL, WIRE_HAS(NAME), 1) /* the flow channel of session NAME */       \
        /* to MANAGER_QUESTION: RESULT 0, then VERDICT and REASON; or why nobody will answer */    \
        MSG(66, EXTENSION_ANSWER, WIRE_HAS(QUESTION) | WIRE_HAS(RESULT), 0)                        \
        /* the answers that are kept for that session, as one: begin, each, commit */              \
        MSG(67, EXTENSION_ANSWERS_BEGIN, WIRE_HAS(SESSION_NAME), 0)                                \
        MSG(68, EXTENSION_ANSWERS_ENTRY,                                                           \
            WIRE_HAS(ANSWER) | WIRE_HAS(VERDICT) | WIRE_HAS(PROTOCOL) | WIRE_HAS(DIRECTION), 0)    \
        MSG(69, EXTENSION_ANSWERS_COMMIT, WIRE_HAS(SESSION_NAME), 0)                               \
        /* extension -> netextd: call QUESTION about the secret or key NAME of its own. SCHEME,    \
         * KEY_TYPE, DATA: where the operation takes them */                                       \
        MSG(70, MANAGER_KEYS_CALL, WIRE_HAS(QUESTION) | WIRE_HAS(KEY_OPERATION) | WIRE_HAS(NAME),  \
            0)                                                                                     \
        /* netextd -> extension: DATA, or TEXT: why not; what is secret comes in sealed memory */  \
        MSG(71, EXTENSION_KEYS_DONE, WIRE_HAS(QUESTION) | WIRE_HAS(RESULT), 0)                     \
        MSG(72, EXTENSION_KEYS_VALUE, WIRE_HAS(QUESTION), 1)                                       \
        /* netextd -> netext-keys: the same for EXTENSION (without it: all), and with what is to   \
         * be kept, in sealed memory: a secret, or a passphrase, a NUL, and a file */              \
        MSG(73, KEYS_CALL, WIRE_HAS(QUESTION) | WIRE_HAS(KEY_OPERATION), 0)                        \
        MSG(74, KEYS_DEPOSIT,                                                                      \
            WIRE_HAS(QUESTION) | WIRE_HAS(KEY_OPERATION) | WIRE_HAS(EXTENSION) | WIRE_HAS(NAME),   \
            1)                                                                                     \
        /* netext-keys -> netextd: one of a list; KEY_TYPE: of a key, COUNT: bytes of a secret */  \
        MSG(75, MANAGER_KEYS_ITEM, WIRE_HAS(QUESTION) | WIRE_HAS(EXTENSION) | WIRE_HAS(NAME), 0)   \
        MSG(76, MANAGER_KEYS_DONE, WIRE_HAS(QUESTION) | WIRE_HAS(RESULT), 0)                       \
        MSG(77, MANAGER_KEYS_VALUE, WIRE_HAS(QUESTION), 1)                                         \
        /* extension -> netextd: the same as 70, with a secret in sealed memory */                 \
        MSG(78, MANAGER_KEYS_DEPOSIT,                                                              \
            WIRE_HAS(QUESTION) | WIRE_HAS(KEY_OPERATION) | WIRE_HAS(NAME), 1)                      \
        MSG(80, MANAGER_EXTENSION_HELLO, WIRE_HAS(VERSION) | WIRE_HAS(NAME) | WIRE_HAS(KINDS), 0)  \
        /* COUNT: level; SESSION_NAME: who it is about */                                          \
        MSG(81, MANAGER_EXTENSION_REPORT, WIRE_HAS(COUNT) | WIRE_HAS(TEXT), 0)                     \
        /* what people are asked about a flow of the session, and that nobody need answer it */    \
        MSG(82, MANAGER_QUESTION,                                                                  \
            WIRE_HAS(QUESTION) | WIRE_HAS(SESSION_NAME) | WIRE_HAS(TIMEOUT_MS) |                   \
                    WIRE_HAS(PROTOCOL) | WIRE_HAS(DIRECTION) | WIRE_HAS(REMOTE_ADDRESS) |          \
                    WIRE_HAS(REMOTE_PORT),                                                         \
            0)                                                                                     \
        MSG(83, MANAGER_QUESTION_OVER, WIRE_HAS(QUESTION) | WIRE_HAS(RESULT), 0)                   \
        /* netext-bundle -> netextd */                                                             \
        MSG(96, MANAGER_BUNDLE_CHECK, WIRE_HAS(NAME) | WIRE_HAS(CHECK_RESULT) | WIRE_HAS(TEXT),    \
            0)                                            /* FILE and KEY where it has them */     \
        MSG(97, MANAGER_BUNDLE_FACT, WIRE_HAS(KEY), 0)    /* and TEXT or COUNT */                  \
        MSG(98, MANAGER_BUNDLE_DONE, WIRE_HAS(RESULT), 0) /* TEXT: what kept it from looking */    \
        /* netextd -> flowd: the flow channel of a successor, whose provider starts beside the     \
         * one in place; the successors of these sessions take their places */                     \
        MSG(105, FLOWD_SESSION_SUCCESSOR, WIRE_HAS(SESSION) | WIRE_HAS(RUN), 1)                    \
        MSG(106, FLOWD_SESSIONS_TURN, WIRE_HAS(SLOTS) | WIRE_HAS(RUN), 0)                          \
        /* flowd -> netextd: that provider of the session has no flows any more */                 \
        MSG(107, MANAGER_SESSION_DRAINED, WIRE_HAS(SESSION) | WIRE_HAS(RUN), 0)                    \
        /* flowd -> provider, and its answer: when the sockets that it was given are closed */     \
        MSG(108, PROVIDER_DRAIN, 0, 0)                                                             \
        MSG(109, ENGINE_DRAINED, 0, 0)                                                             \
        /* flowd -> packet filter, once it runs: a channel for one of its threads, over which come \
         * … */                                                                                  \
        MSG(113, PROVIDER_PACKET_LANE, WIRE_HAS(LANE), 1)                                          \
        /* … WIRE_PACKET_SLOTS of WIRE_PACKET_SLOT_SIZE bytes, to read, and packets in them */   \
        MSG(114, PROVIDER_PACKET_MEMORY, 0, 1)                                                     \
        MSG(115, PROVIDER_PACKET,                                                                  \
            WIRE_HAS(PACKET) | WIRE_HAS(DIRECTION) | WIRE_HAS(INTERFACE) | WIRE_HAS(COUNT),        \
            0) /* COUNT: of its bytes, in the slot */                                              \
        /* netextd -> extension: a connection to endpoint NAME, and who is at its other end */     \
        MSG(120, EXTENSION_ENDPOINT_PEER,                                                          \
            WIRE_HAS(NAME) | WIRE_HAS(PID) | WIRE_HAS(STARTED_TICKS) | WIRE_HAS(UID) |             \
                    WIRE_HAS(GID) | WIRE_HAS(PROGRAM) | WIRE_HAS(CGROUP),                          \
            1)                                                                                     \
        MSG(121, EXTENSION_ENDPOINTS_LEAVE, 0, 0) /* another process has them now */               \
        /* extension -> netextd */                                                                 \
        MSG(122, MANAGER_FLOWS_LEFT, 0, 0) /* none is left, as far as flowd cannot know */         \
        MSG(124, MANAGER_ENDPOINT_WANTS_PEER, WIRE_HAS(NAME), 0) /* events, and nobody is there */ \
        MSG(125, MANAGER_ENDPOINT_TAKEN, WIRE_HAS(NAME), 0)      /* one EXTENSION_ENDPOINT_PEER */ \
        MSG(126, MANAGER_ENDPOINTS_LEFT, 0, 0)                   /* nobody waits for us there */

enum wire_message_type {
#define MSG(number, name, required, n_fds) NX_MSG_##name = number,
        WIRE_MESSAGES(MSG)
#undef MSG
                _NX_MSG_MAX = 128,
};
