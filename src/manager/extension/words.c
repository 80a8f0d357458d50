/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each line is logged under the extension's name, as many as anybody can read, and the last ones
 * are kept with the extension.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/log.h"
#include "manager/extension/parts.h"
#include "manager/loop/timer.h"

#define LINES_PER_SECOND 100
#define ROUNDS_MAX       16 /* pieces that are read at once: nobody is loud enough to stop us */

static void on_line(const char *line, void *userdata)
{
        struct run *run = userdata;
        struct words *words = &run->words;
        uint64_t now_ms = clock_now_ms();

        if (now_ms - words->lines_at_ms >= 1000) {
                if (words->n_lines > LINES_PER_SECOND)
                        log_warning("%s: %u more lines were dropped", run->extension->name,
                                    words->n_lines - LINES_PER_SECOND);
                words->lines_at_ms = now_ms;
                words->n_lines = 0;
        }
        if (words->n_lines++ < LINES_PER_SECOND)
                log_notice("%s: %s", run->extension->name, line);
}

/* False: there is no more now. */
static bool read_piece(struct run *run)
{
        char bytes[4096];
        ssize_t n = read(run->words.fd, bytes, sizeof(bytes));

        if (n > 0)
                lines_add(&run->extension->lines, bytes, (size_t)n, on_line, run);
        else if (n == 0)
                words_close(&run->words); /* nobody has the other end */
        return n > 0;
}

static int on_words(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        (void)read_piece(userdata);
        return 0;
}

static int watch(struct run *run, int taken)
{
        _cleanup_fd_ int fd = taken;
        int r;

        words_close(&run->words);
        r = sd_event_add_io(run->extension->table->event, &run->words.source, fd, EPOLLIN, on_words,
                            run);
        if (r < 0)
                return r;
        (void)sd_event_source_set_priority(run->words.source, SD_EVENT_PRIORITY_IDLE);
        run->words.fd = take_fd(&fd);
        return 0;
}

/* The same pipe or file once more, opened with flags. */
static int open_again(int fd, int flags)
{
        char path[32];
        int again;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        again = open(path, flags | O_NONBLOCK | O_CLOEXEC);
        return again < 0 ? -errno : again;
}

int words_open(struct run *run, int *ret_fd)
{
        _cleanup_fd_ int read_fd = -1, write_fd = -1, both_fd = -1;
        int pair[2], r;

        if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        read_fd = pair[0];
        write_fd = pair[1];
        both_fd = open_again(write_fd, O_RDWR);
        if (both_fd < 0)
                return both_fd;
        r = watch(run, take_fd(&read_fd));
        if (r < 0)
                return r;
        *ret_fd = take_fd(&both_fd);
        return 0;
}

void words_adopt(struct run *run)
{
        _cleanup_fd_ int path_fd = -1;
        char path[32];
        struct stat st;
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/fd/2", run->process.pid);
        path_fd = open(path, O_PATH | O_CLOEXEC);
        if (path_fd < 0 || fstat(path_fd, &st) < 0 || !S_ISFIFO(st.st_mode))
                return; /* the process has something of its own there */
        fd = open_again(path_fd, O_RDONLY);
        if (fd >= 0)
                (void)watch(run, fd);
}

void words_end(struct run *run)
{
        for (int i = 0; i < ROUNDS_MAX && run->words.fd >= 0; i++)
                if (!read_piece(run))
                        break;
        words_close(&run->words);
        lines_end(&run->extension->lines, on_line, run);
}

void words_close(struct words *words)
{
        words->source = sd_event_source_disable_unref(words->source);
        words->fd = close_fd(words->fd);
}
