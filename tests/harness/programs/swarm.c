/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Starts COUNT processes of the given programs in turn, one after the other, and prints
 * for each "PID PORT MICROSECONDS STARTED PROGRAM": what brief.c said of itself, how long the
 * process lived, and when it began, in microseconds since boot. The truth that the attribution is
 * compared with.
 */

#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* server: protocol, address, port. */
static int start_one(char *program, char **server, int pipe_fds[2])
{
        char *argv[] = { program, server[0], server[1], server[2], NULL };
        posix_spawn_file_actions_t actions;
        int64_t started_us = now_us();
        uint32_t record[2];
        int r, status;
        pid_t pid;

        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
        r = posix_spawn(&pid, program, &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        if (r != 0 || waitpid(pid, &status, 0) < 0 || status != 0)
                return -1;
        if (read(pipe_fds[0], record, sizeof(record)) != sizeof(record))
                return -1;
        printf("%u %u %lld %lld %s\n", record[0], record[1], (long long)(now_us() - started_us),
               (long long)started_us, program);
        return 0;
}

int main(int argc, char **argv)
{
        int pipe_fds[2], count;

        if (argc < 6 || pipe(pipe_fds) < 0) {
                fprintf(stderr,
                        "Usage: swarm COUNT tcp|udp|udp-connected ADDRESS PORT PROGRAM...\n");
                return 2;
        }
        count = atoi(argv[1]);
        for (int i = 0; i < count; i++)
                if (start_one(argv[5 + i % (argc - 5)], argv + 2, pipe_fds) < 0) {
                        fprintf(stderr, "swarm: process %d did not do its work\n", i);
                        return 1;
                }
        return 0;
}
