/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A client that says a word to a server, waits for the echo, and tells as one line of
 * JSON how that went: who it was, which call failed with what, and how long it took.
 * What a program experiences is what the scenarios are about, so it hides nothing and
 * tries nothing twice.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct talk {
        int protocol;
        bool connected; /* a UDP socket is connected first */
        bool stay;      /* until stdin ends, with the socket open */
        unsigned int mark;
        int local_port; /* 0: any */
        int n_words, interval_ms, timeout_ms;
        struct sockaddr_storage server;
        socklen_t server_size;
};

static const char *const word = "hello";

static int64_t now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static int wait_for(int fd, short events, int timeout_ms)
{
        struct pollfd poll_fd = { .fd = fd, .events = events };
        int r;

        r = poll(&poll_fd, 1, timeout_ms);
        if (r < 0)
                return -errno;
        return r == 0 ? -ETIMEDOUT : 0;
}

static int connect_to(const struct talk *talk, int fd)
{
        int r, error = 0;

        if (connect(fd, (const struct sockaddr *)&talk->server, talk->server_size) == 0)
                return 0;
        if (errno != EINPROGRESS)
                return -errno;
        r = wait_for(fd, POLLOUT, talk->timeout_ms);
        if (r < 0)
                return r;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) });
        return -error;
}

static int say(const struct talk *talk, int fd)
{
        bool named = talk->protocol == IPPROTO_UDP && !talk->connected;
        ssize_t n;

        n = sendto(fd, word, strlen(word), MSG_NOSIGNAL,
                   named ? (const struct sockaddr *)&talk->server : NULL,
                   named ? talk->server_size : 0);
        return n < 0 ? -errno : 0;
}

static int hear(const struct talk *talk, int fd)
{
        char answer[64];
        ssize_t n;
        int r;

        r = wait_for(fd, POLLIN, talk->timeout_ms);
        if (r < 0)
                return r;
        n = recv(fd, answer, sizeof(answer), 0);
        if (n < 0)
                return -errno;
        return (size_t)n == strlen(word) && memcmp(answer, word, n) == 0 ? 0 : -EPROTO;
}

static int local_port(int fd)
{
        struct sockaddr_in6 local = {};

        getsockname(fd, (struct sockaddr *)&local, &(socklen_t){ sizeof(local) });
        return ntohs(local.sin6_port); /* in the same place for IPv4 */
}

static void tell(const char *at, int error, int64_t started_us, int fd, int n_answers)
{
        printf("{\"pid\": %d, \"local_port\": %d, \"at\": \"%s\", \"error\": ", getpid(),
               local_port(fd), at);
        if (error)
                printf("\"%s\"", strerrorname_np(-error));
        else
                printf("null");
        printf(", \"answers\": %d, \"ms\": %.3f}\n", n_answers, (now_us() - started_us) / 1000.0);
        fflush(stdout);
}

/* The call that failed, or "done". */
static const char *converse(const struct talk *talk, int fd, int *ret_error, int *ret_answers)
{
        *ret_answers = 0;
        *ret_error = 0;
        if (talk->connected) {
                *ret_error = connect_to(talk, fd);
                if (*ret_error)
                        return "connect";
        }
        while (*ret_answers < talk->n_words) {
                if (*ret_answers > 0)
                        poll(NULL, 0, talk->interval_ms);
                *ret_error = say(talk, fd);
                if (*ret_error)
                        return "send";
                *ret_error = hear(talk, fd);
                if (*ret_error)
                        return "receive";
                ++*ret_answers;
        }
        return "done";
}

static bool parse_server(struct talk *talk, const char *address, const char *port)
{
        struct sockaddr_in *ipv4 = (struct sockaddr_in *)&talk->server;
        struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&talk->server;

        if (inet_pton(AF_INET, address, &ipv4->sin_addr) == 1) {
                ipv4->sin_family = AF_INET;
                ipv4->sin_port = htons(atoi(port));
                talk->server_size = sizeof(*ipv4);
                return true;
        }
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_port = htons(atoi(port));
        talk->server_size = sizeof(*ipv6);
        return inet_pton(AF_INET6, address, &ipv6->sin6_addr) == 1;
}

static bool parse(struct talk *talk, int argc, char **argv)
{
        int option;

        while ((option = getopt(argc, argv, "i:m:n:p:st:")) >= 0)
                switch (option) {
                case 'i':
                        talk->interval_ms = atoi(optarg);
                        break;
                case 'm':
                        talk->mark = strtoul(optarg, NULL, 0);
                        break;
                case 'n':
                        talk->n_words = atoi(optarg);
                        break;
                case 'p':
                        talk->local_port = atoi(optarg);
                        break;
                case 's':
                        talk->stay = true;
                        break;
                case 't':
                        talk->timeout_ms = atoi(optarg);
                        break;
                default:
                        return false;
                }
        if (argc - optind != 3)
                return false;
        talk->protocol = strncmp(argv[optind], "udp", 3) == 0 ? IPPROTO_UDP : IPPROTO_TCP;
        talk->connected = strcmp(argv[optind], "udp") != 0;
        return parse_server(talk, argv[optind + 1], argv[optind + 2]);
}

static int open_socket(const struct talk *talk)
{
        int type = talk->protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
        /* The port is in the same place for IPv4, and the address is 0 for both. */
        struct sockaddr_in6 local = { .sin6_family = talk->server.ss_family,
                                      .sin6_port = htons(talk->local_port) };
        int fd;

        fd = socket(talk->server.ss_family, type | SOCK_NONBLOCK, 0);
        if (talk->mark && setsockopt(fd, SOL_SOCKET, SO_MARK, &talk->mark, sizeof(talk->mark)) < 0)
                return -errno;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
        if (talk->local_port && bind(fd, (const struct sockaddr *)&local, talk->server_size) < 0)
                return -errno;
        return fd;
}

int main(int argc, char **argv)
{
        struct talk talk = { .n_words = 1, .interval_ms = 20, .timeout_ms = 3000 };
        int64_t started_us = now_us();
        int fd, error, n_answers;
        const char *at;

        if (!parse(&talk, argc, argv)) {
                fprintf(stderr,
                        "Usage: talk [-s] [-i MS] [-m MARK] [-n WORDS] [-p LOCAL_PORT] [-t MS] "
                        "tcp|udp|udp-connected ADDRESS PORT\n");
                return 2;
        }
        fd = open_socket(&talk);
        if (fd < 0) {
                fprintf(stderr, "talk: no socket with this mark and port: %s\n", strerror(-fd));
                return 2;
        }
        at = converse(&talk, fd, &error, &n_answers);
        tell(at, error, started_us, fd, n_answers);
        if (talk.stay)
                while (read(STDIN_FILENO, &(char){ 0 }, 1) > 0)
                        ;
        return error ? 1 : 0;
}
