/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A program that is gone before anybody can ask who it was: it starts a flow, writes
 * its pid and local port to stdout, and ends, while its first packet is held. Static,
 * so that it lives well under 5 ms; copies and hard links give it several names.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Errors do not matter here: it is the attempt that has an owner. */
static int start_flow(const char *protocol, const struct sockaddr_in *server)
{
        bool is_tcp = strcmp(protocol, "tcp") == 0, is_named = strcmp(protocol, "udp") == 0;
        int fd = socket(AF_INET, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);

        if (is_named)
                sendto(fd, "hello", 5, 0, (const struct sockaddr *)server, sizeof(*server));
        else
                connect(fd, (const struct sockaddr *)server, sizeof(*server));
        if (!is_tcp && !is_named)
                send(fd, "hello", 5, 0);
        return fd;
}

int main(int argc, char **argv)
{
        struct sockaddr_in server = { .sin_family = AF_INET }, local;
        uint32_t record[2];
        int fd;

        if (argc != 4 || inet_pton(AF_INET, argv[2], &server.sin_addr) != 1)
                return 2;
        server.sin_port = htons(atoi(argv[3]));
        fd = start_flow(argv[1], &server);
        getsockname(fd, (struct sockaddr *)&local, &(socklen_t){ sizeof(local) });
        record[0] = getpid();
        record[1] = ntohs(local.sin_port);
        return write(STDOUT_FILENO, record, sizeof(record)) == sizeof(record) ? 0 : 1;
}
