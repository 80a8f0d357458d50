/* SPDX-License-Identifier: Apache-2.0 */

/* What the iterator writes is read in pieces that need not end where a record does. */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "steer/hooks-internal.h"
#include "steer/open-sockets.h"
#include "steer.skel.h"

#define SOCKETS_AT_ONCE 64

static int read_all(int fd, open_socket_fn *fn, void *userdata)
{
        struct steer_open_socket sockets[SOCKETS_AT_ONCE];
        size_t size = 0, whole;
        ssize_t n;

        do {
                n = read(fd, (char *)sockets + size, sizeof(sockets) - size);
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                size += n > 0 ? (size_t)n : 0;
                whole = size / sizeof(*sockets);
                for (size_t i = 0; i < whole; i++)
                        fn(&sockets[i], userdata);
                size -= whole * sizeof(*sockets);
                memmove(sockets, sockets + whole, size);
        } while (n != 0);
        return 0;
}

int open_sockets_list(struct hooks *hooks, open_socket_fn *fn, void *userdata)
{
        const struct bpf_program *program = hooks_skeleton(hooks)->progs.find_open_sockets;
        _cleanup_fd_ int fd = -1;
        struct bpf_link *link;

        if (!bpf_program__autoload(program))
                return -EOPNOTSUPP;
        link = bpf_program__attach_iter(program, NULL);
        if (!link)
                return -errno;
        fd = bpf_iter_create(bpf_link__fd(link));
        if (fd < 0)
                fd = -errno;
        bpf_link__destroy(link); /* the reader keeps what it reads */
        return fd < 0 ? take_fd(&fd) : read_all(fd, fn, userdata);
}
