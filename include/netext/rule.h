/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/rule.h
 *
 * Which flows? The fields that filters and proxies match by (NENetworkRule, NEAppRule).
 */

#include <netext/netext.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Rules of one session. */
#define NX_RULES_MAX 10000
/** Names in the path of a rule's cgroup; what is deeper is in it all the same. */
#define NX_RULE_CGROUP_LEVELS 12

/** So far up started_by is looked for. */
#define NX_RULE_ANCESTORS 8

/** What is 0 or NULL matches everything. Initialise with NX_RULE_INIT. */
struct nx_rule {
        size_t size;
        /** Inbound: TCP connections that other hosts open to programs here, and UDP flows whose
         *  first datagram came from another host; the program, user and cgroup are those that
         *  bound the socket, the remote fields mean the other host. What comes back to a program
         *  that sent to the same address and port is no such flow. What goes to a multicast group or
         *  to all hosts of a network is one flow for each socket that it reaches.
         *  Only a session with at least one rule of NX_DIRECTION_INBOUND has to do with such flows:
         *  then its rules of any direction match them too, and its default action decides about
         *  those that no rule matches. Others leave them alone. Proxies take outbound flows only.
         */
        enum nx_direction direction;
        /** IPPROTO_TCP or IPPROTO_UDP. IPPROTO_ICMP stands for sockets of ICMP and ICMPv6,
         *  IPPROTO_RAW for those of any further protocol: they are decided as they are made, by
         *  rules that name no destination and no port, and no provider is asked about them. */
        int protocol;
        /** Absolute path of the executable, symbolic links resolved. */
        const char *program;
        /** "/system.slice/foo.service": programs in that cgroup, or below it. Its path below the
         *  cgroup v2 mount, as a flow's record shows it, 1 to NX_RULE_CGROUP_LEVELS names. What a
         *  proxy carries on counts as the origin's. Before Linux 6.1 rules with a cgroup or a unit
         *  are refused: a session that starts with one fails, and nx_…_apply() has -EOPNOTSUPP
         *  for a later one. */
        const char *cgroup;
        /** The user id, or NX_ANY_USER. */
        uint32_t user;
        /** "198.18.0.0/15", "fd00::/8", or a single address. */
        const char *remote_network;
        /** "example.org": the name itself and everything below it, by what the instance's
         *  programs resolved. */
        const char *remote_domain;
        /** "os-update": whatever is in that set of the instance when the flow begins, see
         *  nx_manager_put_set(). Nothing, while there is no such set. Stands instead of
         *  remote_network and remote_domain. */
        const char *remote_set;
        uint16_t remote_port_first;
        uint16_t remote_port_last;
        /** Shown in a flow's record as the rule that decided, e.g. "rules:12"; at most 63 bytes. */
        const char *label;
        /** What is in the executable: "sha256:" and 64 lower-case hexadecimal digits, as
         * sha256sum(1) prints them. Of the file that the program ran as the flow began, whatever
         * its path; a flow of a program that is new to such rules waits until its file was read,
         * five seconds at most. A file that cannot be read matches no such rule. */
        const char *digest;
        /** "ssh.service": programs of that unit of the system's systemd, in whichever slice it is.
         *  Whole names of services, scopes, sockets, mounts and swaps, at most 255 bytes. A unit of
         * a user's own systemd is named by cgroup. What a proxy carries on counts as the origin's.
         */
        const char *unit;
        /** Absolute path of an executable: of the program's parent, or its parent's, and so on, up
         * to NX_RULE_ANCESTORS. As of the program's first flow; who has ended by then is
         * nobody's ancestor. With program, helper tools of an app count as the app
         * only where it started them. */
        const char *started_by;
        /** "EXAMPLE" or "EXAMPLE.com.example.filter": programs of the extensions of that team that
         *  are installed here and enabled, or of that one: whatever can be executed in its bundle,
         *  as it lies in netextd's store, an earlier version's too as long as it is used. A program
         *  that is none of these, or that somebody has changed since, matches no such rule. */
        const char *signer;
        /** "65024:1234": the executable is that file, by the numbers of its device and inode, as
         *  "stat -c %d:%i" prints them, whatever its path and wherever it is mounted. A file that
         *  takes its place, as in an upgrade, is another one; and the number of one that is removed
         *  is given again. */
        const char *inode;
        /** This host's end of an inbound flow, as remote_network: the address that the other host
         *  reaches the program at; of what goes to a group or to all hosts of a network, that
         *  address. A rule that names a local network or port is of NX_DIRECTION_INBOUND, and
         *  -EINVAL otherwise: where a program's own flow begins is known after it is decided. */
        const char *local_network;
        /** Its port: the one that the program has bound. */
        uint16_t local_port_first;
        uint16_t local_port_last;
};

#define NX_ANY_USER  UINT32_MAX
#define NX_RULE_INIT .size = sizeof(struct nx_rule), .user = NX_ANY_USER

#ifdef __cplusplus
}
#endif
