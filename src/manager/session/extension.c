/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The extension as a process: its own uid, its own cgroup, no capabilities, and one
 * control channel on descriptor 3. What it says there is checked by the codec and by
 * the order hello → reports; what it makes us log is bounded. An extension that does
 * not read its channel is faulty, so nothing piles up for it.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <netext/netext.h>

#include "base/log.h"
#include "manager/loop/text.h"
#include "manager/loop/timer.h"
#include "manager/priv/cgroup.h"
#include "manager/priv/spawn.h"
#include "manager/priv/user.h"
#include "manager/session/extension.h"
#include "manager/session/kind.h"
#include "manager/session/table.h"

#define REPORTS_PER_SECOND 20

static void cgroup_name(const struct session *session, char buffer[static 16])
{
        snprintf(buffer, 16, "session-%u", session->slot);
}

int extension_open_cgroup(struct session *session)
{
        char name[16];

        if (session->cgroup_fd >= 0)
                return 0;
        cgroup_name(session, name);
        return cgroup_open(session->table->cgroup_fd, name, &session->cgroup_fd,
                           &session->cgroup_id);
}

int extension_remove_cgroup(struct session *session)
{
        char name[16];

        cgroup_name(session, name);
        return cgroup_remove(session->table->cgroup_fd, name);
}

static int prepare(struct session *session, int control_fd, struct spawned *ret,
                   const char **ret_step)
{
        const char *path = session->configuration.extension;
        const char *argv[] = { path, NULL };
        const char *environment[] = {
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
                "NETEXT_CONTROL_FD=3", NULL, NULL
        };
        _cleanup_free_ char *socket = NULL;
        _cleanup_fd_ int lock_fd = -1;
        int r;

        *ret_step = "get a user id of its own";
        if (asprintf(&socket, "NETEXT_EXTENSION_SOCKET=%s",
                     session->table->paths->extension_socket) < 0)
                return -ENOMEM;
        environment[3] = socket;
        lock_fd = user_lock();
        if (lock_fd < 0)
                return lock_fd;
        r = user_choose(session->table->instance, session->name, &session->uid);
        if (r < 0)
                return r;
        return spawn_prepare(
                &(struct spawn){
                        .program = path,
                        .argv = argv,
                        .environ = environment,
                        .uid = session->uid,
                        .cgroup_fd = session->cgroup_fd,
                        .fds = &control_fd,
                        .n_fds = 1,
                },
                ret, ret_step);
}

static void ended(const char *how, bool clean, void *userdata)
{
        struct session *session = userdata;

        peer_drain(&session->control); /* its last words may say why */
        extension_close(session);
        session_extension_ended(session, how);
}

/* The process is written down before it runs; see priv/spawn.h. */
static int run(struct session *session, int control_fd, const char **ret_step)
{
        _cleanup_(spawn_cancel) struct spawned spawned = SPAWNED_NULL;
        int r;

        *ret_step = "get a cgroup";
        r = extension_open_cgroup(session);
        if (r < 0)
                return r;
        (void)cgroup_kill(session->cgroup_fd); /* children that its predecessor left */
        r = prepare(session, control_fd, &spawned, ret_step);
        if (r < 0)
                return r;
        *ret_step = "be watched";
        r = process_open(&session->process, session->table->event, spawned.pid, 0, ended, session);
        if (r < 0)
                return r;
        session->table->listener->changed(session->table->userdata);
        *ret_step =
                "be executed by its own user (are its folders and libraries open to everybody?)";
        r = spawn_release(&spawned);
        if (r < 0)
                process_close(&session->process);
        return r;
}

int extension_spawn(struct session *session, char **ret_problem)
{
        _cleanup_fd_ int our_fd = -1, their_fd = -1;
        const char *step = "get its control channel";
        int pair[2], r;

        r = channel_pair(pair);
        if (r >= 0) {
                our_fd = pair[0];
                their_fd = pair[1];
                r = extension_attach(session, take_fd(&our_fd));
        }
        if (r >= 0)
                r = run(session, their_fd, &step);
        if (r < 0) {
                extension_close(session);
                return text_problem(ret_problem, r, "%s does not start: it could not %s: %s",
                                    session->configuration.extension, step, strerror(-r));
        }
        return 0;
}

int extension_adopt(struct session *session, pid_t pid, uint64_t started)
{
        return process_open(&session->process, session->table->event, pid, started, ended, session);
}

static bool accept_version(struct session *session, const struct wire_message *hello)
{
        uint64_t version = wire_get(hello, WIRE_ATTR_VERSION);

        if (version == WIRE_VERSION)
                return true;
        session_fault(session, -EPROTO,
                      "the extension speaks protocol version %llu, this netextd %d: build it "
                      "against this release",
                      (unsigned long long)version, WIRE_VERSION);
        return false;
}

/* A session that is not named after its extension has its name already. */
static bool accept_name(struct session *session, const struct wire_message *hello)
{
        const char *name = wire_get_string(hello, WIRE_ATTR_NAME);
        _cleanup_free_ char *clean = text_clean(name);
        bool is_named_after_it = !session->configuration.name;
        bool is_fixed = session->configuration.identifier || session->announced;

        if (!clean || !*name || strcmp(clean, name) != 0 || strlen(name) > 63)
                session_fault(session, -EINVAL, "the extension's identifier is not a usable name");
        else if (is_named_after_it && is_fixed && strcmp(session->name, name) != 0)
                session_fault(session, -EINVAL, "the extension calls itself \"%s\", not \"%s\"",
                              name, session->name);
        else if (is_named_after_it && session_table_rename(session->table, session, name) < 0)
                session_fault(session, -EEXIST,
                              "the extension calls itself \"%s\", and a session of that name is "
                              "there already; stop that first, or give this one a --name",
                              name);
        else
                return true;
        return false;
}

/* The kind stays once it is decided, also when another build of the extension takes over. */
static bool accept_kind(struct session *session, const struct wire_message *hello)
{
        _cleanup_free_ char *problem = NULL;
        int kind, r;

        r = kind_choose(session_get_kind(session), wire_get(hello, WIRE_ATTR_KINDS), &kind,
                        &problem);
        if (r >= 0)
                r = configuration_check_grade(&session->configuration, kind, &problem);
        if (r < 0) {
                session_fault(session, r, "%s", problem ?: strerror(-r));
                return false;
        }
        session->kind = kind;
        return true;
}

static int receive_hello(struct session *session, const struct wire_message *hello)
{
        if (accept_version(session, hello) && accept_name(session, hello) &&
            accept_kind(session, hello))
                session_greeted(session);
        return 0;
}

/* What an extension says beyond so many reports a second is of no use to anybody. */
static bool is_chatty(struct session *session)
{
        uint64_t now_ms = clock_now_ms();

        if (now_ms - session->reports_at_ms >= 1000) {
                if (session->n_reports > REPORTS_PER_SECOND)
                        log_warning("%s: %u more reports were dropped", session->name,
                                    session->n_reports - REPORTS_PER_SECOND);
                session->reports_at_ms = now_ms;
                session->n_reports = 0;
        }
        return session->n_reports++ >= REPORTS_PER_SECOND;
}

static int receive_report(struct session *session, const struct wire_message *message)
{
        uint64_t level = wire_get(message, WIRE_ATTR_COUNT);
        _cleanup_free_ char *text = NULL;

        if (level != NX_LEVEL_ERROR && level != NX_LEVEL_WARNING && level != NX_LEVEL_INFO)
                return -EPROTO;
        if (is_chatty(session))
                return 0;
        text = text_clean(wire_get_string(message, WIRE_ATTR_TEXT));
        if (!text)
                return 0;
        log_line((enum log_level)level, "%s: %s", session->name, text);
        free(session->message);
        session->message = take_ptr(text);
        return 0;
}

static int receive(const struct wire_message *message, int *fd, void *userdata)
{
        struct session *session = userdata;

        if (message->type == NX_MSG_MANAGER_EXTENSION_HELLO && !session->greeted)
                return receive_hello(session, message);
        if (message->type == NX_MSG_MANAGER_EXTENSION_REPORT && session->greeted)
                return receive_report(session, message);
        return -EPROTO;
}

static void lost(const char *why, void *userdata)
{
        session_control_lost(userdata, why);
}

int extension_attach(struct session *session, int fd)
{
        extension_close(session);
        return peer_open(&session->control, session->table->event, fd, receive, lost, session);
}

void extension_close(struct session *session)
{
        peer_close(&session->control);
        session->greeted = false;
}

static void send_file(struct session *session, const struct watched_file *file)
{
        _cleanup_fd_ int fd = watched_file_get_fd(file);
        struct wire_writer *writer;
        int r;

        if (fd < 0)
                return;
        if (channel_wants_write(&session->control.channel)) {
                session_fault(session, -ENOBUFS, "the extension does not read its control channel");
                return;
        }
        writer = peer_begin(&session->control, NX_MSG_EXTENSION_FILE, 0);
        wire_put_string(writer, WIRE_ATTR_NAME, file->configured->name);
        wire_put_string(writer, WIRE_ATTR_TEXT, file->configured->path);
        r = peer_send(&session->control, fd);
        if (r < 0)
                session_fault(session, r, "cannot send a file to the extension: %s", strerror(-r));
}

void extension_send_files(struct session *session)
{
        for (size_t i = 0; i < session->n_files && session->greeted; i++)
                send_file(session, &session->files[i]);
}

void extension_file_changed(struct watched_file *file, const char *problem, void *userdata)
{
        struct session *session = userdata;

        if (problem) {
                text_set(&session->message, "cannot read %s: %s; the extension keeps what it had",
                         file->configured->path, problem);
                log_warning("%s: %s", session->name, session->message);
                return;
        }
        log_info("%s: %s changed", session->name, file->configured->path);
        if (session->greeted)
                send_file(session, file);
}

int extension_send_channel(struct session *session, int fd)
{
        struct wire_writer *writer = peer_begin(&session->control, NX_MSG_EXTENSION_CHANNEL, 0);

        wire_put_string(writer, WIRE_ATTR_NAME, session->name);
        return peer_send(&session->control, fd);
}
