/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/**
 * @file netext/flow.h
 *
 * One TCP connection or one UDP 4-tuple, as a provider sees it.
 */

#include <netext/netext.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * One flow. Borrowed for the length of the callback; nx_flow_ref() keeps it.
 * After a NX_VERDICT_PAUSE it must be kept until it is resumed. One of UDP is dropped after 10 s.
 */
struct nx_flow;

struct nx_flow *nx_flow_ref(struct nx_flow *flow);
/** NULL in, NULL out. */
struct nx_flow *nx_flow_unref(struct nx_flow *flow);

/** Answers a paused flow with a verdict of its provider: a filter's ALLOW, DROP, REFUSE or
 *  FILTER_DATA, a proxy's CLAIM, DECLINE, DROP, REFUSE or, after nx_flow_peek(), PEEK. -EINVAL for
 *  other verdicts and those that would be a fault, -EALREADY if it is not paused, -ESTALE if its
 *  program went away or the session was stopped or restarted meanwhile. */
int nx_flow_resume(struct nx_flow *flow, enum nx_verdict verdict);

/** A word of the extension's own about a flow that it will be called for again, NULL at first.
 *  What it points to stays the extension's. Not every flow's end is told (see handle_closed and
 *  handle_flow_ended), so a flow that is peeked at had better have a number here. */
void nx_flow_set_userdata(struct nx_flow *flow, void *userdata);
void *nx_flow_get_userdata(const struct nx_flow *flow);

/** Unique within the instance while it runs; the number netextctl shows. */
uint64_t nx_flow_get_identifier(const struct nx_flow *flow);
enum nx_direction nx_flow_get_direction(const struct nx_flow *flow);
/** IPPROTO_TCP or IPPROTO_UDP. */
int nx_flow_get_protocol(const struct nx_flow *flow);
/** Numeric text, "198.18.0.1" or "fd00::1". IPv4-mapped peers show as IPv4. */
const char *nx_flow_get_local_address(const struct nx_flow *flow);
uint16_t nx_flow_get_local_port(const struct nx_flow *flow);
const char *nx_flow_get_remote_address(const struct nx_flow *flow);
uint16_t nx_flow_get_remote_port(const struct nx_flow *flow);
/** A name the instance's programs resolved to this address, or NULL. A hint: several names
 *  can share an address, and a program can connect without asking. */
const char *nx_flow_get_remote_hostname(const struct nx_flow *flow);
/** The label of the session's rule that has its provider asked about the flow (netext/rule.h), or
 *  NULL: it is its default action, or a rule without a label. */
const char *nx_flow_get_rule(const struct nx_flow *flow);
/** When the flow's first packet was held, CLOCK_REALTIME in nanoseconds. */
uint64_t nx_flow_get_started_ns(const struct nx_flow *flow);

/** True if the kernel knows the program whose socket this is; if not, pid and uid are
 *  (pid_t)-1 and (uid_t)-1 and the strings NULL. Never a guess. */
bool nx_flow_is_attributed(const struct nx_flow *flow);
int32_t nx_flow_get_pid(const struct nx_flow *flow);
/** CLOCK_BOOTTIME in nanoseconds: with the pid, a process for ever. */
uint64_t nx_flow_get_process_started_ns(const struct nx_flow *flow);
uint32_t nx_flow_get_uid(const struct nx_flow *flow);
/** Path of the executable as the kernel had it at socket time. */
const char *nx_flow_get_program(const struct nx_flow *flow);
/** What is in the executable, "sha256:" and 64 hexadecimal digits; NULL where nobody asked: it is
 *  found out while rules of the instance name digests. */
const char *nx_flow_get_program_digest(const struct nx_flow *flow);
/** "TEAM.identifier" of the extension in whose bundle, installed here and enabled, the executable
 *  is; else NULL. */
const char *nx_flow_get_program_signer(const struct nx_flow *flow);
/** The package of the distribution that brought the executable, "curl", by its path and dpkg's
 *  or rpm's database where the extension runs; NULL where none did, the path is not trusted, or there
 *  is no such database. Looked up when it is asked for (rpm's by running rpm(8)), which can take some
 *  tens of milliseconds, but for programs that were asked about lately: not something to do before
 *  each verdict. */
const char *nx_flow_get_program_package(const struct nx_flow *flow);
/** False for a path inside a mount namespace that its user could have arranged, or that begins in
 *  another root folder, as a container's do. */
bool nx_flow_is_program_path_trusted(const struct nx_flow *flow);
/** Arguments separated by blanks, cut at 255 bytes. */
const char *nx_flow_get_command_line(const struct nx_flow *flow);
/** Paths of the programs that started this one, a line each: its parent's first, then that one's
 *  parent's, up to the eighth; "?" where that is not known. As of its first flow: who has ended by
 *  then is not among them. NULL where none is known. */
const char *nx_flow_get_parents(const struct nx_flow *flow);
/** The program's own path, or, where that is a shell or something else that only starts others (see
 *  the launchers of netextd(8)), the path of the first parent that is none. */
const char *nx_flow_get_responsible_program(const struct nx_flow *flow);
/** Its process. */
int32_t nx_flow_get_responsible_pid(const struct nx_flow *flow);
/** Path below the cgroup v2 mount, "/user.slice/…". */
const char *nx_flow_get_cgroup(const struct nx_flow *flow);
/** The system's unit that the cgroup belongs to, "ssh.service", or NULL. */
const char *nx_flow_get_unit(const struct nx_flow *flow);
/** The container, "docker:ID", by the names that engines give to cgroups; or NULL. Who may make
 *  cgroups of his own can make one look like a container. */
const char *nx_flow_get_container(const struct nx_flow *flow);
/** The process that made the socket, where that is another one than the owner, who began the flow: it
 *  handed the socket on, or left it to its children, or to a program that it executed. Else (and where
 *  nobody knows) (pid_t)-1. */
int32_t nx_flow_get_creator_pid(const struct nx_flow *flow);
/** Path of its executable, or NULL. */
const char *nx_flow_get_creator_program(const struct nx_flow *flow);

/** @name Origin
 *  The program on whose behalf the bytes travel; the owner above is the last hop: whose
 *  socket it is. They differ where a proxy carries a flow on and said so with
 *  nx_flow_attach().
 *  @{ */
/** The flow that this one carries on, seen from the beginning of all hops. 0: the flow is its
 *  own origin, and those below say nothing. */
uint64_t nx_flow_get_origin_flow(const struct nx_flow *flow);
/** Path of its program's executable, or NULL where it is unknown. */
const char *nx_flow_get_origin_program(const struct nx_flow *flow);
/** Its program's process, or (pid_t)-1. */
int32_t nx_flow_get_origin_pid(const struct nx_flow *flow);
/** Its user, or (uid_t)-1. Rules are about the origin: whoever compares by himself compares this.
 */
uint32_t nx_flow_get_origin_uid(const struct nx_flow *flow);
const char *nx_flow_get_origin_cgroup(const struct nx_flow *flow);
const char *nx_flow_get_origin_program_digest(const struct nx_flow *flow);
const char *nx_flow_get_origin_program_signer(const struct nx_flow *flow);
bool nx_flow_is_origin_program_path_trusted(const struct nx_flow *flow);
/** @} */

#ifdef __cplusplus
}
#endif
