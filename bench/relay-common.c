/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket that tproxy has delivered bears the original destination as its own address, so
 * getsockname() is all that is needed to go on to it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay-common.h"

int relay_parse_arguments(int argc, char **argv, struct relay_arguments *ret_arguments)
{
        unsigned long port = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
        unsigned long mark = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;

        if (argc != 3 || port == 0 || port > UINT16_MAX || mark == 0 || mark > UINT32_MAX)
                return -EINVAL;
        *ret_arguments = (struct relay_arguments){ .port = (uint16_t)port, .mark = (uint32_t)mark };
        return 0;
}

static int fail_and_close(int fd)
{
        int error = errno;

        close(fd);
        return -error;
}

int relay_listen(uint16_t port)
{
        const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
        const int one = 1;
        int fd;

        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof(one)) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
            bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 || listen(fd, 4096) < 0)
                return fail_and_close(fd);
        return fd;
}

int relay_accept(int listener_fd)
{
        int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        return fd < 0 ? -errno : fd;
}

int relay_connect_on(int app_fd, uint32_t mark)
{
        struct sockaddr_in destination;
        socklen_t size = sizeof(destination);
        const int one = 1;
        int fd;

        if (getsockname(app_fd, (struct sockaddr *)&destination, &size) < 0)
                return -errno;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
            (connect(fd, (struct sockaddr *)&destination, size) < 0 && errno != EINPROGRESS))
                return fail_and_close(fd);
        return fd;
}
