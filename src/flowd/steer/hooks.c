/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loading and pinning. Every map and the programs' variables are pinned below the
 * instance's folder; the programs themselves hold no state. So a restarted flowd loads
 * its programs over the pinned maps and swaps them into the pinned links: no hook is
 * missing for a moment, and what the rules decided stays decided.
 *
 * Pins that do not fit (another version's layout, another cgroup) are thrown away.
 */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "footprint/footprint.h"
#include "steer/creators.h"
#include "steer/hooks-internal.h"
#include "steer/hooks.h"
#include "steer/mark.h"
#include "steer/own-cgroup.h"
#include "steer/shelves.h"
#include "steer/without.h"
#include "steer.skel.h" /* names the structs of bpf/steer.abi.h */

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define N_LINKS          8
#define N_DELIVERY_LINKS 6
#define N_FACE_LINKS     8

struct hooks {
        struct steer_bpf *skeleton;
        struct ring_buffer *ring;
        struct steer_shelf *shelves;
        const struct steer_creator *creators;
        struct bpf_link *links[N_LINKS];
        struct bpf_link *delivery_links[N_DELIVERY_LINKS]; /* NULL while nobody can claim flows */
        struct bpf_link *group_link;   /* NULL while no session speaks of inbound flows */
        struct bpf_link *receive_link; /* NULL while nothing that came in can be inspected */
        struct bpf_link *face_links[N_FACE_LINKS]; /* NULL while no socket has a face */
        char *pin_dir;
        bool are_fresh; /* nothing was pinned */
        int netns_fd;
        int cgroup_fd;
        int extension_cgroup_fd;
        int own_cgroup_fd;          /* flowd's; -1: it cannot be seen from here */
        bool extensions_are_inside; /* of the instance's cgroup */
        hooks_event_fn *event_fn;
        void *event_userdata;
};

static int log_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
        _cleanup_free_ char *text = NULL;
        char *line, *rest;

        if (vasprintf(&text, format, args) < 0)
                return 0;
        rest = text;
        while ((line = strsep(&rest, "\n"))) /* the verifier's log is one text of many lines */
                if (*line)
                        log_debug("%s", line);
        return 0;
}

static int netns_cookie(uint64_t *ret_cookie)
{
        _cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(*ret_cookie);

        if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret_cookie, &size) < 0)
                return -errno;
        return 0;
}

static int configure(struct hooks *hooks, const struct hooks_config *config)
{
        uint64_t cookie = 0;
        struct stat user_ns;
        int r;

        r = netns_cookie(&cookie);
        if (r < 0)
                return r;
        if (stat("/proc/self/ns/user", &user_ns) < 0)
                return -errno;
        hooks->skeleton->rodata->netns_cookie = cookie;
        hooks->skeleton->rodata->cgroup_id = config->cgroup_id;
        hooks->skeleton->rodata->cgroup_level = config->cgroup_level;
        hooks->skeleton->rodata->user_namespace_inode = (uint32_t)user_ns.st_ino;
        hooks->skeleton->rodata->lacks_cgroup_levels = is_told_away("cgroup-levels");
        hooks->skeleton->rodata->mark_mask = config->mark_mask;
        hooks->skeleton->rodata->mark_pass = mark_bits(MARK_PASS_SOCKET, config->mark_mask);
        hooks->skeleton->rodata->mark_deliver = mark_bits(MARK_DELIVER, config->mark_mask);
        hooks->skeleton->rodata->mark_onward = mark_bits(MARK_ONWARD, config->mark_mask);
        hooks->skeleton->rodata->mark_own = mark_bits(MARK_OWN, config->mark_mask);
        hooks->skeleton->rodata->mark_relay = mark_bits(MARK_RELAY, config->mark_mask);
        hooks->skeleton->rodata->mark_carried = mark_bits(MARK_CARRIED, config->mark_mask);
        return 0;
}

/* Not state: the configuration of this load, and what means nothing without this flowd. */
static bool goes_with_us(const struct hooks *hooks, const struct bpf_map *map)
{
        return strstr(bpf_map__name(map), ".rodata") || map == hooks->skeleton->maps.visits ||
               map == hooks->skeleton->maps.doors || map == hooks->skeleton->maps.faces ||
               map == hooks->skeleton->maps.counted;
}

static int choose_pins(struct hooks *hooks)
{
        struct bpf_map *map;

        bpf_object__for_each_map(map, hooks->skeleton->obj)
        {
                const char *name = bpf_map__name(map);
                char path[512];

                if (goes_with_us(hooks, map))
                        continue;
                snprintf(path, sizeof(path), "%s/" FOOTPRINT_MAP_PIN "%s", hooks->pin_dir,
                         strstr(name, ".data") ? FOOTPRINT_STATE_MAP : name);
                if (bpf_map__set_pin_path(map, path) < 0)
                        return -errno;
        }
        return 0;
}

static int choose_sizes(struct hooks *hooks)
{
        struct bpf_map *map;
        int r = 0;

        bpf_object__for_each_map(map, hooks->skeleton->obj)
        {
                if (bpf_map__type(map) == BPF_MAP_TYPE_LRU_HASH && r >= 0)
                        r = bpf_map__set_max_entries(map, room_for(bpf_map__max_entries(map)));
        }
        return r;
}

void hooks_remove_pins(const char *dir)
{
        _cleanup_dir_ DIR *pins = opendir(dir);
        struct dirent *entry;

        while (pins && (entry = readdir(pins)))
                if (entry->d_name[0] != '.')
                        (void)unlinkat(dirfd(pins), entry->d_name, 0);
}

static bool can_iterate(void)
{
        const struct bpf_insn nothing[] = {
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
                { .code = BPF_JMP | BPF_EXIT },
        };
        int id = libbpf_find_vmlinux_btf_id("task_file", BPF_TRACE_ITER);
        LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_ITER,
                    .attach_btf_id = id > 0 ? (uint32_t)id : 0);
        _cleanup_fd_ int fd = -1;

        if (id <= 0 || is_told_away("open-sockets"))
                return false;
        fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, NULL, "GPL", nothing, ARRAY_SIZE(nothing), &opts);
        return fd >= 0;
}

/* Without iterators, sockets that are older than we are stay unknown. */
static void choose_iterator(struct hooks *hooks)
{
        (void)bpf_program__set_autoload(hooks->skeleton->progs.find_open_sockets, can_iterate());
}

static int load_once(struct hooks *hooks, const struct hooks_config *config)
{
        int r;

        hooks->skeleton = steer_bpf__open();
        if (!hooks->skeleton)
                return -errno;
        choose_iterator(hooks);
        r = configure(hooks, config);
        if (r >= 0)
                r = choose_pins(hooks);
        if (r >= 0)
                r = choose_sizes(hooks);
        if (r >= 0)
                r = steer_bpf__load(hooks->skeleton);
        if (r < 0) {
                steer_bpf__destroy(hooks->skeleton);
                hooks->skeleton = NULL;
        }
        return r;
}

static int note_root(struct hooks *hooks)
{
        LIBBPF_OPTS(bpf_test_run_opts, opts);
        int r = bpf_prog_test_run_opts(bpf_program__fd(hooks->skeleton->progs.note_root), &opts);

        return r < 0 ? r : hooks_state(hooks)->root.inode ? 0 : -ENODATA;
}

static int load(struct hooks *hooks, const struct hooks_config *config, const char **ret_problem)
{
        struct steer_state *state;
        int r;

        r = load_once(hooks, config);
        if (r < 0) {
                log_debug("the pinned BPF state does not fit (%s); starting afresh", strerror(-r));
                hooks_remove_pins(hooks->pin_dir);
                r = load_once(hooks, config);
        }
        if (r < 0) {
                *ret_problem = "the kernel did not take the BPF programs";
                return r;
        }
        r = note_root(hooks);
        if (r < 0) {
                *ret_problem = "the kernel does not tell where paths begin";
                return r;
        }
        state = hooks_state(hooks);
        hooks->are_fresh = !state->path_key[0];
        while (!state->path_key[0])
                (void)!getrandom(state->path_key, sizeof(state->path_key), 0);
        return 0;
}

static int on_ring_event(void *userdata, void *data, size_t size)
{
        struct hooks *hooks = userdata;

        hooks->event_fn(data, hooks->event_userdata);
        return 0;
}

DEFINE_CLEANUP(struct hooks *, hooks, hooks_close)

static bool is_below(const char *path, const char *folder)
{
        size_t length = strlen(folder);

        return strncmp(path, folder, length) == 0 && (path[length] == '/' || !path[length]);
}

static int open_cgroups(struct hooks *hooks, const struct hooks_config *config,
                        const char **ret_problem)
{
        const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

        hooks->extension_cgroup_fd = -1;
        hooks->netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        hooks->cgroup_fd = open(config->cgroup_path, flags);
        if (hooks->cgroup_fd < 0) {
                *ret_problem = "the instance's cgroup cannot be opened";
                return -errno;
        }
        hooks->own_cgroup_fd = own_cgroup_open(config->cgroup_path);
        if (!config->extension_cgroup_path)
                return 0;
        hooks->extensions_are_inside = is_below(config->extension_cgroup_path, config->cgroup_path);
        hooks->extension_cgroup_fd = open(config->extension_cgroup_path, flags);
        if (hooks->extension_cgroup_fd < 0) {
                *ret_problem = "the extensions' cgroup cannot be opened";
                return -errno;
        }
        return 0;
}

int hooks_open(struct hooks **ret_hooks, const struct hooks_config *config,
               const char **ret_problem)
{
        _cleanup_(cleanup_hooks) struct hooks *hooks = calloc(1, sizeof(*hooks));
        int r;

        if (!hooks)
                return -ENOMEM;
        libbpf_set_print(log_libbpf);
        hooks->pin_dir = strdup(config->pin_dir);
        r = open_cgroups(hooks, config, ret_problem);
        if (r < 0)
                return r;
        if (!hooks->pin_dir)
                return -ENOMEM;
        r = load(hooks, config, ret_problem);
        if (r < 0)
                return r;
        r = shelves_open(&hooks->shelves, bpf_map__fd(hooks->skeleton->maps.shelves));
        if (r >= 0)
                r = creators_open(&hooks->creators, bpf_map__fd(hooks->skeleton->maps.creators));
        if (r < 0) {
                *ret_problem = "the BPF programs' memory cannot be mapped";
                return r;
        }
        hooks->ring = ring_buffer__new(bpf_map__fd(hooks->skeleton->maps.events), on_ring_event,
                                       hooks, NULL);
        if (!hooks->ring) {
                *ret_problem = "the ring of events cannot be opened";
                return -errno;
        }
        *ret_hooks = take_ptr(hooks);
        return 0;
}

/* A link of an earlier flowd, if it is still attached to the cgroup. */
static struct bpf_link *open_pinned_link(const char *path, int cgroup_fd)
{
        struct bpf_link_info info = {};
        struct bpf_link *link = bpf_link__open(path);
        uint32_t size = sizeof(info);
        struct stat cgroup;

        if (!link)
                return NULL;
        if (fstat(cgroup_fd, &cgroup) == 0 &&
            bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &size) == 0 &&
            info.cgroup.cgroup_id == cgroup.st_ino)
                return link;
        bpf_link__destroy(link);
        return NULL;
}

/* A program that is attached to both cgroups has two links. */
static void link_path(struct hooks *hooks, struct bpf_program *program, int cgroup_fd, char *path,
                      size_t size)
{
        snprintf(path, size, "%s/link_%s%s", hooks->pin_dir,
                 cgroup_fd == hooks->cgroup_fd ? "" : "extensions_", bpf_program__name(program));
}

/* Not bpf_link__pin(): it would make folders, and flowd may not any more. */
static int pin(const struct bpf_link *link, const char *path)
{
        return bpf_obj_pin(bpf_link__fd(link), path) < 0 ? -errno : 0;
}

static int attach_one(struct hooks *hooks, struct bpf_program *program, int cgroup_fd,
                      struct bpf_link **ret_link)
{
        struct bpf_link *link;
        char path[512];
        int r;

        link_path(hooks, program, cgroup_fd, path, sizeof(path));
        link = open_pinned_link(path, cgroup_fd);
        if (link && bpf_link__update_program(link, program) == 0) {
                *ret_link = link;
                return 0;
        }
        bpf_link__destroy(link);
        (void)unlink(path);
        link = bpf_program__attach_cgroup(program, cgroup_fd);
        if (!link)
                return -errno;
        r = pin(link, path);
        if (r < 0) {
                bpf_link__destroy(link);
                return r;
        }
        *ret_link = link;
        return 0;
}

/* One of ours that somebody detached belongs to no cgroup any more. */
static bool is_attached(const struct bpf_link *link)
{
        struct bpf_link_info info = {};
        uint32_t size = sizeof(info);

        return bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &size) < 0 ||
               info.cgroup.cgroup_id != 0;
}

/* 1 if it, or its pin, was gone; 0, or a negative errno. */
static int put_back(struct hooks *hooks, struct bpf_program *program, int cgroup_fd,
                    struct bpf_link **link)
{
        struct bpf_link *lost = *link;
        char path[512];
        struct stat st;
        int r;

        link_path(hooks, program, cgroup_fd, path, sizeof(path));
        if (is_attached(lost)) {
                if (stat(path, &st) == 0 || errno != ENOENT)
                        return 0;
                r = pin(lost, path);
                return r < 0 ? r : 1;
        }
        r = attach_one(hooks, program, cgroup_fd, link);
        if (r < 0)
                return r;
        bpf_link__destroy(lost);
        return 1;
}

static struct bpf_program *program_of(const struct hooks *hooks, size_t i)
{
        struct bpf_program *const programs[N_LINKS] = {
                hooks->skeleton->progs.connect4,    hooks->skeleton->progs.connect6,
                hooks->skeleton->progs.sendmsg4,    hooks->skeleton->progs.sendmsg6,
                hooks->skeleton->progs.bind4,       hooks->skeleton->progs.bind6,
                hooks->skeleton->progs.sock_create, hooks->skeleton->progs.sock_release,
        };

        return programs[i];
}

int hooks_attach(struct hooks *hooks, const char **ret_problem)
{
        int r;

        for (size_t i = 0; i < N_LINKS; i++) {
                r = attach_one(hooks, program_of(hooks, i), hooks->cgroup_fd, &hooks->links[i]);
                if (r < 0) {
                        *ret_problem = "a BPF program cannot be attached to the instance's cgroup";
                        return r;
                }
        }
        return 0;
}

/* What proxies need of the kernel, and only they: it costs every connection a little. */
struct delivery_hook {
        struct bpf_program *program;
        int cgroup_fd; /* -1: not needed */
};

static void detach_one(struct hooks *hooks, const struct delivery_hook *hook,
                       struct bpf_link **link)
{
        char path[512];

        link_path(hooks, hook->program, hook->cgroup_fd, path, sizeof(path));
        (void)unlink(path);
        bpf_link__destroy(*link);
        *link = NULL;
}

static struct delivery_hook delivery_hook_of(const struct hooks *hooks, size_t i)
{
        const struct steer_bpf *skeleton = hooks->skeleton;
        const int ours = hooks->cgroup_fd, theirs = hooks->extension_cgroup_fd;
        const struct delivery_hook wanted[N_DELIVERY_LINKS] = {
                { skeleton->progs.established, ours },
                { skeleton->progs.attach, theirs },
                /* Where ours reach the extensions, these would see everything twice. */
                { skeleton->progs.established, hooks->extensions_are_inside ? -1 : theirs },
                { skeleton->progs.carried_connect4, hooks->extensions_are_inside ? -1 : theirs },
                { skeleton->progs.carried_connect6, hooks->extensions_are_inside ? -1 : theirs },
                { skeleton->progs.sock_release, hooks->extensions_are_inside ? -1 : theirs },
        };

        return wanted[i];
}

int hooks_set_delivering(struct hooks *hooks, bool delivering)
{
        int r = 0;

        hooks_state(hooks)->has_proxies = delivering;
        for (size_t i = 0; i < N_DELIVERY_LINKS && r >= 0; i++) {
                const struct delivery_hook wanted = delivery_hook_of(hooks, i);
                struct bpf_link **link = &hooks->delivery_links[i];

                if (delivering && !*link && wanted.cgroup_fd >= 0)
                        r = attach_one(hooks, wanted.program, wanted.cgroup_fd, link);
                else if (!delivering && *link)
                        detach_one(hooks, &wanted, link);
        }
        return r;
}

int hooks_put_back(struct hooks *hooks)
{
        int n_put_back = 0, r = 0;

        for (size_t i = 0; i < N_LINKS && r >= 0; i++) {
                r = put_back(hooks, program_of(hooks, i), hooks->cgroup_fd, &hooks->links[i]);
                n_put_back += r > 0;
        }
        for (size_t i = 0; i < N_DELIVERY_LINKS && r >= 0; i++) {
                const struct delivery_hook hook = delivery_hook_of(hooks, i);

                if (!hooks->delivery_links[i])
                        continue;
                r = put_back(hooks, hook.program, hook.cgroup_fd, &hooks->delivery_links[i]);
                n_put_back += r > 0;
        }
        if (r >= 0 && hooks->group_link) {
                r = put_back(hooks, hooks->skeleton->progs.receive_group, hooks->cgroup_fd,
                             &hooks->group_link);
                n_put_back += r > 0;
        }
        return r < 0 ? r : n_put_back;
}

int hooks_set_telling_members(struct hooks *hooks, bool telling)
{
        const struct delivery_hook hook = { hooks->skeleton->progs.receive_group,
                                            hooks->cgroup_fd };

        if (telling && !hooks->group_link)
                return attach_one(hooks, hook.program, hook.cgroup_fd, &hooks->group_link);
        if (!telling)
                detach_one(hooks, &hook, &hooks->group_link);
        return 0;
}

/* Not pinned: without us there is nobody to send visitors to. */
int hooks_set_receiving(struct hooks *hooks, bool receiving)
{
        if (receiving && !hooks->receive_link) {
                hooks->receive_link =
                        bpf_program__attach_netns(hooks->skeleton->progs.receive, hooks->netns_fd);
                return hooks->receive_link ? 0 : -errno;
        }
        if (!receiving) {
                bpf_link__destroy(hooks->receive_link);
                hooks->receive_link = NULL;
        }
        return 0;
}

/* Not pinned either: the other ends of such sockets are ours. */
int hooks_set_pretending(struct hooks *hooks, bool pretending)
{
        const struct steer_bpf *skeleton = hooks->skeleton;
        struct bpf_program *const programs[N_FACE_LINKS] = {
                skeleton->progs.getsockname4, skeleton->progs.getsockname6,
                skeleton->progs.getpeername4, skeleton->progs.getpeername6,
                skeleton->progs.heard4,       skeleton->progs.heard6,
                skeleton->progs.answer4,      skeleton->progs.answer6,
        };

        for (size_t i = 0; i < N_FACE_LINKS; i++) {
                struct bpf_link **link = &hooks->face_links[i];

                if (!pretending) {
                        bpf_link__destroy(*link);
                        *link = NULL;
                } else if (!*link) {
                        *link = bpf_program__attach_cgroup(programs[i], hooks->own_cgroup_fd);
                        if (!*link)
                                return -errno;
                }
        }
        return 0;
}

struct hooks *hooks_close(struct hooks *hooks)
{
        if (!hooks)
                return NULL;
        ring_buffer__free(hooks->ring);
        for (size_t i = 0; i < N_LINKS; i++)
                bpf_link__destroy(hooks->links[i]);
        for (size_t i = 0; i < N_DELIVERY_LINKS; i++)
                bpf_link__destroy(hooks->delivery_links[i]);
        bpf_link__destroy(hooks->group_link);
        bpf_link__destroy(hooks->receive_link);
        for (size_t i = 0; i < N_FACE_LINKS; i++)
                bpf_link__destroy(hooks->face_links[i]);
        shelves_close(hooks->shelves);
        creators_close(hooks->creators);
        steer_bpf__destroy(hooks->skeleton);
        free(hooks->pin_dir);
        close_fd(hooks->netns_fd);
        close_fd(hooks->cgroup_fd);
        close_fd(hooks->extension_cgroup_fd);
        close_fd(hooks->own_cgroup_fd);
        free(hooks);
        return NULL;
}

int hooks_cgroup_fd(const struct hooks *hooks)
{
        return hooks->cgroup_fd;
}

bool hooks_are_fresh(const struct hooks *hooks)
{
        return hooks->are_fresh;
}

struct steer_bpf *hooks_skeleton(struct hooks *hooks)
{
        return hooks->skeleton;
}

struct steer_state *hooks_state(struct hooks *hooks)
{
        return (struct steer_state *)&hooks->skeleton->data->state;
}

int hooks_events_fd(struct hooks *hooks)
{
        return ring_buffer__epoll_fd(hooks->ring);
}

int hooks_read_events(struct hooks *hooks, hooks_event_fn *fn, void *userdata)
{
        hooks->event_fn = fn;
        hooks->event_userdata = userdata;
        return ring_buffer__consume(hooks->ring);
}

/* In the tables, a socket that is bound to an interface is found by that only. */
static void ask_tables(struct hooks *hooks, struct steer_lookup *lookups, size_t n)
{
        int fd = bpf_program__fd(hooks->skeleton->progs.look_up_sockets);
        struct __sk_buff context = { .ifindex = lookups->interface };
        uint32_t size = (uint32_t)(n * sizeof(*lookups));
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = lookups, .data_size_in = size,
                    .data_out = lookups, .data_size_out = size, .ctx_in = &context,
                    .ctx_size_in = sizeof(context), .repeat = 1);

        (void)bpf_prog_test_run_opts(fd, &opts);
}

static size_t count_of_same_interface(const struct steer_lookup *lookups, size_t n)
{
        size_t n_same = 1;

        while (n_same < n && n_same < STEER_LOOKUPS_MAX &&
               lookups[n_same].interface == lookups->interface)
                n_same++;
        return n_same;
}

static bool is_about_its_peer(const struct steer_lookup *lookup)
{
        const struct steer_owner *owner = &lookup->owner;

        return memcmp(&owner->remote, &lookup->remote, sizeof(owner->remote)) == 0 &&
               owner->remote_port == lookup->remote_port;
}

static void find_by_tuple(struct hooks *hooks, struct steer_lookup *lookup)
{
        const struct steer_tuple tuple = {
                .remote = lookup->remote,
                .remote_port = lookup->remote_port,
                .local_port = lookup->local_port,
                .protocol = lookup->protocol,
                .sequence = lookup->sequence,
        };

        if (bpf_map_lookup_elem(bpf_map__fd(hooks->skeleton->maps.asked), &tuple, &lookup->owner) ==
            0)
                lookup->found = STEER_FOUND_OWNER;
}

/*
 * Two places know: the socket that would get the answer, if it speaks of the same peer, and
 * the map of what sockets left that are gone, or that sent to somebody else since. The
 * socket that is there now comes first: an earlier one may have had the same endpoints. For
 * TCP it is the only one then, while a UDP socket that is not connected has many peers. The
 * kernel's own is what neither knows, and one of its sockets has the port for.
 */
static void find_sender(struct hooks *hooks, struct steer_lookup *lookup)
{
        uint8_t found = lookup->found;

        if (found == STEER_FOUND_OWNER && is_about_its_peer(lookup))
                return;
        lookup->found = STEER_FOUND_NOTHING;
        lookup->owner = (struct steer_owner){};
        if (found == STEER_FOUND_NOTHING || lookup->protocol != IPPROTO_TCP)
                find_by_tuple(hooks, lookup);
        if (lookup->found == STEER_FOUND_NOTHING && found == STEER_FOUND_KERNEL)
                lookup->found = STEER_FOUND_KERNEL;
}

void hooks_look_up(struct hooks *hooks, struct steer_lookup *lookups, size_t n)
{
        for (size_t i = 0, n_asked; i < n; i += n_asked) {
                n_asked = count_of_same_interface(lookups + i, n - i);
                ask_tables(hooks, lookups + i, n_asked);
        }
        for (size_t i = 0; i < n; i++)
                if (!lookups[i].is_inbound)
                        find_sender(hooks, &lookups[i]);
}

bool hooks_find_creator(struct hooks *hooks, uint64_t cookie, struct steer_process_key *ret_process)
{
        return creators_find(hooks->creators, cookie, ret_process);
}

bool hooks_find_sender(struct hooks *hooks, uint16_t local_port, const struct endpoint *remote,
                       struct steer_owner *ret_owner)
{
        struct steer_tuple tuple = {
                .remote_port = remote->port,
                .local_port = local_port,
                .protocol = IPPROTO_UDP,
        };

        memcpy(&tuple.remote, &remote->address, sizeof(tuple.remote));
        return bpf_map_lookup_elem(bpf_map__fd(hooks->skeleton->maps.asked), &tuple, ret_owner) ==
               0;
}

bool hooks_find_process(struct hooks *hooks, const struct steer_process_key *key,
                        struct steer_process *ret_process)
{
        int fd = bpf_map__fd(hooks->skeleton->maps.processes);

        return bpf_map_lookup_elem(fd, key, ret_process) == 0;
}

bool hooks_find_ancestor(struct hooks *hooks, const struct steer_process_key *key,
                         struct steer_process *ret_process)
{
        int fd = bpf_map__fd(hooks->skeleton->maps.ancestors);

        return bpf_map_lookup_elem(fd, key, ret_process) == 0;
}

bool hooks_find_cgroup(struct hooks *hooks, uint64_t id, struct steer_cgroup *ret_cgroup)
{
        int fd = bpf_map__fd(hooks->skeleton->maps.cgroups);

        return bpf_map_lookup_elem(fd, &id, ret_cgroup) == 0;
}

bool hooks_owns_cgroup(struct hooks *hooks, uint64_t id)
{
        const struct steer_bpf__rodata *config = hooks->skeleton->rodata;

        return config->cgroup_level == 0 || config->cgroup_id == id;
}

bool hooks_have_cgroup_levels(struct hooks *hooks)
{
        struct steer_kernel kernel = {};
        LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &kernel, .ctx_size_in = sizeof(kernel));
        int fd = bpf_program__fd(hooks->skeleton->progs.describe_kernel);

        return bpf_prog_test_run_opts(fd, &opts) >= 0 && kernel.has_cgroup_levels;
}

int hooks_judge(struct hooks *hooks, const struct steer_question *question,
                struct steer_outcome *ret_outcome)
{
        struct steer_judgement judgement = { .question = *question };
        /* A program of this kind writes its answer behind the question. */
        LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &judgement,
                    .ctx_size_in = sizeof(judgement));
        int fd = bpf_program__fd(hooks->skeleton->progs.judge_question);

        if (bpf_prog_test_run_opts(fd, &opts) < 0)
                return -errno;
        *ret_outcome = judgement.outcome;
        return 0;
}

void hooks_grant(struct hooks *hooks, uint64_t flow, uint64_t extension_cgroup,
                 const struct steer_grant *grant)
{
        shelves_grant(hooks->shelves, &(struct steer_granted){ flow, extension_cgroup, *grant });
}

void hooks_deliver(struct hooks *hooks, uint64_t cookie)
{
        shelves_deliver(hooks->shelves, cookie);
}

/* As the hook sees the answer: it does not always know from which address that will leave. */
static struct steer_tuple answer_to(const struct endpoint *server, const struct endpoint *caller)
{
        struct steer_tuple tuple = {
                .remote_port = caller->port,
                .local_port = server->port,
                .protocol = IPPROTO_UDP,
        };

        memcpy(&tuple.remote, &caller->address, sizeof(tuple.remote));
        return tuple;
}

/* The map never is full, and where memory is short a rule denies the answer. */
void hooks_admit_caller(struct hooks *hooks, const struct endpoint *server,
                        const struct endpoint *caller)
{
        const struct steer_tuple tuple = answer_to(server, caller);
        uint8_t is_there = 1;

        (void)bpf_map_update_elem(bpf_map__fd(hooks->skeleton->maps.callers), &tuple, &is_there,
                                  BPF_ANY);
}

void hooks_forget_caller(struct hooks *hooks, const struct endpoint *server,
                         const struct endpoint *caller)
{
        const struct steer_tuple tuple = answer_to(server, caller);

        (void)bpf_map_delete_elem(bpf_map__fd(hooks->skeleton->maps.callers), &tuple);
}

int hooks_set_face(struct hooks *hooks, int socket_fd, const struct endpoint *local,
                   const struct endpoint *remote)
{
        struct steer_ends ends = { .local_port = local->port, .remote_port = remote->port };
        int fd = bpf_map__fd(hooks->skeleton->maps.faces);

        memcpy(&ends.local, &local->address, sizeof(ends.local));
        memcpy(&ends.remote, &remote->address, sizeof(ends.remote));
        return bpf_map_update_elem(fd, &socket_fd, &ends, BPF_ANY) < 0 ? -errno : 0;
}

int hooks_set_visit(struct hooks *hooks, const struct steer_ends *ends, enum steer_visit visit)
{
        int fd = bpf_map__fd(hooks->skeleton->maps.visits);
        uint8_t value = (uint8_t)visit;

        return bpf_map_update_elem(fd, ends, &value, BPF_ANY) < 0 ? -errno : 0;
}

void hooks_forget_visit(struct hooks *hooks, const struct steer_ends *ends)
{
        (void)bpf_map_delete_elem(bpf_map__fd(hooks->skeleton->maps.visits), ends);
}

int hooks_open_door(struct hooks *hooks, const struct steer_door *door, int listening_fd)
{
        uint64_t socket = (uint64_t)listening_fd;
        int fd = bpf_map__fd(hooks->skeleton->maps.doors);

        return bpf_map_update_elem(fd, door, &socket, BPF_ANY) < 0 ? -errno : 0;
}
