/* SPDX-License-Identifier: Apache-2.0 */

/* Both places are looked at, whichever was used: what is mounted now need not have been then. */

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "bpf/steer.abi.h"
#include "footprint/footprint.h"
#include "reset/pins.h"

#define PATH_SIZE 320 /* a name of 255 bytes, too */
#define STACK_MAX 16  /* file systems, one mounted over the other */

typedef void pins_fn(const char *path, const char *instance, void *userdata);

static void visit(const char *folder, const char *below, pins_fn *fn, void *userdata)
{
        _cleanup_dir_ DIR *entries = opendir(folder);
        struct dirent *entry;
        char path[PATH_SIZE];

        while (entries && (entry = readdir(entries))) {
                if (!footprint_is_instance(entry->d_name))
                        continue;
                snprintf(path, sizeof(path), "%s/%s%s", folder, entry->d_name, below);
                if (access(path, F_OK) == 0)
                        fn(path, entry->d_name, userdata);
        }
}

static void visit_all(pins_fn *fn, void *userdata)
{
        visit(FOOTPRINT_PINS, "", fn, userdata);
        visit(FOOTPRINT_RUNTIME, "/" FOOTPRINT_OWN_BPFFS, fn, userdata);
}

struct search {
        const char *instance;
        uint32_t route_table;
};

/* The state of another version has another size. */
static void read_queue(const char *path, const char *instance, void *userdata)
{
        struct bpf_map_info info = {};
        uint32_t size = sizeof(info), first = 0, queue;
        struct search *search = userdata;
        _cleanup_free_ char *value = NULL;
        _cleanup_fd_ int fd = -1;
        char pin[PATH_SIZE + 32];

        if (strcmp(instance, search->instance) != 0)
                return;
        snprintf(pin, sizeof(pin), "%s/" FOOTPRINT_MAP_PIN FOOTPRINT_STATE_MAP, path);
        fd = bpf_obj_get(pin);
        if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
            info.value_size != sizeof(struct steer_state))
                return;
        value = malloc(info.value_size);
        if (!value || bpf_map_lookup_elem(fd, &first, value) < 0)
                return;
        memcpy(&queue, value + offsetof(struct steer_state, queue), sizeof(queue));
        search->route_table = FOOTPRINT_ROUTE_TABLE + queue;
}

uint32_t pins_find_route_table(const char *instance)
{
        struct search search = { .instance = instance };

        visit_all(read_queue, &search);
        return search.route_table;
}

static bool is_bpffs(const char *path)
{
        struct statfs fs;

        return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

static unsigned int unpin_all(const struct reset *reset, const char *path)
{
        _cleanup_dir_ DIR *entries = opendir(path);
        unsigned int n_pins = 0;
        struct dirent *entry;

        while (entries && (entry = readdir(entries))) {
                if (entry->d_name[0] == '.')
                        continue;
                n_pins++;
                if (!reset->is_trial)
                        (void)unlinkat(dirfd(entries), entry->d_name, 0);
        }
        return n_pins;
}

static int remove_folder(const char *path)
{
        if (strncmp(path, FOOTPRINT_RUNTIME, strlen(FOOTPRINT_RUNTIME)) == 0)
                for (int i = 0; i < STACK_MAX && is_bpffs(path); i++)
                        if (umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
                                return -errno;
        return rmdir(path) < 0 ? -errno : 0;
}

static void remove_pins(const char *path, const char *instance, void *userdata)
{
        struct reset *reset = userdata;
        unsigned int n_pins;

        if (!reset_means(reset, instance))
                return;
        n_pins = unpin_all(reset, path);
        reset_tell(reset, DEED_REMOVE, reset->is_trial ? 0 : remove_folder(path),
                   "%u pinned BPF objects in %s", n_pins, path);
}

void pins_remove(struct reset *reset)
{
        visit_all(remove_pins, reset);
        if (!reset->is_trial)
                (void)rmdir(FOOTPRINT_PINS); /* with the last instance */
}
