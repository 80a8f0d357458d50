/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The cgroup BPF programs of the instance: loaded, pinned, attached, and the questions
 * and answers that go through their maps. The pins belong to the instance: netextd
 * removes them when the instance ends.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"
#include "bpf/steer.abi.h"

struct hooks;

struct hooks_config {
        const char *cgroup_path;
        uint64_t cgroup_id;                /* the same, and … */
        uint32_t cgroup_level;             /* … its depth below the root; 0: the whole machine */
        const char *extension_cgroup_path; /* the parent of the extensions' cgroups */
        const char *pin_dir;
        uint32_t mark_mask;
};

/* event: whole, of the struct that bpf/steer.abi.h names for its type. */
typedef void hooks_event_fn(const struct steer_event *event, void *userdata);

/*
 * Loads the programs over the pinned state of an earlier flowd, if there is one, else from
 * scratch. Nothing is attached yet. On failure *ret_problem says what could not be done.
 */
int hooks_open(struct hooks **ret_hooks, const struct hooks_config *config,
               const char **ret_problem);
/* Takes away what was pinned in dir: then the kernel's objects go with their last user. */
void hooks_remove_pins(const char *dir);
/* Attaches, or replaces the programs of links that an earlier flowd pinned, one by one. */
int hooks_attach(struct hooks *hooks, const char **ret_problem);
/* Attaches and pins again what others detached or unpinned. How many that were, or a negative
 * errno.
 */
int hooks_put_back(struct hooks *hooks);
/* Whether TCP connections can be delivered; see hooks_deliver(). 0 or a negative errno. */
int hooks_set_delivering(struct hooks *hooks, bool delivering);
/* Whether sockets can say that their ends are others; see hooks_set_face(). 0 or a negative errno.
 */
int hooks_set_pretending(struct hooks *hooks, bool pretending);
/* Whether visitors can be sent to a door; see hooks_open_door(). 0 or a negative errno. */
int hooks_set_receiving(struct hooks *hooks, bool receiving);
/* Whether sockets get datagrams to groups only if they were admitted; see hooks_set_member(). 0 or a
 * negative errno. */
int hooks_set_telling_members(struct hooks *hooks, bool telling);
/* Closes our descriptors; the pinned objects go on. NULL in, NULL out. */
struct hooks *hooks_close(struct hooks *hooks);

/* No earlier flowd left programs: what was pinned did not fit, or there was nothing. */
bool hooks_are_fresh(const struct hooks *hooks);
/* Whether the kernel tells which cgroups a program is in, so that rules about them can match. */
bool hooks_have_cgroup_levels(struct hooks *hooks);
/* The state shared with the programs, live. */
struct steer_state *hooks_state(struct hooks *hooks);

/* Events: fd to poll; hooks_read_events() calls fn for each and returns their number. */
int hooks_events_fd(struct hooks *hooks);
int hooks_read_events(struct hooks *hooks, hooks_event_fn *fn, void *userdata);

/*
 * Answers lookups about packets, in their place. Outbound: found is OWNER where a program left a
 * record of the flow, else NOTHING. Inbound, of a first segment or a datagram: OWNER where one of
 * the instance's programs waits for it, and owner is who bound the socket; SOCKET where that was
 * not seen.
 */
void hooks_look_up(struct hooks *hooks, struct steer_lookup *lookups, size_t n);
/* Who made the socket; false: that is not known, or not any more. */
bool hooks_find_creator(struct hooks *hooks, uint64_t cookie, struct steer_process_key *ret_process);
/* Who sent the last datagram from that port to remote, by whichever socket; false: not known. */
bool hooks_find_sender(struct hooks *hooks, uint16_t local_port, const struct endpoint *remote,
                       struct steer_owner *ret_owner);
bool hooks_find_process(struct hooks *hooks, const struct steer_process_key *key,
                        struct steer_process *ret_process);
/* One of steer_process.parents: nothing but its executable is known. */
bool hooks_find_ancestor(struct hooks *hooks, const struct steer_process_key *key,
                         struct steer_process *ret_process);
/* Is that the instance's cgroup, or is every one its own? Those below it are not told. */
bool hooks_owns_cgroup(struct hooks *hooks, uint64_t id);
bool hooks_find_cgroup(struct hooks *hooks, uint64_t id, struct steer_cgroup *ret_cgroup);

/* The file behind a descriptor of ours, as struct steer_process names an executable; false where
 * the kernel does not say. */
bool hooks_describe_file(struct hooks *hooks, int fd, struct steer_file *ret_file);
/* What the rules call the digest of file, see hooks_hash_digest(): then flows of programs that
 * execute it are decided in the kernel. */
int hooks_set_digest(struct hooks *hooks, const struct steer_file *file, uint64_t digest);
void hooks_forget_digest(struct hooks *hooks, const struct steer_file *file);
void hooks_forget_digests(struct hooks *hooks);
/* Whose program file is, for rules that say so: of a team, and of one of its bundles. */
int hooks_set_signer(struct hooks *hooks, const struct steer_file *file, const char *team,
                     const char *bundle);
void hooks_forget_signer(struct hooks *hooks, const struct steer_file *file);
/* Walks through such files, beginning with after == NULL; false behind the last. */
bool hooks_next_signed_file(struct hooks *hooks, const struct steer_file *after,
                            struct steer_file *ret_file);

/* Asks the rules about a flow that no hook saw. */
int hooks_judge(struct hooks *hooks, const struct steer_question *question,
                struct steer_outcome *ret_outcome);

/* Puts a session's settings in force as one; entries[0] is the header. NULL takes them away. */
int hooks_set_settings(struct hooks *hooks, unsigned int slot,
                       const union steer_settings_entry *entries, uint32_t n_entries);
/* The filter in slot is not asked again by the question's program and user about its destination
 * until expiry_ns (CLOCK_BOOTTIME), new settings or another session there: the answer is action. */
int hooks_remember(struct hooks *hooks, unsigned int slot, const struct steer_question *question,
                   enum steer_action action, uint64_t expiry_ns);
void hooks_set_chain(struct hooks *hooks, const uint8_t *slots, size_t n_slots);
/* What the hooks know of a session beside its settings. */
struct hooks_session {
        uint64_t cgroup_id;  /* of its extension, whose own traffic skips it; 0: it has none */
        bool is_proxy;       /* what carries a flow on, and was told to go direct, skips it */
        bool is_closed;      /* what nobody can be asked about is denied … */
        bool has_last_rules; /* … unless its rules let pass what none of them matches */
};

void hooks_set_session(struct hooks *hooks, unsigned int slot, struct hooks_session session);
/* The filter in slot has asked for bytes, which is kept for the next flowd. */
void hooks_set_inspecting(struct hooks *hooks, unsigned int slot, bool is_inspecting);
bool hooks_is_inspecting(struct hooks *hooks, unsigned int slot);
/* An extension, by its cgroup, may say of its sockets that they carry the flow on. */
void hooks_grant(struct hooks *hooks, uint64_t flow, uint64_t extension_cgroup,
                 const struct steer_grant *grant);
/* Once the TCP socket's connection stands, its packets go to the listener. */
void hooks_deliver(struct hooks *hooks, uint64_t cookie);
/* The caller's datagrams are let in: the server may answer them, whatever rules say of its own. */
void hooks_admit_caller(struct hooks *hooks, const struct endpoint *server,
                        const struct endpoint *caller);
void hooks_forget_caller(struct hooks *hooks, const struct endpoint *server,
                         const struct endpoint *caller);
/* Who bound the socket for datagrams; false: no hook of ours saw that. */
bool hooks_find_receiver(struct hooks *hooks, uint64_t cookie, struct steer_owner *ret_owner);
/* What remote sends to the group reaches the socket, or not. Forgotten: it is asked about again. */
void hooks_set_member(struct hooks *hooks, uint64_t cookie, const struct endpoint *group,
                      const struct endpoint *remote, bool is_admitted);
void hooks_forget_member(struct hooks *hooks, uint64_t cookie, const struct endpoint *group,
                         const struct endpoint *remote);
/* For whoever has it, the socket of ours says from now on that it stands between these. */
int hooks_set_face(struct hooks *hooks, int socket_fd, const struct endpoint *local,
                   const struct endpoint *remote);
/* How far an inspected connection that came in has got. */
int hooks_set_visit(struct hooks *hooks, const struct steer_ends *ends, enum steer_visit visit);
void hooks_forget_visit(struct hooks *hooks, const struct steer_ends *ends);
/* listening_fd waits for admitted visitors who come in through that interface, for as long as it is
 * open. */
int hooks_open_door(struct hooks *hooks, const struct steer_door *door, int listening_fd);
/* Addresses of names below a rule's domain. */
int hooks_set_name(struct hooks *hooks, const struct steer_address *address, uint32_t domain,
                   uint64_t expiry_ns);
/*
 * Puts a set in force as one. 0 or a negative errno, with the old content in force. domains: the
 * number of its names' addresses; 0: it has none.
 */
int hooks_put_set(struct hooks *hooks, uint32_t set, const struct steer_set_key *networks,
                  uint32_t n_networks, uint32_t domains);
int hooks_remove_set(struct hooks *hooks, uint32_t set);
/* Walks through the sets in force, beginning with after == NULL; false behind the last. */
bool hooks_next_set(struct hooks *hooks, const uint32_t *after, uint32_t *ret_set);
/* Addresses of the host's own interfaces. */
int hooks_set_local_address(struct hooks *hooks, const struct steer_address *address,
                            bool is_local);
/* Is it one of them, or of loopback? */
bool hooks_is_of_this_host(struct hooks *hooks, const struct in6_addr *address);
/* Walks through them, beginning with after == NULL; false behind the last. */
bool hooks_next_local_address(struct hooks *hooks, const struct steer_address *after,
                              struct steer_address *ret_address);

/* The rules' name for an executable: the hash the programs compute for its path. */
uint64_t hooks_hash_path(struct hooks *hooks, const char *path);
/* The rules' name for a SHA-256. */
uint64_t hooks_hash_digest(struct hooks *hooks, const uint8_t digest[static STEER_DIGEST_SIZE]);
/* The rules' name for "/a/b" below the cgroup v2 mount and all below it; 0 for what has no level,
 * or more than STEER_CGROUP_LEVELS. */
uint64_t hooks_hash_cgroup(struct hooks *hooks, const char *path);
/* The rules' name for "TEAM" or "TEAM.identifier". */
uint64_t hooks_hash_signer(struct hooks *hooks, const char *signer);
/* The rules' name for a unit of systemd, "ssh.service". */
uint64_t hooks_hash_unit(struct hooks *hooks, const char *name);
