/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Who is it? Names the calling process by what the kernel holds at this moment, so that
 * the answer stands when the process is gone a moment later.
 */

#include "bpf/kernel.h"
#include "bpf/siphash.abi.h"
#include "bpf/state.bpf.h"
#include "bpf/steer.abi.h"

#define PATH_DEPTH_MAX 40

const volatile __u32 user_namespace_inode;
const volatile bool lacks_cgroup_levels; /* by order, for tests */

/* Written by record_process(), read by flowd; the least recently used goes when full. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 8192);
        __type(key, struct steer_process_key);
        __type(value, struct steer_process);
} processes SEC(".maps");

/* Written by record_ancestor(), read by flowd: programs of whose processes others were started. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 2048);
        __type(key, struct steer_process_key);
        __type(value, struct steer_process);
} ancestors SEC(".maps");

/* Written by record_cgroup(), read by flowd; the least recently used goes when full. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 1024);
        __type(key, __u64);
        __type(value, struct steer_cgroup);
} cgroups SEC(".maps");

/* Written by flowd: hashes of SHA-256; read by digest_of(). */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, 4096);
        __type(key, struct steer_file);
        __type(value, __u64);
} digests SEC(".maps");

/* Written by flowd: the programs of installed bundles; read by is_signed_by(). */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, STEER_SIGNED_FILES_MAX);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, struct steer_file);
        __type(value, struct steer_signer);
} signers SEC(".maps");

static const struct steer_process no_process;
static const struct steer_cgroup no_cgroup;

/*
 * Appends name with its NUL to a reversed path; false when the path is full. What the
 * size may be is checked where it is used, for the verifier.
 */
static __always_inline bool append_component(char *path, __u32 *size, const void *name)
{
        long n;

        if (*size >= STEER_PATH_MAX)
                return false;
        n = bpf_probe_read_kernel_str(path + *size, STEER_NAME_MAX, name);
        if (n <= 0 || n > STEER_NAME_MAX)
                return false;
        *size += n;
        return true;
}

struct path_walk {
        struct dentry *dentry;
        struct mount *mount;
        struct mount
                *root; /* in which the path begins; others may lie below it, with no name between */
        char *path;
        __u32 size;
        bool is_at_root;
};

static long walk_up(__u32 step, struct path_walk *walk)
{
        struct dentry *dentry = walk->dentry, *parent = BPF_CORE_READ(dentry, d_parent);
        struct mount *mount = walk->mount;
        struct dentry *root = BPF_CORE_READ(mount, mnt.mnt_root);

        if (dentry == root || dentry == parent) {
                struct mount *above = BPF_CORE_READ(mount, mnt_parent);

                if (above != mount && dentry == root) {
                        walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
                        walk->mount = above;
                        return 0;
                }
                walk->is_at_root = true;
                if (dentry == root || walk->size)
                        return 1; /* else it lies in no folder, and its name is all: "memfd:NAME" */
        }
        walk->dentry = parent;
        walk->root = mount;
        return !append_component(walk->path, &walk->size, BPF_CORE_READ(dentry, d_name.name));
}

/* The walk of prepend_path() in fs/d_path.c: up the dentries, across mounts, to the last root. */
static __always_inline bool read_file_path(struct file *file, char *path, __u32 *ret_size,
                                           struct mount **ret_root)
{
        struct vfsmount *vfsmount = BPF_CORE_READ(file, f_path.mnt);
        struct path_walk walk = {
                .dentry = BPF_CORE_READ(file, f_path.dentry),
                .mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt),
                .path = path,
                .size = unknown_zero(),
        };

        bpf_loop(PATH_DEPTH_MAX, walk_up, &walk, 0);
        *ret_size = walk.size;
        *ret_root = walk.root;
        return walk.is_at_root;
}

static __always_inline struct steer_root root_of(struct mount *mount)
{
        struct dentry *root = BPF_CORE_READ(mount, mnt.mnt_root);

        return (struct steer_root){
                .inode = BPF_CORE_READ(root, d_inode, i_ino),
                .device = BPF_CORE_READ(root, d_inode, i_sb, s_dev),
        };
}

/*
 * A path means what the administrator thinks only if the mounts it crosses were made by
 * the administrator: in a user namespace of their own, anybody can put anything at
 * /usr/bin/curl. And only if it begins where ours do: a container's /usr/bin/curl, whoever made
 * the container, is its image's. A mount without a namespace (memfd, a detached tree) is not
 * trusted.
 */
static __always_inline bool path_is_trusted(struct file *file, const struct steer_root *root)
{
        struct vfsmount *vfsmount = BPF_CORE_READ(file, f_path.mnt);
        struct mount *mount = (void *)vfsmount - bpf_core_field_offset(struct mount, mnt);
        struct mnt_namespace *mnt_ns = BPF_CORE_READ(mount, mnt_ns);

        return BPF_CORE_READ(mnt_ns, user_ns, ns.inum) == user_namespace_inode &&
               root->inode == state.root.inode && root->device == state.root.device;
}

struct hashing {
        struct siphash hash;
        const void *at;
        __u32 size;
};

static long hash_path_word(__u32 index, struct hashing *hashing)
{
        if (index >= STEER_PATH_MAX / 8 || index * 8 >= hashing->size)
                return 1;
        siphash_word(&hashing->hash, ((const __u64 *)hashing->at)[index]);
        return 0;
}

static __always_inline __u64 path_hash(const char *path, __u32 size)
{
        struct hashing hashing = { .at = path, .size = size };

        siphash_begin(&hashing.hash, state.path_key[0], state.path_key[1]);
        bpf_loop(STEER_PATH_MAX / 8, hash_path_word, &hashing, 0);
        return siphash_end(&hashing.hash, size);
}

static __always_inline __u64 changed_ns(struct inode *inode)
{
        struct inode___6_6 *until_6_10 = (void *)inode;
        struct inode___older *until_6_5 = (void *)inode;
        const __u64 ns_per_s = 1000000000;

        if (bpf_core_field_exists(inode->i_ctime_sec))
                return BPF_CORE_READ(inode, i_ctime_sec) * ns_per_s +
                       (BPF_CORE_READ(inode, i_ctime_nsec) & ~(1U << 31));
        if (bpf_core_field_exists(until_6_10->__i_ctime))
                return BPF_CORE_READ(until_6_10, __i_ctime.tv_sec) * ns_per_s +
                       BPF_CORE_READ(until_6_10, __i_ctime.tv_nsec);
        return BPF_CORE_READ(until_6_5, i_ctime.tv_sec) * ns_per_s +
               BPF_CORE_READ(until_6_5, i_ctime.tv_nsec);
}

static __always_inline void read_file(struct steer_file *record, struct file *file)
{
        struct inode *inode = BPF_CORE_READ(file, f_path.dentry, d_inode);

        record->inode = BPF_CORE_READ(inode, i_ino);
        record->changed_ns = changed_ns(inode);
        record->device = BPF_CORE_READ(inode, i_sb, s_dev);
        record->generation = BPF_CORE_READ(inode, i_generation);
}

__noinline int read_executable(struct steer_process *process, __u64 mm)
{
        struct file *exe = BPF_CORE_READ((struct mm_struct *)mm, exe_file);
        struct mount *root = NULL;
        __u32 size = 0;
        bool is_whole;

        if (!process)
                return -1;
        read_file(&process->file, exe);
        is_whole = read_file_path(exe, process->exe, &size, &root);
        process->root = root_of(root);
        if (!is_whole)
                process->flags |= STEER_PATH_TRUNCATED;
        else if (path_is_trusted(exe, &process->root)) {
                process->flags |= STEER_PATH_TRUSTED;
                if (size <= STEER_PATH_MAX)
                        process->path_hash = path_hash(process->exe, size);
        }
        process->exe_size = size;
        return 0;
}

static __always_inline void read_cmdline(struct steer_process *process, struct mm_struct *mm)
{
        unsigned long start = BPF_CORE_READ(mm, arg_start);
        unsigned long size = BPF_CORE_READ(mm, arg_end) - start;

        if (size > STEER_CMDLINE_MAX)
                size = STEER_CMDLINE_MAX;
        if (bpf_probe_read_user(process->cmdline, size, (void *)start) == 0)
                process->cmdline_size = size;
}

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *node)
{
        struct kernfs_node___rcu *since_6_15 = (void *)node;

        if (bpf_core_field_exists(since_6_15->__parent))
                return BPF_CORE_READ(since_6_15, __parent);
        return BPF_CORE_READ(node, parent);
}

/*
 * The hash of a cgroup's level by its name, a piece at a time: a name is too long for the
 * stack that the hooks leave.
 */
static long hash_name_piece(__u32 index, struct hashing *hashing)
{
        __u64 piece[2] = {};
        long n = bpf_probe_read_kernel_str(piece, 9, hashing->at + hashing->size);

        siphash_word(&hashing->hash, piece[0]);
        if (n > 0)
                hashing->size += n - 1;
        return n < 9;
}

__noinline __u64 cgroup_hash(__u64 above, __u64 name)
{
        struct hashing hashing = { .at = (const void *)name };

        siphash_begin(&hashing.hash, state.path_key[0], state.path_key[1]);
        siphash_word(&hashing.hash, above);
        bpf_loop(STEER_NAME_MAX / 8, hash_name_piece, &hashing, 0);
        return siphash_end(&hashing.hash, hashing.size);
}

struct measure {
        __u64 name;
        __u32 size;
};

static long measure_piece(__u32 index, struct measure *measure)
{
        char piece[9];
        long n = bpf_probe_read_kernel_str(piece, 9, (const char *)measure->name + measure->size);

        if (n > 0)
                measure->size += n - 1;
        return n < 9;
}

/* Whether a cgroup's name ends in ".slice". */
__noinline int is_slice(__u64 name)
{
        struct measure measure = { .name = name };
        const int suffix_size = 6;
        char end[8] = {};

        bpf_loop(STEER_NAME_MAX / 8, measure_piece, &measure, 0);
        if (measure.size <= suffix_size)
                return 0;
        bpf_probe_read_kernel(end, suffix_size, (const char *)name + measure.size - suffix_size);
        return *(__u64 *)end == *(const __u64 *)".slice\0";
}

/* Linux 6.1 and later. */
static __always_inline bool has_cgroup_levels(void)
{
        struct cgroup *cgroup = NULL;

        return !lacks_cgroup_levels && bpf_core_field_exists(cgroup->ancestors);
}

struct level_walk {
        struct steer_cgroup *record;
        struct cgroup **ancestors; /* the root first */
        __u64 hash;
};

static long record_level(__u32 level, struct level_walk *walk)
{
        struct cgroup *ancestor = NULL;
        __u64 name;

        if (level >= STEER_CGROUP_LEVELS)
                return 1;
        bpf_probe_read_kernel(&ancestor, sizeof(ancestor), walk->ancestors + level + 1);
        name = (__u64)BPF_CORE_READ(ancestor, kn, name);
        walk->hash = cgroup_hash(walk->hash, name);
        walk->record->levels[level] = walk->hash;
        if (!walk->record->unit && !is_slice(name))
                walk->record->unit = cgroup_hash(0, name);
        return 0;
}

static __always_inline void record_levels(struct steer_cgroup *record, struct cgroup *cgroup)
{
        struct level_walk walk = {
                .record = record,
                .ancestors = (void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors),
        };

        if (has_cgroup_levels())
                bpf_loop(BPF_CORE_READ(cgroup, level), record_level, &walk, 0);
}

struct cgroup_walk {
        struct kernfs_node *node;
        struct steer_cgroup *cgroup;
};

static long walk_up_cgroups(__u32 step, struct cgroup_walk *walk)
{
        struct kernfs_node *node = walk->node, *parent = kernfs_parent(node);
        struct steer_cgroup *cgroup = walk->cgroup;
        __u32 size = cgroup->size;

        if (!parent)
                return 1;
        if (!append_component(cgroup->path, &size, BPF_CORE_READ(node, name))) {
                cgroup->flags |= STEER_PATH_TRUNCATED;
                return 1;
        }
        cgroup->size = size;
        walk->node = parent;
        return 0;
}

/* Hooks have no stack to spare: 0 is the calling task. */
static __always_inline struct task_struct *task_at(__u64 address)
{
        return (void *)(address ? address : bpf_get_current_task());
}

/* The cgroup of a task, whose number that is. */
__noinline int record_cgroup(__u64 id, __u64 address)
{
        struct task_struct *task = task_at(address);
        struct cgroup *its = BPF_CORE_READ(task, cgroups, dfl_cgrp);
        struct cgroup_walk walk = { .node = BPF_CORE_READ(its, kn) };
        struct steer_cgroup *cgroup;

        cgroup = bpf_map_lookup_elem(&cgroups, &id);
        if (cgroup && cgroup->flags & STEER_PROCESS_READY)
                return 0;
        bpf_map_update_elem(&cgroups, &id, &no_cgroup, BPF_NOEXIST);
        cgroup = bpf_map_lookup_elem(&cgroups, &id);
        if (!cgroup)
                return 0;
        cgroup->flags = 0;
        cgroup->size = 0;
        record_levels(cgroup, its);
        walk.cgroup = cgroup;
        bpf_loop(PATH_DEPTH_MAX, walk_up_cgroups, &walk, 0);
        cgroup->flags |= STEER_PROCESS_READY;
        return 0;
}

/*
 * Makes the record of a task's process. The command line is in the process's memory, for which
 * others can have to wait; so it is read, and the record ready, where that is the calling process.
 *
 * It is filled in place (a scratch buffer per CPU could be overwritten by a task that preempts this
 * one); two threads that do so at once write the same bytes. Global functions like this one are
 * verified once, by themselves: inlined into each hook, their loops would be walked in every state
 * of their callers.
 */
__noinline int new_process(const struct steer_process_key *of, __u64 address)
{
        struct task_struct *task = task_at(address);
        struct steer_process_key key;
        struct steer_process *process;
        struct mm_struct *mm;

        if (!of)
                return -1;
        key = *of;
        bpf_map_update_elem(&processes, &key, &no_process, BPF_NOEXIST);
        process = bpf_map_lookup_elem(&processes, &key);
        if (!process)
                return -1;
        process->flags = 0;
        mm = BPF_CORE_READ(task, mm);
        read_executable(process, (__u64)mm);
        bpf_core_read(process->comm, sizeof(process->comm), &task->comm);
        if (address)
                return 0;
        read_cmdline(process, mm);
        process->flags |= STEER_PROCESS_READY;
        return 0;
}

static __always_inline struct steer_process_key key_of(struct task_struct *task)
{
        return (struct steer_process_key){
                .start_ns = BPF_CORE_READ(task, group_leader, start_boottime),
                .tgid = (__u32)BPF_CORE_READ(task, tgid),
                .exec_id = (__u32)BPF_CORE_READ(task, self_exec_id),
        };
}

/* The executable of another process. Its other facts are not ours to read; they are not needed. */
__noinline int record_ancestor(const struct steer_process_key *of, __u64 task)
{
        struct steer_process_key key;
        struct steer_process *process;
        struct mm_struct *mm;

        if (!of)
                return -1;
        key = *of;
        bpf_map_update_elem(&ancestors, &key, &no_process, BPF_NOEXIST);
        process = bpf_map_lookup_elem(&ancestors, &key);
        mm = BPF_CORE_READ((struct task_struct *)task, mm);
        if (!process || !mm)
                return -1;
        process->flags = 0;
        read_executable(process, (__u64)mm);
        process->flags |= STEER_PROCESS_READY;
        return 0;
}

static __always_inline __u64 program_of(const struct steer_process_key *key,
                                        struct task_struct *task)
{
        struct steer_process *process = bpf_map_lookup_elem(&ancestors, key);

        if (!process || !(process->flags & STEER_PROCESS_READY)) {
                record_ancestor(key, (__u64)task);
                process = bpf_map_lookup_elem(&ancestors, key);
        }
        return process ? process->path_hash : 0;
}

/* Who has ended by now is none any more: its children have got another parent. */
__noinline int record_ancestors(const struct steer_process_key *of, __u64 address)
{
        struct task_struct *task = task_at(address);
        struct steer_process_key key;
        struct steer_process *process;

        if (!of)
                return -1;
        key = *of;
        process = bpf_map_lookup_elem(&processes, &key);
        if (!process)
                return -1;
        for (int i = 0; i < STEER_ANCESTORS_MAX; i++) {
                struct task_struct *parent = BPF_CORE_READ(task, real_parent);

                if (!parent || parent == task)
                        break;
                process->parents[i] = key_of(parent);
                process->ancestors[i] = program_of(&process->parents[i], parent);
                task = parent;
        }
        process->flags |= STEER_HAS_ANCESTORS;
        return 0;
}

/* Somebody may have given the executable another name, or none, since the last flow. */
static __always_inline void read_file_again(struct steer_process *process, __u64 address)
{
        struct task_struct *task = task_at(address);

        process->file.changed_ns =
                changed_ns(BPF_CORE_READ(task, mm, exe_file, f_path.dentry, d_inode));
}

/* The record of a task's process; it knows its cgroup's path as well. */
static __always_inline struct steer_process *record_process(const struct steer_process_key *key,
                                                            __u64 cgroup_id, __u64 task)
{
        struct steer_process *process = bpf_map_lookup_elem(&processes, key);

        if (!process || !(process->flags & STEER_PROCESS_READY)) {
                if (new_process(key, task) < 0)
                        return NULL;
                process = bpf_map_lookup_elem(&processes, key);
        }
        if (process && (process->cgroup_id != cgroup_id || state.cgroup_slots)) {
                /* For rules: it may have been pushed out meanwhile. */
                record_cgroup(cgroup_id, task);
                process->cgroup_id = cgroup_id;
        }
        if (process && (state.digest_slots || state.file_slots))
                read_file_again(process, task);
        if (process && !(process->flags & STEER_HAS_ANCESTORS))
                record_ancestors(key, task);
        return process;
}

/* As rules name it. Nobody can write to a file that is being executed (ETXTBSY). */
static __always_inline __u64 digest_of(const struct steer_process *process)
{
        struct steer_file file;
        const __u64 *digest;

        if (!state.digest_slots)
                return STEER_DIGEST_UNKNOWN;
        if (!process)
                return STEER_DIGEST_NONE;
        file = process->file;
        digest = bpf_map_lookup_elem(&digests, &file);
        return digest ? *digest : STEER_DIGEST_UNKNOWN;
}

/*
 * Fills who and when. Returns the program's record, NULL where there is none. A kernel thread
 * is "kernel": what it runs for is not its executable. Pointers that BTF vouches for are not
 * followed here: for each, in each hook, the verifier looks through the kernel's types from end to
 * end.
 */
static __always_inline struct steer_process *owner_of_current(struct steer_owner *owner)
{
        struct task_struct *task = bpf_get_current_task_btf();
        struct steer_process_key key = {};

        owner->time_ns = bpf_ktime_get_boot_ns();
        owner->uid = (__u32)bpf_get_current_uid_gid();
        owner->cgroup_id = bpf_get_current_cgroup_id();
        if (task->flags & PF_KTHREAD) {
                owner->kind = STEER_OWNER_KERNEL;
                return NULL;
        }
        owner->kind = STEER_OWNER_PROGRAM;
        key.tgid = task->tgid;
        key.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
        key.exec_id = (__u32)task->self_exec_id;
        owner->process = key;
        return record_process(&key, owner->cgroup_id, 0);
}
