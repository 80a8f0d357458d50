/* SPDX-License-Identifier: Apache-2.0 */

/* See handed.h. What was closed is forgotten as it is looked at. */

#include "sdk/handed.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ROOM_FIRST 64

static uint64_t cookie_of(int fd)
{
        uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);

        return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) < 0 ? 0 : cookie;
}

static bool make_room(struct handed *handed, size_t n_wanted)
{
        size_t n = handed->n_cookies ? handed->n_cookies : ROOM_FIRST;
        uint64_t *cookies;

        if (n_wanted <= handed->n_cookies)
                return true;
        while (n < n_wanted)
                n *= 2;
        cookies = reallocarray(handed->cookies, n, sizeof(*cookies));
        if (!cookies)
                return false;
        memset(cookies + handed->n_cookies, 0, (n - handed->n_cookies) * sizeof(*cookies));
        handed->cookies = cookies;
        handed->n_cookies = n;
        return true;
}

void handed_note(struct handed *handed, int fd)
{
        if (fd >= 0 && make_room(handed, (size_t)fd + 1))
                handed->cookies[fd] = cookie_of(fd);
}

bool handed_is_any_open(struct handed *handed)
{
        for (size_t fd = 0; fd < handed->n_cookies; fd++) {
                if (handed->cookies[fd] && handed->cookies[fd] == cookie_of((int)fd))
                        return true;
                handed->cookies[fd] = 0;
        }
        return false;
}

void handed_deinit(struct handed *handed)
{
        free(handed->cookies);
        *handed = (struct handed){};
}
