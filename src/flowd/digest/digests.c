/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The way from a process to a digest:
 *
 *      the hook's record ──▶ is that file known? ── yes ──▶ done
 *                                  │ no
 *                                  ▼
 *      netextd opens /proc/PID/exe ──▶ is it that file? ──▶ hasher ──▶ is it still? ──▶ known
 *
 * Who the process is need not be asked, nor whether it still runs what it ran: the file that
 * was opened is compared with the one that the hook met, by what the kernel knows of both
 * (device, inode, its generation, time of the last change), and a file that is being
 * executed cannot be written to. So the digest is of what was executed as the flow began, or
 * there is none.
 *
 * Times of changes are as coarse as the kernel's tick: a change that comes in the same tick as the
 * one before does not show. So what was changed a moment ago is opened a moment later, when
 * there can be no such change any more.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"
#include "bpf/steer.abi.h"
#include "digest/digests.h"
#include "owner/owner.h"
#include "steer/hooks.h"

#define KNOWN_MAX  1024
#define COMING_MAX 64
#define TEXT_SIZE  (sizeof("sha256:") + 2 * STEER_DIGEST_SIZE)
#define YOUNG_NS   20000000LL /* above a tick, which is 10 ms at most */
#define ANSWER_NS  5000000000ULL

_Static_assert(HASHER_DIGEST_SIZE == STEER_DIGEST_SIZE, "SHA-256 for both");

struct digest {
        struct htable_link link; /* digests.by_file */
        struct list age;         /* digests.known, digests.coming */
        struct steer_file file;
        uint64_t request; /* 0: it is known */
        uint64_t asked_ns;
        uint32_t pid; /* of one that executes it */
        bool is_opened;
        struct loop_timer settling;
        struct digests *digests; /* whose it is, for the timer */
        uint64_t number;         /* for the rules */
        char text[TEXT_SIZE];
};

static uint64_t file_hash(const struct steer_file *file)
{
        return htable_hash(file, sizeof(*file));
}

static struct digest *find(struct digests *digests, const struct steer_file *file)
{
        struct digest *digest;

        htable_for_each_match (digest, &digests->by_file, file_hash(file), link)
                if (memcmp(&digest->file, file, sizeof(*file)) == 0)
                        return digest;
        return NULL;
}

static struct digest *find_coming(struct digests *digests, uint64_t request)
{
        struct digest *digest;

        list_for_each (digest, &digests->coming, age)
                if (digest->request == request)
                        return digest;
        return NULL;
}

static void remove_from_list(struct digests *digests, struct digest *digest)
{
        list_remove(&digest->age);
        digests->n_known -= digest->request == 0;
        digests->n_coming -= digest->request != 0;
}

static void forget(struct digests *digests, struct digest *digest)
{
        if (!digest->request)
                hooks_forget_digest(digests->hooks, &digest->file);
        remove_from_list(digests, digest);
        htable_remove(&digests->by_file, &digest->link);
        loop_timer_stop(&digest->settling);
        free(digest);
}

static void keep_as_known(struct digests *digests, struct digest *digest)
{
        list_append(&digests->known, &digest->age);
        if (++digests->n_known > KNOWN_MAX)
                forget(digests, list_first(&digests->known, struct digest, age));
}

static void give_up(struct digests *digests, struct digest *digest, int error)
{
        uint64_t request = digest->request;

        log_debug("an executable (inode %" PRIu64 ") has no digest: %s",
                  (uint64_t)digest->file.inode, strerror(-error));
        forget(digests, digest);
        digests->listener.settled(request, false, digests->listener.userdata);
}

static bool is_file(struct digests *digests, int fd, const struct steer_file *wanted)
{
        struct steer_file file;

        return hooks_describe_file(digests->hooks, fd, &file) &&
               memcmp(&file, wanted, sizeof(file)) == 0;
}

static void write_text(char text[static TEXT_SIZE], const uint8_t *bytes)
{
        text = stpcpy(text, "sha256:");
        for (size_t i = 0; i < STEER_DIGEST_SIZE; i++)
                text += sprintf(text, "%02x", bytes[i]);
}

static void on_hashed(const struct hasher_result *result, void *userdata)
{
        struct digests *digests = userdata;
        struct digest *digest = find_coming(digests, result->id);

        if (!digest)
                return;
        if (result->error || !is_file(digests, result->fd, &digest->file)) {
                give_up(digests, digest, result->error ? result->error : -ESTALE);
                return;
        }
        remove_from_list(digests, digest);
        digest->request = 0;
        digest->number = hooks_hash_digest(digests->hooks, result->digest);
        write_text(digest->text, result->digest);
        keep_as_known(digests, digest);
        digests->listener.settled(result->id, true, digests->listener.userdata);
}

int digests_init(struct digests *digests, struct loop *loop, struct hooks *hooks,
                 const struct digests_listener *listener)
{
        int r;

        *digests = (struct digests){ .loop = loop, .hooks = hooks, .listener = *listener };
        list_init(&digests->known);
        list_init(&digests->coming);
        hooks_forget_digests(hooks); /* an earlier flowd knew them, we do not */
        r = htable_init(&digests->by_file, 64);
        return r < 0 ? r : hasher_new(&digests->hasher, loop, on_hashed, digests);
}

void digests_deinit(struct digests *digests)
{
        struct digest *digest;

        if (!digests->hooks)
                return;
        digests->hasher = hasher_free(digests->hasher);
        while ((digest = list_first(&digests->known, struct digest, age)) ||
               (digest = list_first(&digests->coming, struct digest, age)))
                forget(digests, digest);
        htable_deinit(&digests->by_file);
}

/* A time in the future is one of a clock that was wrong: what comes next will have another. */
static bool is_young(const struct steer_file *file)
{
        struct timespec now;
        int64_t age_ns;

        clock_gettime(CLOCK_REALTIME, &now);
        age_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)file->changed_ns;
        return llabs(age_ns) < YOUNG_NS;
}

static void ask(struct digests *digests, struct digest *digest)
{
        digest->asked_ns = now_ns();
        if (is_young(&digest->file))
                loop_timer_start(digests->loop, &digest->settling, digest->asked_ns + YOUNG_NS);
        else
                digests->listener.open_executable(digest->request, digest->pid,
                                                  digests->listener.userdata);
}

static int on_settling_over(void *userdata)
{
        struct digest *digest = userdata;

        ask(digest->digests, digest);
        return 0;
}

static int ask_first(struct digests *digests, const struct process *process,
                     const struct steer_file *file, struct digest **ret_digest)
{
        struct digest *digest;

        if (digests->n_coming == COMING_MAX)
                return DIGESTS_E_LATER;
        digest = calloc(1, sizeof(*digest));
        if (!digest)
                return -ENOMEM;
        digest->file = *file;
        digest->request = ++digests->last_request;
        htable_add(&digests->by_file, &digest->link, file_hash(file));
        list_append(&digests->coming, &digest->age);
        digests->n_coming++;
        digest->pid = process->key.tgid;
        digest->digests = digests;
        loop_timer_init(&digest->settling, on_settling_over, digest);
        ask(digests, digest);
        *ret_digest = digest;
        return 0;
}

/* The process that was asked about first may have gone; this one runs the same file. */
static void ask_about(struct digests *digests, struct digest *digest, const struct process *process)
{
        if (digest->is_opened || now_ns() < digest->asked_ns + ANSWER_NS)
                return;
        digest->pid = process->key.tgid;
        ask(digests, digest);
}

static int tell(struct digests *digests, struct digest *digest, struct process *process)
{
        char *text = strdup(digest->text);

        if (!text)
                return -ENOMEM;
        free(process->digest_text);
        process->digest_text = text;
        process->digest = digest->number;
        list_remove(&digest->age);
        list_append(&digests->known, &digest->age);
        return hooks_set_digest(digests->hooks, &digest->file, digest->number);
}

void digests_recall(struct digests *digests, struct process *process)
{
        struct steer_process record;
        struct digest *digest;

        if (process->digest_text || !hooks_find_process(digests->hooks, &process->key, &record))
                return;
        digest = find(digests, &record.file);
        if (digest && !digest->request)
                (void)tell(digests, digest, process);
}

int digests_identify(struct digests *digests, struct process *process, uint64_t *ret_request)
{
        struct steer_process record;
        struct digest *digest;
        int r;

        if (!hooks_find_process(digests->hooks, &process->key, &record))
                return -ESRCH;
        digest = find(digests, &record.file);
        if (!digest) {
                r = ask_first(digests, process, &record.file, &digest);
                if (r)
                        return r;
        }
        if (!digest->request)
                return tell(digests, digest, process);
        ask_about(digests, digest, process);
        *ret_request = digest->request;
        return DIGESTS_E_COMING;
}

void digests_take(struct digests *digests, uint64_t request, int fd)
{
        struct digest *digest = find_coming(digests, request);
        int r = -ESTALE;

        if (digest && !digest->is_opened) {
                digest->is_opened = true;
                if (is_file(digests, fd, &digest->file))
                        r = hasher_add(digests->hasher, request, take_fd(&fd));
                if (r < 0)
                        give_up(digests, digest, r);
        }
        close_fd(fd);
}

void digests_fail(struct digests *digests, uint64_t request, int error)
{
        struct digest *digest = find_coming(digests, request);

        if (digest && !digest->is_opened)
                give_up(digests, digest, error);
}

void digests_ask_again(struct digests *digests)
{
        struct digest *digest;

        list_for_each (digest, &digests->coming, age)
                if (!digest->is_opened)
                        ask(digests, digest);
}
