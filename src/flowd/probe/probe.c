/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Versions say little and configuration files lie: what counts is whether the call works
 * here and now. The last probe is the main job in small: a program connects, its packet is
 * held, its owner is found, and the verdict reaches its connect().
 */

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <linux/magic.h>
#include <mntent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/landlock.h"
#include "base/log.h"
#include "deliver/transparent.h"
#include "flow/packet.h"
#include "footprint/footprint.h"
#include "probe/probe.h"
#include "engine/sandbox.h"
#include "steer/counts.h"
#include "steer/hooks.h"
#include "steer/open-sockets.h"
#include "steer/packet-queue.h"
#include "steer/packet-table.h"
#include "steer/queue.h"
#include "steer/receivers.h"
#include "steer/route.h"
#include "steer/ruleset.h"
#include "steer/sockets.h"

#define MARK_MASK     0x0f000000U
#define PROBE_WAIT_MS 2000
#define PROBE_PORT    9 /* discard: nobody listens in a fresh namespace */

/* What one probe leaves for the next. */
struct probe_scene {
        char cgroup_root[PATH_MAX];
        char cgroup[PATH_MAX];
        char pin_dir[64];
        bool is_pin_dir_mounted;
        struct hooks *hooks;
        struct queue *queue;
        struct ruleset_config ruleset;
        bool is_ruleset_applied;
};

struct probe_result {
        enum { PROBE_MISSING, PROBE_FALLBACK, PROBE_ACTIVE } state;
        const char *using;
        char why[256];
};

typedef void probe_fn(struct probe_scene *scene, struct probe_result *result);

static void missing(struct probe_result *result, const char *what, int error)
{
        result->state = PROBE_MISSING;
        snprintf(result->why, sizeof(result->why), "%s: %s", what, strerror(-error));
}

static void active(struct probe_result *result, const char *using)
{
        result->state = PROBE_ACTIVE;
        result->using = using;
}

static void fallback(struct probe_result *result, const char *using, const char *why)
{
        result->state = PROBE_FALLBACK;
        result->using = using;
        snprintf(result->why, sizeof(result->why), "%s", why);
}

static bool find_cgroup_root(char *path, size_t size)
{
        FILE *mounts = setmntent("/proc/self/mounts", "re");
        struct mntent *entry;
        bool found = false;

        while (mounts && !found && (entry = getmntent(mounts)))
                if (strcmp(entry->mnt_type, "cgroup2") == 0) {
                        snprintf(path, size, "%s", entry->mnt_dir);
                        found = true;
                }
        if (mounts)
                endmntent(mounts);
        return found;
}

static void probe_cgroup(struct probe_scene *scene, struct probe_result *result)
{
        if (!find_cgroup_root(scene->cgroup_root, sizeof(scene->cgroup_root) - 64)) {
                missing(result, "no cgroup v2 hierarchy is mounted", -ENOENT);
                return;
        }
        snprintf(scene->cgroup, sizeof(scene->cgroup), "%.4000s/netext-probe-%d",
                 scene->cgroup_root, getpid());
        if (mkdir(scene->cgroup, 0755) < 0) {
                missing(result, "a cgroup cannot be made", -errno);
                scene->cgroup[0] = '\0';
                return;
        }
        active(result, scene->cgroup_root);
}

static void probe_bpffs(struct probe_scene *scene, struct probe_result *result)
{
        struct statfs fs;

        snprintf(scene->pin_dir, sizeof(scene->pin_dir), "/run/netext-probe-%d", getpid());
        if (mkdir(scene->pin_dir, 0700) < 0 || mount("bpf", scene->pin_dir, "bpf", 0, NULL) < 0) {
                missing(result, "the BPF file system cannot be mounted", -errno);
                return;
        }
        scene->is_pin_dir_mounted = true;
        if (statfs("/sys/fs/bpf", &fs) == 0 && fs.f_type == BPF_FS_MAGIC)
                active(result, "/sys/fs/bpf");
        else
                fallback(result, "a mount of its own below /run/netext",
                         "nothing is mounted at /sys/fs/bpf");
}

static void probe_btf(struct probe_scene *scene, struct probe_result *result)
{
        if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
                missing(result, "/sys/kernel/btf/vmlinux cannot be read", -errno);
        else
                active(result, "/sys/kernel/btf/vmlinux");
}

static void probe_hooks(struct probe_scene *scene, struct probe_result *result)
{
        struct hooks_config config = {
                .cgroup_path = scene->cgroup,
                .extension_cgroup_path = scene->cgroup,
                .pin_dir = scene->pin_dir,
                .mark_mask = MARK_MASK,
        };
        const char *problem = "the BPF programs cannot be loaded";
        int r;

        r = hooks_open(&scene->hooks, &config, &problem);
        if (r >= 0)
                r = hooks_attach(scene->hooks, &problem);
        if (r < 0)
                missing(result, problem, r);
        else
                active(result, "connect4/6, sendmsg4/6, post_bind4/6, sock_release");
}

static void probe_cgroup_levels(struct probe_scene *scene, struct probe_result *result)
{
        if (!scene->hooks)
                missing(result, "what it needs is missing", -ENOENT);
        else if (!hooks_have_cgroup_levels(scene->hooks))
                missing(result, "the kernel keeps no list of a cgroup's ancestors (before 6.1)",
                        -EOPNOTSUPP);
        else
                active(result, "list of ancestors");
}

static void probe_queue(struct probe_scene *scene, struct probe_result *result)
{
        int r;

        r = queue_open(&scene->queue, 0, MARK_MASK);
        if (r < 0)
                missing(result, "no queue can be bound", r);
        else
                active(result, "nfnetlink_queue");
}

static void probe_ruleset(struct probe_scene *scene, struct probe_result *result)
{
        struct stat st = {};
        int r;

        if (!scene->queue) {
                missing(result, "there is no queue to send packets to", -ENOENT);
                return;
        }
        (void)stat(scene->cgroup, &st);
        scene->ruleset = (struct ruleset_config){
                .table = "netext-probe",
                .mark_mask = MARK_MASK,
                .hold_queue = queue_hold_number(scene->queue),
                .answers_queue = queue_answers_number(scene->queue),
                .cgroup_id = st.st_ino,
                .cgroup_level = 1,
        };
        r = ruleset_apply(&scene->ruleset);
        if (r < 0) {
                missing(result, "the kernel does not take the ruleset", r);
                return;
        }
        scene->is_ruleset_applied = true;
        if (scene->ruleset.mechanism == QUEUE_NATIVE)
                active(result, queue_mechanism_to_string(QUEUE_NATIVE));
        else
                fallback(result, queue_mechanism_to_string(QUEUE_XTABLES),
                         "the kernel has no native nft queue expression");
}

static void ignore_socket(uint64_t cookie, const struct endpoint *local, void *userdata)
{
}

static void probe_sockets(struct probe_scene *scene, struct probe_result *result)
{
        int r;

        r = sockets_list(MARK_MASK, MARK_MASK, ignore_socket, NULL);
        if (r < 0)
                missing(result, "the kernel's sockets cannot be listed", r);
        else
                active(result, "sock_diag");
}

/* Two sockets of ours that are connected, over lo. */
static int connect_to_ourselves(int *ret_listener, int *ret_fd, struct socket_name *ret_name)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr = { htonl(INADDR_LOOPBACK) } };
        _cleanup_fd_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(address);

        if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
            getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
            connect(fd, (struct sockaddr *)&address, size) < 0)
                return -errno;
        *ret_name = (struct socket_name){ .protocol = IPPROTO_TCP };
        ret_name->remote.address = address_from_ipv4(address.sin_addr);
        ret_name->remote.port = ntohs(address.sin_port);
        if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
                return -errno;
        ret_name->local.address = address_from_ipv4(address.sin_addr);
        ret_name->local.port = ntohs(address.sin_port);
        *ret_listener = take_fd(&listener);
        *ret_fd = take_fd(&fd);
        return 0;
}

static void probe_sock_destroy(struct probe_scene *scene, struct probe_result *result)
{
        _cleanup_fd_ int listener = -1, fd = -1;
        struct socket_found found;
        struct socket_name name;
        int r;

        r = connect_to_ourselves(&listener, &fd, &name);
        if (r >= 0)
                r = sockets_find(&name, &found);
        if (r >= 0)
                r = sockets_destroy(&found);
        if (r >= 0)
                r = send(fd, "", 1, MSG_NOSIGNAL) < 0 ? 0 : -EISCONN;
        if (r == -EOPNOTSUPP)
                fallback(result, "nft set of connections whose segments are refused",
                         "the kernel does not end a connection (CONFIG_INET_DIAG_DESTROY)");
        else if (r < 0)
                missing(result, "the kernel does not end a connection", r);
        else
                active(result, "SOCK_DESTROY");
}

static void ignore_open_socket(const struct steer_open_socket *socket, void *userdata)
{
}

static void probe_open_sockets(struct probe_scene *scene, struct probe_result *result)
{
        int r = -ENOENT;

        if (scene->hooks)
                r = open_sockets_list(scene->hooks, ignore_open_socket, NULL);
        if (r < 0)
                missing(result, "no BPF program can walk the open files of processes", r);
        else
                active(result, "BPF iterator task_file");
}

static void probe_byte_counts(struct probe_scene *scene, struct probe_result *result)
{
        const struct steer_counted_flow flow = { .cookie = 1 };
        struct counts counts = { .hooks = scene->hooks };
        int r = scene->hooks ? counts_watch(&counts, &flow) : -ENOENT;

        if (r < 0) {
                missing(result, "no program can see the datagrams of a cgroup", r);
                return;
        }
        counts_forget(&counts, &flow);
        active(result, "cgroup_skb, tcp_info");
}

static void probe_groups(struct probe_scene *scene, struct probe_result *result)
{
        int r = scene->hooks ? hooks_set_telling_members(scene->hooks, true) : -ENOENT;

        if (r < 0) {
                missing(result, "no program can see the datagrams of a cgroup", r);
                return;
        }
        (void)hooks_set_telling_members(scene->hooks, false);
        if (receivers_are_told(scene->hooks))
                active(result, "sock_diag, cgroup_skb");
        else
                missing(result, "the kernel does not list the sockets of UDP", -EOPNOTSUPP);
}

static void probe_seccomp(struct probe_scene *scene, struct probe_result *result)
{
        pid_t pid = fork();
        int status = 0;

        if (pid == 0)
                _exit(sandbox_enter() < 0);
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                missing(result, "a process cannot be started", -errno);
        else if (status != 0)
                missing(result, "the system-call filter is not taken", -ENOSYS);
        else
                active(result, "seccomp filter");
}

/* The hierarchy has them if no other has. */
static void probe_limits(struct probe_scene *scene, struct probe_result *result)
{
        char path[sizeof(scene->cgroup_root) + 32], controllers[256] = "";
        FILE *file;

        snprintf(path, sizeof(path), "%.4000s/cgroup.controllers", scene->cgroup_root);
        file = fopen(path, "re");
        if (file) {
                (void)!fgets(controllers, sizeof(controllers), file);
                fclose(file);
        }
        if (strstr(controllers, "memory") && strstr(controllers, "pids"))
                active(result, "memory.max and pids.max");
        else
                missing(result, "cgroup v2 has no memory and pids controllers here", -ENOENT);
}

static void probe_landlock(struct probe_scene *scene, struct probe_result *result)
{
        if (landlock_is_there())
                active(result, "Landlock");
        else
                missing(result, "the kernel has no Landlock, or it is switched off", -errno);
}

static void probe_pidfd(struct probe_scene *scene, struct probe_result *result)
{
        _cleanup_fd_ int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

        if (fd < 0)
                missing(result, "pidfd_open() fails", -errno);
        else
                active(result, "pidfd_open");
}

static void probe_systemd(struct probe_scene *scene, struct probe_result *result)
{
        if (access("/run/systemd/system", F_OK) == 0)
                active(result, "systemd");
        else
                fallback(result, "netextd run by hand or by another supervisor",
                         "systemd is not this machine's service manager");
}

/* In the cgroup: connects to nobody. Exits with connect()'s errno. */
static void connect_in_cgroup(const char *cgroup)
{
        struct sockaddr_in nobody = {
                .sin_family = AF_INET,
                .sin_port = htons(PROBE_PORT),
                .sin_addr = { htonl(INADDR_LOOPBACK) },
        };
        _cleanup_fd_ int dir = open(cgroup, O_PATH | O_DIRECTORY);
        _cleanup_fd_ int procs = openat(dir, "cgroup.procs", O_WRONLY);
        _cleanup_fd_ int fd = -1;

        if (procs < 0 || write(procs, "0", 1) < 0)
                _exit(EPERM);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0)
                _exit(EPERM);
        alarm(PROBE_WAIT_MS / 1000);
        _exit(connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)) < 0 ? errno : 0);
}

struct held_flow {
        struct probe_scene *scene;
        bool was_held;
        bool has_owner;
        struct steer_process process;
};

static bool find_held(struct held_flow *held, const struct queue_packet *bytes,
                      struct steer_owner *ret_owner)
{
        struct steer_lookup lookup = { .protocol = IPPROTO_TCP, .interface = bytes->interface };
        struct packet packet;

        held->was_held = true;
        if (packet_parse(bytes->bytes, bytes->size, &packet) < 0)
                return false;
        memcpy(&lookup.local, &packet.source.address, sizeof(lookup.local));
        memcpy(&lookup.remote, &packet.destination.address, sizeof(lookup.remote));
        lookup.sequence = packet.sequence;
        lookup.local_port = packet.source.port;
        lookup.remote_port = packet.destination.port;
        hooks_look_up(held->scene->hooks, &lookup, 1);
        *ret_owner = lookup.owner;
        return lookup.found == STEER_FOUND_OWNER &&
               hooks_find_process(held->scene->hooks, &ret_owner->process, &held->process);
}

static void answer_held(struct held_flow *held, const struct queue_packet *bytes, enum mark mark)
{
        queue_decide(held->scene->queue, (struct queue_held){ bytes->id, bytes->mark }, mark);
        queue_flush(held->scene->queue);
}

/* One connect() is under way: there is one packet. */
static void on_held(const struct queue_packet *packets, size_t n, void *userdata)
{
        struct held_flow *held = userdata;
        struct steer_owner owner;

        held->has_owner = find_held(held, packets, &owner);
        answer_held(held, packets, MARK_REFUSE);
}

static void judge_held(struct probe_result *result, const struct held_flow *held, int status)
{
        if (!held->was_held)
                missing(result, "the packet of a connect() was not held", -ENOMSG);
        else if (!held->has_owner)
                missing(result, "the program behind a held packet was not found", -ESRCH);
        else if (!held->process.exe_size)
                missing(result, "the executable's path cannot be read", -ENOENT);
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != ECONNREFUSED)
                missing(result, "a refusal does not reach the program", -EPROTO);
        else
                active(result, "held, attributed, refused");
}

/* A session without rules, so that the hooks leave the decision to us. */
static void probe_main_job(struct probe_scene *scene, struct probe_result *result)
{
        struct held_flow held = { .scene = scene };
        struct pollfd poll_fd = { .events = POLLIN };
        int status = 0;
        pid_t pid;

        if (!scene->hooks || !scene->is_ruleset_applied) {
                missing(result, "what it needs is missing", -ENOENT);
                return;
        }
        hooks_set_chain(scene->hooks, (uint8_t[]){ 0 }, 1);
        pid = fork();
        if (pid == 0)
                connect_in_cgroup(scene->cgroup);
        poll_fd.fd = queue_fd(scene->queue);
        while (pid > 0 && !held.was_held && poll(&poll_fd, 1, PROBE_WAIT_MS) > 0)
                (void)queue_receive(scene->queue, on_held, &held);
        if (pid > 0)
                (void)waitpid(pid, &status, 0);
        judge_held(result, &held, status);
}

static void on_held_to_deliver(const struct queue_packet *packets, size_t n, void *userdata)
{
        struct held_flow *held = userdata;
        struct steer_owner owner;

        held->has_owner = find_held(held, packets, &owner);
        if (held->has_owner)
                hooks_deliver(held->scene->hooks, owner.cookie);
        answer_held(held, packets, MARK_CLAIMED);
}

/* A transparent listener and the way there, beside the ruleset that stands already. */
static int open_delivery(struct probe_scene *scene, int *ret_fd)
{
        struct endpoint loopback = {
                .address = address_from_ipv4((struct in_addr){ htonl(INADDR_LOOPBACK) }),
        };
        struct route_config route = {
                .table = FOOTPRINT_ROUTE_TABLE,
                .mark = mark_bits(MARK_DELIVER, MARK_MASK),
                .mark_mask = MARK_MASK,
        };
        _cleanup_fd_ int fd = transparent_socket(SOCK_STREAM, &loopback);
        struct endpoint bound;
        int r = fd;

        if (r >= 0)
                r = listen(fd, 1) < 0 ? -errno : transparent_local(fd, &bound);
        if (r < 0)
                return r;
        scene->ruleset.delivery = (struct ruleset_delivery){ true, bound.port, bound.port };
        r = ruleset_apply(&scene->ruleset);
        if (r >= 0)
                r = route_add(&route);
        if (r >= 0)
                r = hooks_set_delivering(scene->hooks, true);
        if (r >= 0)
                *ret_fd = take_fd(&fd);
        return r;
}

/* The main job of a proxy: a program connects, and its connection is ours. */
static void probe_delivery(struct probe_scene *scene, struct probe_result *result)
{
        struct held_flow held = { .scene = scene };
        struct pollfd poll_fd = { .events = POLLIN };
        _cleanup_fd_ int listener = -1, fd = -1;
        struct endpoint app, remote = {};
        int status = 0, r;
        pid_t pid;

        r = scene->hooks && scene->is_ruleset_applied ? open_delivery(scene, &listener) : -ENOENT;
        if (r < 0) {
                missing(result, "a connection cannot be taken over", r);
                return;
        }
        pid = fork();
        if (pid == 0)
                connect_in_cgroup(scene->cgroup);
        poll_fd.fd = queue_fd(scene->queue);
        while (pid > 0 && !held.was_held && poll(&poll_fd, 1, PROBE_WAIT_MS) > 0)
                (void)queue_receive(scene->queue, on_held_to_deliver, &held);
        poll_fd.fd = listener;
        if (held.was_held && poll(&poll_fd, 1, PROBE_WAIT_MS) > 0)
                fd = transparent_accept(listener, &app);
        if (fd >= 0)
                (void)transparent_local(fd, &remote);
        if (pid > 0)
                (void)waitpid(pid, &status, 0);
        if (fd < 0 || remote.port != PROBE_PORT || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
                missing(result, "a program's connection does not reach the listener", -EPROTO);
        else
                active(result, "policy route, nft tproxy, sockops");
}

/* Behind that: what sends a visitor to us in the place of a server, and us to the server. */
static void probe_visits(struct probe_scene *scene, struct probe_result *result)
{
        int r = scene->hooks && scene->ruleset.delivery.is_on ? 0 : -ENOENT;

        scene->ruleset.inbound = INBOUND_OPEN;
        if (r >= 0)
                r = ruleset_apply(&scene->ruleset);
        if (r >= 0)
                r = hooks_set_receiving(scene->hooks, true);
        if (r < 0)
                missing(result, "a connection that comes in cannot be taken over", r);
        else
                active(result, "sk_lookup, sockops, nft notrack");
}

/* Which rules of ours need what not every kernel has: steer/inbound.c. */
static void probe_inbound(struct probe_scene *scene, struct probe_result *result)
{
        int r = scene->is_ruleset_applied ? 0 : -ENOENT;

        scene->ruleset.inbound = INBOUND_OPEN;
        if (r >= 0)
                r = ruleset_apply(&scene->ruleset);
        scene->ruleset.inbound = INBOUND_OFF;
        if (r < 0)
                missing(result, "the kernel does not take the rules for what comes in", r);
        else
                active(result, "nft socket, fib, exthdr");
}

#define PROBE_QUEUE 60000

static void on_probe_packet(const struct packet_queue_packet *packet, void *userdata)
{
        *(struct packet_held *)userdata = packet->held;
}

/* A datagram to ourselves waits in the queue. */
static int hold_packet(struct packet_queue *queue)
{
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in here = { .sin_family = AF_INET,
                                    .sin_port = htons(PROBE_PORT),
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct pollfd poll_fd = { .fd = packet_queue_fd(queue), .events = POLLIN };
        struct packet_held held = {};
        int r = 0;

        if (fd < 0 || sendto(fd, "probe", 5, 0, (struct sockaddr *)&here, sizeof(here)) < 0)
                return -errno;
        while (r >= 0 && !held.id && poll(&poll_fd, 1, PROBE_WAIT_MS) > 0)
                r = packet_queue_receive(queue, on_probe_packet, &held);
        if (r < 0 || !held.id)
                return r < 0 ? r : -ENOMSG;
        packet_queue_decide(queue, held, false);
        packet_queue_flush(queue);
        return 0;
}

/* With every field that a rule can have. */
static int filter_packets(const struct probe_scene *scene, struct packet_queue *queue)
{
        const struct packet_rules rules = {
                .loopback = true,
                .n = 1,
                .rules = { { .direction = NX_DIRECTION_OUTBOUND,
                             .protocol = IPPROTO_UDP,
                             .interface = "lo",
                             .has_network = true,
                             .network =
                                     address_from_ipv4((struct in_addr){ htonl(INADDR_LOOPBACK) }),
                             .prefix = 128 } },
        };
        const struct packet_wish wish = { .is_closed = true, .rules = &rules };
        struct ruleset_config whole_machine = scene->ruleset;
        int r;

        whole_machine.cgroup_level = 0;
        r = packet_table_apply(&(struct packet_table_config){
                .ruleset = &whole_machine,
                .table = "netext-probe.packets",
                .open_queue = PROBE_QUEUE,
                .closed_queue = PROBE_QUEUE + 1,
                .n_queues = 1,
                .wishes = &wish,
                .n_wishes = 1,
        });
        return r < 0 ? r : hold_packet(queue);
}

static void probe_packets(struct probe_scene *scene, struct probe_result *result)
{
        struct packet_queue *queue = NULL;
        int r = scene->is_ruleset_applied ? 0 : -ENOENT;

        if (r >= 0)
                r = packet_queue_open(&queue, PROBE_QUEUE, PROBE_QUEUE + 1);
        if (r >= 0)
                r = filter_packets(scene, queue);
        (void)packet_table_remove("netext-probe.packets");
        packet_queue_close(queue);
        if (r < 0)
                missing(result, "a single packet is not held", r);
        else
                active(result, queue_mechanism_to_string(scene->ruleset.mechanism));
}

static const struct probe {
        const char *mechanism;
        const char *title;
        bool is_essential;
        const char *lost;
        probe_fn *fn;
} probes[] = {
        { "cgroup-v2", "the scope of an instance", true, "nothing can be filtered", probe_cgroup },
        { "bpffs", "kernel objects that outlive the daemon", true, "nothing can be filtered",
          probe_bpffs },
        { "btf", "the kernel's own description of itself", true,
          "the executable cannot be read in the kernel: no program is known", probe_btf },
        { "cgroup-bpf", "identity and rules at connect() and sendto()", true,
          "no program is known, no rule is decided in the kernel", probe_hooks },
        { "cgroup-levels", "rules about a cgroup or a unit", false,
          "sessions with such rules do not start; what comes in can be inspected only where the "
          "instance is the whole machine",
          probe_cgroup_levels },
        { "nfqueue", "holding a flow until it is decided", true, "no extension can be asked",
          probe_queue },
        { "nftables", "steering undecided packets", true, "no extension can be asked",
          probe_ruleset },
        { "main-job", "a held, attributed and refused connect()", true, "no extension can be asked",
          probe_main_job },
        { "inbound", "holding a flow that another host begins", false,
          "no filter for inbound flows", probe_inbound },
        { "groups", "deciding who gets a datagram to a multicast group, or to all", false,
          "such datagrams come in unasked", probe_groups },
        { "delivery", "taking over a program's connection", false,
          "no proxy, and no filter that looks at bytes", probe_delivery },
        { "visits", "taking over a connection that another host began", false,
          "no filter that looks at bytes of inbound connections", probe_visits },
        { "packets", "holding single packets, whole", false, "no packet filter", probe_packets },
        { "sock-diag", "the local end of an open connection that rules allowed", false,
          "it is shown when the connection has ended", probe_sockets },
        { "sock-destroy", "ending a connection that passed", false,
          "a filter that changes its verdict, and netextctl flow kill, end a connection only for "
          "its packets",
          probe_sock_destroy },
        { "open-sockets", "whose are sockets that are older than netext", false,
          "such flows are not listed and not judged again, and such servers are unattributed",
          probe_open_sockets },
        { "byte-counts", "counting the bytes of datagrams", false,
          "reports of UDP flows have no counts, unless flowd carries them", probe_byte_counts },
        { "seccomp", "flowd closes the doors behind itself", true, "flowd does not start",
          probe_seccomp },
        { "landlock", "an installed extension sees its own files only", false,
          "it reads and writes what its user may", probe_landlock },
        { "cgroup-limits", "limits of an extension's memory and processes", false,
          "an extension can use all memory of the machine", probe_limits },
        { "pidfd", "processes that cannot be confused", true,
          "a restarted netextd cannot adopt what runs", probe_pidfd },
        { "service-manager", "restart of netextd itself", false,
          "nobody starts a crashed netextd again; flows and verdicts go on", probe_systemd },
};

static void print_result(const struct probe *probe, const struct probe_result *result)
{
        static const char *const states[] = { "missing", "fallback", "active" };
        json_t *line = json_pack("{s:s, s:s, s:s, s:b}", "mechanism", probe->mechanism, "title",
                                 probe->title, "state", states[result->state], "essential",
                                 probe->is_essential);

        if (result->using)
                json_object_set_new(line, "using", json_string(result->using));
        if (result->why[0])
                json_object_set_new(line, "why", json_string(result->why));
        if (result->state == PROBE_MISSING)
                json_object_set_new(line, "lost", json_string(probe->lost));
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        fflush(stdout);
        json_decref(line);
}

static void raise_loopback(void)
{
        struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd >= 0)
                (void)ioctl(fd, SIOCSIFFLAGS, &request);
}

/* The namespace goes with this process, and the table with it. */
static void clear(struct probe_scene *scene)
{
        scene->queue = queue_close(scene->queue);
        scene->hooks = hooks_close(scene->hooks);
        if (scene->is_pin_dir_mounted) {
                hooks_remove_pins(scene->pin_dir);
                (void)umount2(scene->pin_dir, MNT_DETACH);
        }
        if (scene->pin_dir[0])
                (void)rmdir(scene->pin_dir);
        if (scene->cgroup[0])
                (void)rmdir(scene->cgroup);
}

int probe_all(void)
{
        static struct probe_scene scene;
        bool all_there = true;

        if (geteuid() != 0) {
                log_error("probing needs root: the mechanisms are tried by using them");
                return 1;
        }
        if (unshare(CLONE_NEWNET) < 0) {
                log_error("no network namespace can be made to probe in: %s", strerror(errno));
                return 1;
        }
        raise_loopback();
        for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
                struct probe_result result = {};

                probes[i].fn(&scene, &result);
                print_result(&probes[i], &result);
                if (probes[i].is_essential && result.state == PROBE_MISSING)
                        all_there = false;
        }
        clear(&scene);
        return all_there ? 0 : 1;
}
