/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The thread takes the first job, reads one slice of its file, and puts it back behind the
 * others, or among those that are done. Both lists are under the lock; a job that is being
 * worked on is in neither.
 */

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/list.h"
#include "base/loop.h"
#include "digest/hasher.h"

#define SLICE_SIZE (1024 * 1024)

struct job {
        struct list link; /* hasher.jobs, hasher.done */
        EVP_MD_CTX *context;
        uint64_t size; /* read so far */
        struct hasher_result result;
};

struct hasher {
        struct loop *loop;
        struct loop_io io;
        int done_fd;
        hasher_done_fn *fn;
        void *userdata;
        EVP_MD *sha256;

        pthread_t thread;
        bool is_running;
        sem_t started;
        pthread_mutex_t lock;
        pthread_cond_t has_work;
        bool is_over;     /* under the lock, like the lists */
        struct list jobs; /* job.link */
        struct list done;
        uint8_t slice[SLICE_SIZE]; /* the thread's */
};

static struct job *job_free(struct job *job)
{
        if (!job)
                return NULL;
        EVP_MD_CTX_free(job->context);
        close_fd(job->result.fd);
        free(job);
        return NULL;
}
DEFINE_CLEANUP(struct job *, job, job_free)

static struct job *job_new(struct hasher *hasher, uint64_t id, int fd)
{
        _cleanup_(cleanup_job) struct job *job = calloc(1, sizeof(*job));

        if (!job) {
                close_fd(fd);
                return NULL;
        }
        job->result = (struct hasher_result){ .id = id, .fd = fd };
        job->context = EVP_MD_CTX_new();
        if (!job->context || !EVP_DigestInit_ex2(job->context, hasher->sha256, NULL))
                return NULL;
        return take_ptr(job);
}

/* 0, or why there will be no digest. Opening a device or a pipe would be somebody's trick. */
static int check_file(int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        return st.st_size > HASHER_FILE_MAX ? -EFBIG : 0;
}

/* True when the job is done. */
static bool job_go_on(struct job *job, uint8_t *slice)
{
        struct hasher_result *result = &job->result;
        ssize_t n;

        if (job->size == 0)
                result->error = check_file(result->fd);
        if (result->error)
                return true;
        n = read(result->fd, slice, SLICE_SIZE);
        if (n < 0 && errno == EINTR)
                return false;
        if (n < 0)
                result->error = -errno;
        else if (n == 0)
                result->error = EVP_DigestFinal_ex(job->context, result->digest, NULL) ? 0 : -EIO;
        else if (!EVP_DigestUpdate(job->context, slice, (size_t)n))
                result->error = -EIO;
        job->size += n > 0 ? (uint64_t)n : 0;
        if (job->size > HASHER_FILE_MAX) /* it grows while it is read */
                result->error = -EFBIG;
        return n <= 0 || result->error;
}

/* The next job, taken out of its list; NULL when there will be none any more. */
static struct job *wait_for_job(struct hasher *hasher)
{
        struct job *job = NULL;

        pthread_mutex_lock(&hasher->lock);
        while (!hasher->is_over && list_is_empty(&hasher->jobs))
                pthread_cond_wait(&hasher->has_work, &hasher->lock);
        if (!hasher->is_over) {
                job = list_first(&hasher->jobs, struct job, link);
                list_remove(&job->link);
        }
        pthread_mutex_unlock(&hasher->lock);
        return job;
}

static void put_job(struct hasher *hasher, struct job *job, bool is_done)
{
        const uint64_t one = 1;

        pthread_mutex_lock(&hasher->lock);
        list_append(is_done ? &hasher->done : &hasher->jobs, &job->link);
        pthread_mutex_unlock(&hasher->lock);
        if (is_done)
                (void)!write(hasher->done_fd, &one, sizeof(one));
}

static void *run(void *userdata)
{
        struct hasher *hasher = userdata;
        struct job *job;

        sem_post(&hasher->started);
        while ((job = wait_for_job(hasher)))
                put_job(hasher, job, job_go_on(job, hasher->slice));
        return NULL;
}

static struct job *take_done(struct hasher *hasher)
{
        struct job *job;

        pthread_mutex_lock(&hasher->lock);
        job = list_first(&hasher->done, struct job, link);
        if (job)
                list_remove(&job->link);
        pthread_mutex_unlock(&hasher->lock);
        return job;
}

static int on_done(uint32_t events, void *userdata)
{
        struct hasher *hasher = userdata;
        struct job *job;
        uint64_t n;

        (void)!read(hasher->done_fd, &n, sizeof(n));
        while ((job = take_done(hasher))) {
                hasher->fn(&job->result, hasher->userdata);
                job_free(job);
        }
        return 0;
}

/* Signals are the loop's. A thread begins with system calls that are not those of the sandbox, and
 * the C library aborts where they fail: so it is waited for. */
static int start_thread(struct hasher *hasher)
{
        sigset_t all, before;
        int r;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&hasher->thread, NULL, run, hasher);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r > 0)
                return -r;
        hasher->is_running = true;
        while (sem_wait(&hasher->started) < 0)
                ;
        return 0;
}

DEFINE_CLEANUP(struct hasher *, hasher, hasher_free)

int hasher_new(struct hasher **ret_hasher, struct loop *loop, hasher_done_fn *fn, void *userdata)
{
        _cleanup_(cleanup_hasher) struct hasher *hasher = calloc(1, sizeof(*hasher));
        int r;

        if (!hasher)
                return -ENOMEM;
        hasher->loop = loop;
        hasher->io = (struct loop_io)LOOP_IO_NULL;
        hasher->fn = fn;
        hasher->userdata = userdata;
        list_init(&hasher->jobs);
        list_init(&hasher->done);
        pthread_mutex_init(&hasher->lock, NULL);
        pthread_cond_init(&hasher->has_work, NULL);
        sem_init(&hasher->started, 0, 0);
        hasher->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (hasher->done_fd < 0)
                return -errno;
        hasher->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
        if (!hasher->sha256)
                return -EOPNOTSUPP;
        r = loop_add(loop, &hasher->io, hasher->done_fd, EPOLLIN, on_done, hasher);
        if (r < 0)
                return r;
        r = start_thread(hasher);
        if (r < 0)
                return r;
        *ret_hasher = take_ptr(hasher);
        return 0;
}

static void end_thread(struct hasher *hasher)
{
        if (!hasher->is_running)
                return;
        pthread_mutex_lock(&hasher->lock);
        hasher->is_over = true;
        pthread_cond_signal(&hasher->has_work);
        pthread_mutex_unlock(&hasher->lock);
        pthread_join(hasher->thread, NULL);
}

struct hasher *hasher_free(struct hasher *hasher)
{
        struct job *job;

        if (!hasher)
                return NULL;
        end_thread(hasher);
        loop_remove(hasher->loop, &hasher->io);
        while ((job = list_first(&hasher->jobs, struct job, link)) ||
               (job = list_first(&hasher->done, struct job, link))) {
                list_remove(&job->link);
                job_free(job);
        }
        EVP_MD_free(hasher->sha256);
        close_fd(hasher->done_fd);
        sem_destroy(&hasher->started);
        pthread_cond_destroy(&hasher->has_work);
        pthread_mutex_destroy(&hasher->lock);
        free(hasher);
        return NULL;
}

int hasher_add(struct hasher *hasher, uint64_t id, int fd)
{
        struct job *job = job_new(hasher, id, fd);

        if (!job)
                return -ENOMEM;
        pthread_mutex_lock(&hasher->lock);
        list_append(&hasher->jobs, &job->link);
        pthread_cond_signal(&hasher->has_work);
        pthread_mutex_unlock(&hasher->lock);
        return 0;
}
