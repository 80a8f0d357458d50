/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whose flow is it, in words. The kernel's records are numbers and reversed paths; here
 * they become strings, once for each process and cgroup, shared by all their flows.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/htable.h"
#include "base/list.h"
#include "bpf/steer.abi.h"
#include "owner/place.h"
#include "owner/signers.h"

struct hooks;

struct process {
        struct htable_link link; /* owners.processes */
        struct list unused;      /* owners.unused_processes, while n_refs is 0 */
        unsigned int n_refs;
        struct steer_process_key key;
        struct steer_file file; /* the executable, as of its first flow */
        uint64_t device;
        uint64_t inode;
        uint64_t path_hash; /* for the rules */
        bool is_path_trusted;
        char comm[16];
        char *program; /* path of the executable */
        char *command_line;
        char *parents;            /* paths of those who started it, nearest first, a line each */
        char *responsible;        /* path of the program that is; NULL: the process's own */
        uint32_t responsible_pid; /* its process */
        uint64_t digest;          /* for the rules: STEER_DIGEST_UNKNOWN until digests_identify() */
        char *digest_text;        /* "sha256:…", or NULL */
};

struct cgroup_record {
        struct htable_link link; /* owners.cgroups */
        struct list age;         /* owners.cgroup_ages */
        uint64_t id;
        char unit[PLACE_SIZE];      /* or empty, like the next */
        char container[PLACE_SIZE]; /* "docker:ID" */
        char path[];                /* below the cgroup v2 mount */
};

struct owners {
        struct hooks *hooks;   /* borrowed, like the next */
        const char *launchers; /* owner/launchers.h */
        struct htable processes;
        struct list unused_processes;
        size_t n_unused;
        struct htable cgroups;
        struct list cgroup_ages;
        size_t n_cgroups;
        struct signers signers;
};

int owners_init(struct owners *owners, struct hooks *hooks, const char *launchers);
void owners_deinit(struct owners *owners);

/* The process of key, counted up; NULL if the kernel has no record of it or memory is short. */
struct process *owners_get_process(struct owners *owners, const struct steer_process_key *key);
/* The same of one that only had a hand in a flow: where the kernel has no record, it has a key. */
struct process *owners_get_user(struct owners *owners, const struct steer_process_key *key);
/* NULL in, NULL out. */
struct process *owners_put_process(struct owners *owners, struct process *process);

/* A cgroup, borrowed until the next call; NULL if unknown. */
const struct cgroup_record *owners_get_cgroup(struct owners *owners, uint64_t id);
/* Its path alone. */
const char *owners_cgroup_path(struct owners *owners, uint64_t id);
