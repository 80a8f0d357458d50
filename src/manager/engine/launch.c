/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What flowd is given: a uid of its own, four capabilities, the pin folder, the link to
 * us, the socket where a later netextd finds it, and the queue of its predecessor.
 */

#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "manager/engine/launch.h"
#include "manager/priv/folder.h"
#include "manager/priv/pins.h"
#include "manager/priv/spawn.h"
#include "manager/priv/user.h"

#define CAPABILITIES                                                                               \
        (1ULL << CAP_NET_ADMIN | 1ULL << CAP_NET_RAW | 1ULL << CAP_NET_BIND_SERVICE |              \
         1ULL << CAP_BPF | 1ULL << CAP_PERFMON)
#define ARGUMENTS_MAX 22

struct arguments {
        const char *argv[ARGUMENTS_MAX + 1];
        size_t n;
};

static void add(struct arguments *arguments, const char *option, const char *value)
{
        arguments->argv[arguments->n++] = option;
        if (value)
                arguments->argv[arguments->n++] = value;
}

/* The descriptors' numbers follow from the order of fds in spawn_flowd(). */
static struct arguments make_arguments(const struct engine *engine, const char *mark_mask)
{
        struct arguments arguments = {};

        add(&arguments, "netext-flowd", NULL);
        add(&arguments, "--instance", engine->options->instance);
        add(&arguments, "--cgroup", engine->paths->cgroup);
        add(&arguments, "--extension-cgroup", engine->paths->extension_cgroup);
        add(&arguments, "--mark-mask", mark_mask);
        add(&arguments, "--pin-dir", engine->pin_folder);
        add(&arguments, "--link-fd", "3");
        add(&arguments, "--listen-fd", "4");
        if (engine->queue_fd >= 0)
                add(&arguments, "--queue-fd", "5");
        if (engine->options->launchers)
                add(&arguments, "--launchers", engine->options->launchers);
        if (engine->options->debug)
                add(&arguments, "--debug", NULL);
        return arguments;
}

/* Puts what we were given at the end of an environment that has room for it. */
static void hand_on(const char *name, char *buffer, size_t size, const char **environment)
{
        const char *value = getenv(name);

        if (!value)
                return;
        snprintf(buffer, size, "%s=%s", name, value);
        while (*environment)
                environment++;
        *environment = buffer;
}

static int spawn_flowd(struct engine *engine, int link_fd, struct spawned *ret,
                       const char **ret_step)
{
        const char *environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL,
                                      NULL, NULL };
        const int fds[] = { link_fd, engine->listen_fd, engine->queue_fd };
        char mark_mask[16], journal[128], without[64];
        struct arguments arguments;
        struct spawn spawn = {
                .program = engine->paths->flowd_program,
                .environ = environment,
                .uid = engine->uid,
                .capabilities = CAPABILITIES,
                .cgroup_fd = -1,
                .fds = fds,
                .n_fds = engine->queue_fd >= 0 ? 3 : 2,
        };

        snprintf(mark_mask, sizeof(mark_mask), "0x%08x", engine->options->mark_mask);
        arguments = make_arguments(engine, mark_mask);
        spawn.argv = arguments.argv;
        hand_on("JOURNAL_STREAM", journal, sizeof(journal), environment);
        hand_on("NETEXT_WITHOUT", without, sizeof(without), environment);
        return spawn_prepare(&spawn, ret, ret_step);
}

static int prepare_flowd(struct engine *engine, int link_fd, struct spawned *ret,
                         const char **ret_step)
{
        _cleanup_fd_ int lock_fd = -1;
        int r;

        *ret_step = "get a user id of its own";
        lock_fd = user_lock();
        if (lock_fd < 0)
                return lock_fd;
        r = user_choose(engine->options->instance, "netext-flowd", NULL, 0, &engine->uid);
        if (r < 0)
                return r;
        *ret_step = "be given its pin folder";
        r = pins_give(engine->pin_folder, engine->uid);
        if (r < 0)
                return r;
        return spawn_flowd(engine, link_fd, ret, ret_step);
}

static int listen_for_ourselves(struct engine *engine)
{
        if (engine->listen_fd < 0)
                engine->listen_fd =
                        folder_listen(engine->paths->flowd_socket, SOCK_SEQPACKET, 0600);
        return engine->listen_fd < 0 ? engine->listen_fd : 0;
}

/* The process is written down before it runs; see priv/spawn.h. */
int engine_launch(struct engine *engine, int link_fd, process_ended_fn *ended_fn,
                  const char **ret_step)
{
        _cleanup_(spawn_cancel) struct spawned spawned = SPAWNED_NULL;
        int r;

        *ret_step = "get the socket we would come back to";
        r = listen_for_ourselves(engine);
        if (r < 0)
                return r;
        r = prepare_flowd(engine, link_fd, &spawned, ret_step);
        if (r < 0)
                return r;
        *ret_step = "be watched";
        r = process_open(&engine->process, engine->event, spawned.pid, 0, ended_fn, engine);
        if (r < 0)
                return r;
        engine->listener->changed(engine->userdata);
        *ret_step = "be executed";
        r = spawn_release(&spawned);
        if (r < 0)
                process_close(&engine->process);
        return r;
}
