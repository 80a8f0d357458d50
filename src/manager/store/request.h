/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What was asked for, by number, and what came of it. Each request has one outcome, which stays to
 * be read when whoever asked is gone: the last REQUESTS_KEPT are kept, over restarts.
 */

#include <stdbool.h>
#include <stdint.h>

#include <netext/activation.h>

#include "base/list.h"

#define REQUESTS_KEPT    1000
#define REQUESTS_PENDING 1000 /* without an outcome; more are refused */
#define REQUESTS_DENIED  50   /* kept of those that anybody can make: they push no others out */

enum request_kind {
        REQUEST_ACTIVATE,
        REQUEST_DEACTIVATE,
        _REQUEST_KIND_MAX,
};

enum request_status {
        REQUEST_QUEUED,         /* others are being looked at */
        REQUEST_VALIDATING,     /* the bundle is copied and verified */
        REQUEST_WAITING,        /* an earlier one for the same identifier is being carried out */
        REQUEST_NEEDS_REPLY,    /* replace or cancel? */
        REQUEST_NEEDS_APPROVAL, /* by an administrator, or by policy */
        REQUEST_ENABLING,
        REQUEST_REMOVING,
        REQUEST_FINISHED,
        REQUEST_FAILED,
        _REQUEST_STATUS_MAX,
};

/* What whoever asks wants where another copy of the same identifier is active. */
enum request_replace {
        REPLACE_ASK,
        REPLACE_YES,
        REPLACE_NO,
        REPLACE_NEWER, /* yes where the version is higher */
        _REPLACE_MAX,
};

struct request {
        struct list link; /* request_log.requests, oldest first */
        uint64_t number;
        enum request_kind kind;
        enum request_status status;
        enum request_replace replace;
        char *source;     /* what the client calls it; NULL for a deactivation */
        char *identifier; /* NULL until it is known, like the next four */
        char *team;
        char *version; /* "1.0 (17)" */
        char *digest;
        char *replaced;             /* the version that is there already */
        bool content_changed;       /* that is the same, and its content is not */
        enum nx_request_error code; /* 0: none */
        char *message;              /* what people should know; NULL: nothing */
        uint64_t submitted_ns;      /* CLOCK_REALTIME */
        uint64_t ended_ns;          /* 0: not yet */
};

struct request_log;

/* A request has changed. It may be ended(), and then it is for good. */
typedef void request_changed_fn(struct request *request, void *userdata);

struct request_log {
        struct list requests; /* request.link */
        unsigned int n_requests;
        unsigned int n_pending;
        uint64_t last_number;
        int store_fd; /* borrowed; -1: nothing is written down */
        int fd;       /* the journal, opened at the first change */
        unsigned int n_lines;
        request_changed_fn *changed_fn;
        void *userdata;
};

void request_log_init(struct request_log *log);
void request_log_deinit(struct request_log *log);
/* Reads the journal of an earlier netextd, as far as it can be read. 0. */
int request_log_open(struct request_log *log, int store_fd, request_changed_fn *changed_fn,
                     void *userdata);

/* That number was given to a request, of which nothing may be known any more. */
void request_log_skip(struct request_log *log, uint64_t number);
/* -EBUSY: REQUESTS_PENDING have no outcome yet. */
int request_log_add(struct request_log *log, enum request_kind kind, struct request **ret_request);
struct request *request_log_find(const struct request_log *log, uint64_t number);

/* Each writes the change down and tells of it. */
void request_set_status(struct request_log *log, struct request *request,
                        enum request_status status);
/* The outcome. message is taken over; it may be NULL. Nothing is changed by a second one. */
void request_finish(struct request_log *log, struct request *request, char *message);
void request_fail(struct request_log *log, struct request *request, enum nx_request_error code,
                  char *message);

static inline bool request_is_ended(const struct request *request)
{
        return request->status == REQUEST_FINISHED || request->status == REQUEST_FAILED;
}

const char *request_kind_to_string(enum request_kind kind);
const char *request_status_to_string(enum request_status status);
