/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * The few kernel types that our programs read, by the fields that they read. The loader
 * finds each field's place in the running kernel's BTF (CO-RE), so neither order nor
 * size matters here, and no dump of a build machine's kernel is needed.
 */

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define AF_INET          2
#define AF_INET6         10
#define IPPROTO_TCP      6
#define IPPROTO_UDP      17
#define IPPROTO_ICMP     1
#define IPPROTO_ICMPV6   58
#define IPPROTO_RAW      255
#define IPPROTO_MPTCP    262
#define MPTCP_WAYS_MAX   9 /* net/mptcp/protocol.h: the first, and MPTCP_SUBFLOWS_MAX */
#define SOCK_STREAM      1
#define SOCK_DGRAM       2
#define SOL_SOCKET       1
#define SO_MARK          36
#define SO_BINDTOIFINDEX 62
#define LOOPBACK_IFINDEX 1          /* include/net/flow.h */
#define PF_KTHREAD       0x00200000 /* include/linux/sched.h */
#define TC_ACT_OK        0
#define ETH_P_IP         0x0800
#define ETH_P_IPV6       0x86dd
#define PACKET_LOOPBACK  5 /* linux/if_packet.h */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
        struct list_head *next;
};

struct user_namespace;

struct ns_common {
        unsigned int inum;
};

struct user_namespace {
        struct ns_common ns;
};

struct mnt_namespace {
        struct user_namespace *user_ns;
};

struct qstr {
        const unsigned char *name;
};

struct super_block {
        __u32 s_dev;
};

struct timespec64 {
        __s64 tv_sec;
        long tv_nsec;
};

struct inode {
        unsigned long i_ino;
        __u32 i_generation;
        struct super_block *i_sb;
        __s64 i_ctime_sec;  /* since 6.11 */
        __u32 i_ctime_nsec; /* bit 31 is a note of the kernel's own */
};

/* 6.6 to 6.10, and before. */
struct inode___6_6 {
        struct timespec64 __i_ctime;
};

struct inode___older {
        struct timespec64 i_ctime;
};

struct dentry {
        struct dentry *d_parent;
        struct qstr d_name;
        struct inode *d_inode;
};

struct vfsmount {
        struct dentry *mnt_root;
};

struct mount {
        struct mount *mnt_parent;
        struct dentry *mnt_mountpoint;
        struct vfsmount mnt;
        struct mnt_namespace *mnt_ns;
};

struct path {
        struct vfsmount *mnt;
        struct dentry *dentry;
};

struct file {
        struct path f_path;
};

struct socket {
        struct sock *sk;
        struct file *file;
};

struct fdtable {
        unsigned int max_fds;
        struct file **fd;
};

struct files_struct {
        struct fdtable *fdt;
};

struct mm_struct {
        struct file *exe_file;
        unsigned long arg_start;
        unsigned long arg_end;
};

struct kernfs_node {
        __u64 id; /* of a cgroup's folder: the cgroup's */
        struct kernfs_node *parent;
        const char *name;
};

/* Since 6.15 the parent is read under RCU and has another name. */
struct kernfs_node___rcu {
        struct kernfs_node *__parent;
};

struct cgroup {
        struct kernfs_node *kn;
        int level;
        struct cgroup *ancestors[]; /* since 6.1: [0] is the root, [level] the cgroup itself */
};

struct css_set {
        struct cgroup *dfl_cgrp;
};

struct net {
        __u64 net_cookie;
};

struct sock_common {
        struct {
                struct net *net;
        } skc_net;
        unsigned short skc_family;
        __u32 skc_rcv_saddr;    /* the local address of AF_INET */
        unsigned short skc_num; /* the local port, in host order; 0: given back */
        struct {
                __u8 bytes[16];
        } skc_v6_rcv_saddr;
        unsigned char skc_state;
        __u32 skc_daddr;
        unsigned short skc_dport; /* in network order */
        unsigned long skc_flags;  /* enum sock_flags, a bit each */
        struct {
                __s64 counter;
        } skc_cookie; /* 0: nobody has asked for it yet */
        struct {
                __u8 bytes[16];
        } skc_v6_daddr;
};

struct sock_cgroup_data {
        struct cgroup *cgroup; /* where the socket was made */
};

struct sock {
        struct sock_common __sk_common;
        struct socket *sk_socket;
        struct sock_cgroup_data sk_cgrp_data;
        __u16 sk_protocol;
        __u32 sk_mark;
};

struct inet_sock {
        struct sock sk;
        __u16 inet_sport; /* the local port that packets bear, in network order */
};

struct inet_connection_sock {
        struct inet_sock icsk_inet;
};

struct tcp_sock {
        struct inet_connection_sock inet_conn;
        __u64 bytes_acked;
        __u64 bytes_received;
        __u64 bytes_sent; /* each time that they were */
        __u64 bytes_retrans;
        __u32 write_seq; /* behind what the program said */
        __u32 snd_nxt;   /* behind what was sent of it */
        __u32 snd_una; /* where that begins which is not acked: before the answer, the first segment
                        */
};

/* Of skc_flags. */
enum sock_flags {
        SOCK_DEAD,
        SOCK_DONE, /* the other end has said all it had to say */
};

/* A connection of several ways, each a TCP socket of its own. */
struct mptcp_sock {
        struct inet_connection_sock sk;
        struct list_head conn_list; /* mptcp_subflow_context.node */
};

struct mptcp_subflow_context {
        struct list_head node;
        struct sock *tcp_sock;
};

struct cred {
        struct {
                __u32 val;
        } uid; /* as the first user namespace numbers it */
};

struct task_struct {
        unsigned int flags;
        int tgid;
        __u64 start_boottime;
        __u64 self_exec_id;
        struct task_struct *group_leader;
        struct task_struct *real_parent;
        struct mm_struct *mm;
        struct files_struct *files;
        struct css_set *cgroups;
        const struct cred *cred;
        char comm[16];
};

struct seq_file;

struct bpf_iter_meta {
        struct seq_file *seq;
};

/* What an iterator over the open files of all tasks is shown. */
struct bpf_iter__task_file {
        struct bpf_iter_meta *meta;
        struct task_struct *task;
        struct file *file;
};

#pragma clang attribute pop
