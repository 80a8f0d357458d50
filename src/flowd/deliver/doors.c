/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A door is a listener like that for claimed flows (deliver/listener.h), whose sockets are bound
 * to an interface, and so is what they accept. An interface that is gone leaves its door behind:
 * its number is not given to another one soon.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "deliver/doors.h"
#include "steer/hooks.h"

struct door {
        struct list link; /* doors.doors */
        uint32_t interface;
        struct listener listener;
};

static const sa_family_t families[LISTENER_FAMILIES] = { AF_INET, AF_INET6 };

static struct door *door_free(struct door *door)
{
        if (!door)
                return NULL;
        list_remove(&door->link);
        listener_close(&door->listener);
        free(door);
        return NULL;
}

DEFINE_CLEANUP(struct door *, door, door_free)

void doors_init(struct doors *doors)
{
        list_init(&doors->doors);
}

void doors_close(struct doors *doors)
{
        struct door *door;

        while ((door = list_first(&doors->doors, struct door, link)))
                door_free(door);
}

static int open_one(const struct doors *doors, const struct door *door, int family)
{
        const struct steer_door place = { door->interface, families[family] };
        int fd = door->listener.fds[family];

        if (fd < 0)
                return 0;
        if (setsockopt(fd, SOL_SOCKET, SO_MARK, &doors->own_mark, sizeof(doors->own_mark)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &door->interface,
                       sizeof(door->interface)) < 0)
                return -errno;
        return hooks_open_door(doors->hooks, &place, fd);
}

static int door_new(struct doors *doors, uint32_t interface)
{
        _cleanup_(cleanup_door) struct door *door = calloc(1, sizeof(*door));
        int r;

        if (!door)
                return -ENOMEM;
        list_init(&door->link);
        door->interface = interface;
        r = listener_open(&door->listener);
        for (int i = 0; i < LISTENER_FAMILIES && r >= 0; i++)
                r = open_one(doors, door, i);
        if (r >= 0)
                r = listener_start(&door->listener, doors->loop, doors->fn, doors->userdata);
        if (r < 0)
                return r;
        list_append(&doors->doors, &door->link);
        take_ptr(door);
        return 0;
}

int doors_open(struct doors *doors, uint32_t interface)
{
        struct door *door;

        list_for_each (door, &doors->doors, link)
                if (door->interface == interface)
                        return 0;
        return door_new(doors, interface);
}
