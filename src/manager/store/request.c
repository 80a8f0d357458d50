/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The journal has one JSON object a line, a line for each change; the last line of a number
 * counts. Appending is what makes a thousand requests cheap, and a line that was cut off by a
 * power failure is the only one that is lost. It is written anew when most of it is old, and when
 * there is more in it than that which cannot be read; then what was there is put aside.
 */

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "manager/loop/timer.h"
#include "manager/priv/staged.h"
#include "manager/store/request.h"

#define JOURNAL   "requests"
#define LINES_MAX (8 * REQUESTS_KEPT)

DEFINE_CLEANUP(json_t *, json, json_decref)

static const char *const kinds[_REQUEST_KIND_MAX] = {
        [REQUEST_ACTIVATE] = "activate",
        [REQUEST_DEACTIVATE] = "deactivate",
};

static const char *const statuses[_REQUEST_STATUS_MAX] = {
        [REQUEST_QUEUED] = "queued",
        [REQUEST_VALIDATING] = "validating",
        [REQUEST_WAITING] = "waiting",
        [REQUEST_NEEDS_REPLY] = "needs-reply",
        [REQUEST_NEEDS_APPROVAL] = "needs-approval",
        [REQUEST_ENABLING] = "enabling",
        [REQUEST_REMOVING] = "removing",
        [REQUEST_FINISHED] = "finished",
        [REQUEST_FAILED] = "failed",
};

const char *request_kind_to_string(enum request_kind kind)
{
        return kinds[kind];
}

const char *request_status_to_string(enum request_status status)
{
        return statuses[status];
}

static int find_word(const char *const *words, int n_words, const char *word)
{
        for (int i = 0; word && i < n_words; i++)
                if (strcmp(words[i], word) == 0)
                        return i;
        return -EINVAL;
}

static struct request *request_free(struct request *request)
{
        list_remove(&request->link);
        free(request->source);
        free(request->identifier);
        free(request->team);
        free(request->version);
        free(request->digest);
        free(request->replaced);
        free(request->message);
        free(request);
        return NULL;
}

void request_log_init(struct request_log *log)
{
        *log = (struct request_log){ .store_fd = -1, .fd = -1 };
        list_init(&log->requests);
}

void request_log_deinit(struct request_log *log)
{
        struct request *request;

        while ((request = list_first(&log->requests, struct request, link)))
                request_free(request);
        log->fd = close_fd(log->fd);
}

static json_t *pack(const struct request *request)
{
        return json_pack("{sI ss ss ss* ss* ss* ss* ss* ss* sb si ss* sI sI}", "request",
                         (json_int_t)request->number, "kind", kinds[request->kind], "status",
                         statuses[request->status], "source", request->source, "identifier",
                         request->identifier, "team", request->team, "version", request->version,
                         "digest", request->digest, "replaced", request->replaced,
                         "content_changed", request->content_changed, "code", (int)request->code,
                         "message", request->message, "submitted_ns",
                         (json_int_t)request->submitted_ns, "ended_ns",
                         (json_int_t)request->ended_ns);
}

/* A line, with its end. Caller owns; NULL: no memory. */
static char *to_line(const struct request *request)
{
        _cleanup_(cleanup_json) json_t *object = pack(request);
        _cleanup_free_ char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
        char *line;

        return text && asprintf(&line, "%s\n", text) >= 0 ? line : NULL;
}

/* All of it anew, one line for each request. */
static int rewrite(struct request_log *log)
{
        _cleanup_free_ char *text = NULL;
        const struct request *request;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        int r;

        if (!out)
                return -ENOMEM;
        list_for_each (request, &log->requests, link) {
                _cleanup_free_ char *line = to_line(request);

                fputs(line ?: "", out);
        }
        if (fclose(out) != 0)
                return -ENOMEM;
        r = staged_replace_file(log->store_fd, JOURNAL, text, size);
        if (r < 0)
                return r;
        close_fd(log->fd);
        log->fd = staged_append_file(log->store_fd, JOURNAL);
        log->n_lines = log->n_requests;
        return log->fd < 0 ? log->fd : 0;
}

static int append(struct request_log *log, const struct request *request)
{
        _cleanup_free_ char *line = to_line(request);
        ssize_t n;

        if (!line)
                return -ENOMEM;
        if (log->fd < 0 || log->n_lines >= LINES_MAX)
                return rewrite(log);
        n = write(log->fd, line, strlen(line));
        if (n < 0)
                return -errno;
        log->n_lines++;
        /* Half a line would take the next one with it. */
        return (size_t)n == strlen(line) ? 0 : rewrite(log);
}

static void write_down(struct request_log *log, const struct request *request)
{
        int r = log->store_fd < 0 ? 0 : append(log, request);

        if (r < 0)
                log_error("cannot write request %llu down: %s; if this netextd is killed, the next "
                          "one will not know what became of it",
                          (unsigned long long)request->number, strerror(-r));
}

/* An outcome is for good: it is what is asked for later. */
static void sync_outcome(const struct request_log *log, const struct request *request)
{
        if (log->fd >= 0 && request_is_ended(request) && fdatasync(log->fd) < 0)
                log_error("cannot have request %llu written to disk: %s",
                          (unsigned long long)request->number, strerror(errno));
}

static void changed(struct request_log *log, struct request *request)
{
        write_down(log, request);
        sync_outcome(log, request);
        log->changed_fn(request, log->userdata);
}

static bool is_denied(const struct request *request)
{
        return request->status == REQUEST_FAILED &&
               request->code == NX_REQUEST_ERROR_AUTHORIZATION_REQUIRED;
}

static void forget_denied(struct request_log *log)
{
        struct request *request, *following;
        unsigned int n = 0;

        list_for_each (request, &log->requests, link)
                n += is_denied(request);
        list_for_each_safe (request, following, &log->requests, link) {
                if (n <= REQUESTS_DENIED)
                        return;
                if (!is_denied(request))
                        continue;
                request_free(request);
                log->n_requests--;
                n--;
        }
}

/* Those without an outcome are kept, however many there are. */
static void forget_old(struct request_log *log)
{
        struct request *request, *following;

        forget_denied(log);
        list_for_each_safe (request, following, &log->requests, link) {
                if (log->n_requests <= REQUESTS_KEPT)
                        return;
                if (!request_is_ended(request))
                        continue;
                request_free(request);
                log->n_requests--;
        }
}

static struct request *append_new(struct request_log *log, uint64_t number)
{
        struct request *request = calloc(1, sizeof(*request));

        if (!request)
                return NULL;
        request->number = number;
        list_append(&log->requests, &request->link);
        log->n_requests++;
        if (number > log->last_number)
                log->last_number = number;
        return request;
}

void request_log_skip(struct request_log *log, uint64_t number)
{
        if (number > log->last_number)
                log->last_number = number;
}

int request_log_add(struct request_log *log, enum request_kind kind, struct request **ret_request)
{
        struct request *request;

        if (log->n_pending >= REQUESTS_PENDING)
                return -EBUSY;
        request = append_new(log, log->last_number + 1);
        if (!request)
                return -ENOMEM;
        log->n_pending++;
        request->kind = kind;
        request->submitted_ns = clock_realtime_ns();
        forget_old(log);
        *ret_request = request;
        return 0;
}

struct request *request_log_find(const struct request_log *log, uint64_t number)
{
        struct request *request;

        list_for_each (request, &log->requests, link)
                if (request->number == number)
                        return request;
        return NULL;
}

void request_set_status(struct request_log *log, struct request *request,
                        enum request_status status)
{
        if (request_is_ended(request))
                return;
        request->status = status;
        changed(log, request);
}

static void end(struct request_log *log, struct request *request, enum request_status status,
                enum nx_request_error code, char *message)
{
        if (request_is_ended(request)) {
                free(message);
                return;
        }
        request->status = status;
        request->code = code;
        request->ended_ns = clock_realtime_ns();
        free(request->message);
        request->message = message;
        log->n_pending--;
        forget_denied(log);
        log_info("request %llu (%s %s) %s%s%s", (unsigned long long)request->number,
                 kinds[request->kind], request->identifier ?: request->source ?: "?",
                 statuses[status], message ? ": " : "", message ?: "");
        changed(log, request);
}

void request_finish(struct request_log *log, struct request *request, char *message)
{
        end(log, request, REQUEST_FINISHED, 0, message);
}

void request_fail(struct request_log *log, struct request *request, enum nx_request_error code,
                  char *message)
{
        end(log, request, REQUEST_FAILED, code, message);
}

static char *copy_text(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));

        return text ? strdup(text) : NULL;
}

static void fill(struct request *request, const json_t *object, int kind, int status)
{
        char **const texts[] = { &request->source,  &request->identifier, &request->team,
                                 &request->version, &request->digest,     &request->replaced,
                                 &request->message };
        static const char *const keys[ARRAY_SIZE(texts)] = { "source",  "identifier", "team",
                                                             "version", "digest",     "replaced",
                                                             "message" };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                free(*texts[i]);
                *texts[i] = copy_text(object, keys[i]);
        }
        request->kind = (enum request_kind)kind;
        request->status = (enum request_status)status;
        request->content_changed = json_is_true(json_object_get(object, "content_changed"));
        request->code = (enum nx_request_error)json_integer_value(json_object_get(object, "code"));
        request->submitted_ns =
                (uint64_t)json_integer_value(json_object_get(object, "submitted_ns"));
        request->ended_ns = (uint64_t)json_integer_value(json_object_get(object, "ended_ns"));
}

/* 0; -EBADMSG: this is no line of ours. */
static int read_line(struct request_log *log, const char *line)
{
        _cleanup_(cleanup_json) json_t *object = json_loads(line, 0, NULL);
        json_int_t number = json_integer_value(json_object_get(object, "request"));
        int kind = find_word(kinds, _REQUEST_KIND_MAX,
                             json_string_value(json_object_get(object, "kind")));
        int status = find_word(statuses, _REQUEST_STATUS_MAX,
                               json_string_value(json_object_get(object, "status")));
        struct request *request;

        if (number <= 0 || kind < 0 || status < 0)
                return -EBADMSG;
        request = request_log_find(log, (uint64_t)number) ?: append_new(log, (uint64_t)number);
        if (!request)
                return -ENOMEM;
        fill(request, object, kind, status);
        return 0;
}

/* True where every line, but perhaps the last, is one of ours: that one may have been cut off. */
static bool read_lines(struct request_log *log, FILE *in)
{
        _cleanup_free_ char *line = NULL;
        unsigned int n_lost = 0;
        bool is_cut = false;
        size_t size = 0;
        ssize_t length;

        while ((length = getline(&line, &size, in)) > 0) {
                if (read_line(log, line) >= 0)
                        continue;
                is_cut = line[length - 1] != '\n';
                n_lost++;
        }
        if (n_lost)
                log_warning("%u lines of the requests' journal cannot be read", n_lost);
        return !ferror(in) && n_lost == is_cut;
}

/* What was lost is lost; the rest is written anew, and numbers are not given away again. */
static void put_aside(struct request_log *log)
{
        _cleanup_free_ char *aside = NULL;
        int r;

        r = staged_put_aside(log->store_fd, JOURNAL, &aside);
        if (r < 0)
                log_error("the requests' journal is damaged and cannot be put aside: %s",
                          strerror(-r));
        else
                log_error("the requests' journal was damaged, and is %s now: what became of some "
                          "requests is not known any more",
                          aside);
        r = rewrite(log);
        if (r < 0)
                log_error("cannot write the requests' journal anew: %s", strerror(-r));
}

int request_log_open(struct request_log *log, int store_fd, request_changed_fn *changed_fn,
                     void *userdata)
{
        int fd = staged_read_file(store_fd, JOURNAL);
        _cleanup_file_ FILE *in = fd < 0 ? NULL : fdopen(fd, "r");
        struct request *request;

        log->store_fd = store_fd;
        log->changed_fn = changed_fn;
        log->userdata = userdata;
        if (fd == -ENOENT)
                return 0;
        if (!in || !read_lines(log, in))
                put_aside(log);
        list_for_each (request, &log->requests, link)
                log->n_pending += !request_is_ended(request);
        forget_old(log);
        return 0;
}
