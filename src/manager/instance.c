/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Ties the parts together: the engine tells the sessions, the sessions tell the control
 * API, everything that changes is written down. The order of a life is
 *
 *      claim the runtime folder → flowd and sessions, found again or new → flowd is
 *      ready: control API opens, owner and service manager are told → … →
 *      instance_end(): sessions stop → flowd takes its kernel objects away → the loop
 *      ends → instance_free() takes the folders away.
 *
 * Killed in between, nothing of this happens: flowd and extensions go on, and the next
 * netextd of this instance starts from state.json (state.h). After an orderly end that is
 * gone, and what is kept of a configuration is in lasting.h.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "footprint/network.h"
#include "manager/asks.h"
#include "manager/installed.h"
#include "manager/endpoints.h"
#include "manager/engine/earlier.h"
#include "manager/instance.h"
#include "manager/keyring.h"
#include "manager/lasting.h"
#include "manager/loop/timer.h"
#include "manager/neighbours.h"
#include "manager/priv/cgroup.h"
#include "manager/priv/folder.h"
#include "manager/priv/pins.h"
#include "manager/priv/socket-folder.h"
#include "manager/signers.h"
#include "manager/state.h"

#define END_TIMEOUT_MS 60000 /* sessions, a flowd that is not ready in time, and one more */

DEFINE_CLEANUP(struct instance *, instance, instance_free)
DEFINE_CLEANUP(json_t *, json, json_decref)

/* What the next netextd has to know, if this one is killed or if it ends. */
static void instance_save(struct instance *instance)
{
        state_save(instance);
        lasting_save_sessions(instance);
}

/* Nothing of the instance is left to wait for. */
static void instance_exit(struct instance *instance)
{
        (void)sd_event_exit(instance->event, 0);
}

static void instance_quit_engine_at_last(struct instance *instance)
{
        if (instance->ending && list_is_empty(&instance->sessions.sessions) &&
            list_is_empty(&instance->extensions.extensions))
                engine_quit(&instance->engine);
}

static int end_late(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct instance *instance = userdata;

        log_error("the instance did not end in order within %d s: what is left is killed",
                  END_TIMEOUT_MS / 1000);
        instance->failed = true;
        instance_exit(instance);
        return 0;
}

static void instance_end(struct instance *instance, const char *why)
{
        if (instance->ending)
                return;
        log_info("instance %s ends: %s", instance->options.instance, why);
        instance->ending = instance->control.ending = true;
        if (timer_start(instance->event, &instance->deadline, END_TIMEOUT_MS, end_late, instance) <
            0)
                instance_exit(instance);
        (void)sd_notify(0, "STOPPING=1");
        store_end(&instance->store);
        session_table_stop_all(&instance->sessions, NULL, NX_PROVIDER_STOP_SHUTDOWN);
        extension_table_remove_all(&instance->extensions);
        instance_quit_engine_at_last(instance);
}

static void engine_is_changed(void *userdata)
{
        instance_save(userdata);
}

static void instance_tell_ready(struct instance *instance)
{
        instance->ready = true;
        log_info("instance %s is ready", instance->options.instance);
        (void)sd_notify(0, "READY=1");
        if (instance->options.owner_fd >= 0)
                (void)send(instance->options.owner_fd, "R", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void engine_is_ready(bool adopted, void *userdata)
{
        struct instance *instance = userdata;

        set_table_engine_ready(&instance->sets); /* before the rules that name them */
        signers_tell(instance);
        if (adopted)
                extension_table_engine_ready(&instance->extensions);
        session_table_engine_ready(&instance->sessions, adopted);
        instance_save(instance);
}

static void engine_is_in_force(void *userdata)
{
        struct instance *instance = userdata;
        int r;

        if (instance->ready)
                return;
        r = control_open(&instance->control);
        if (r < 0) {
                log_error("cannot listen on %s: %s", instance->paths.control_socket, strerror(-r));
                instance->failed = true;
                instance_end(instance, "nobody could reach it");
                return;
        }
        r = system_bus_open(&instance->system_bus, instance->event, &instance->control,
                            instance->options.instance);
        if (r < 0)
                log_warning("the control API is not on the system bus: %s", strerror(-r));
        instance_tell_ready(instance);
}

static void engine_has_died(void *userdata)
{
        struct instance *instance = userdata;

        session_table_engine_died(&instance->sessions);
}

static void engine_says_session_state(const struct wire_message *message, void *userdata)
{
        struct instance *instance = userdata;

        session_table_engine_state(&instance->sessions, message);
}

static void engine_says_flow_event(const struct wire_message *message, void *userdata)
{
        struct instance *instance = userdata;

        control_flow_event(&instance->control, message);
}

static void engine_is_gone(bool failed, void *userdata)
{
        struct instance *instance = userdata;

        if (failed && instance->ending)
                log_error("netext-flowd did not end in order: kernel objects of instance %s may be "
                          "left; netext-reset %s takes them away",
                          instance->options.instance, instance->options.instance);
        instance->failed |= failed;
        instance_exit(instance);
}

static const struct engine_listener engine_listener = {
        .ready = engine_is_ready,
        .in_force = engine_is_in_force,
        .died = engine_has_died,
        .changed = engine_is_changed,
        .session_state = engine_says_session_state,
        .flow_event = engine_says_flow_event,
        .gone = engine_is_gone,
};

static void session_is_changed(void *userdata)
{
        instance_save(userdata);
}

static void session_is_settled(struct session *session, int result, void *userdata)
{
        struct instance *instance = userdata;

        control_session_settled(&instance->control, session, result);
}

static void session_is_greeted(struct session *session, struct run *run, void *userdata)
{
        asks_greet(userdata, session, run);
}

static void session_is_gone(struct session *session, void *userdata)
{
        struct instance *instance = userdata;

        control_session_gone(&instance->control, session);
        instance_quit_engine_at_last(instance);
}

static const struct session_listener session_listener = {
        .make_extension = installed_make_extension,
        .changed = session_is_changed,
        .settled = session_is_settled,
        .greeted = session_is_greeted,
        .gone = session_is_gone,
};

static void extension_is_changed(struct extension *extension, void *userdata)
{
        instance_save(userdata);
}

static void extension_is_gone(struct extension *extension, void *userdata)
{
        struct instance *instance = userdata;

        instance_save(instance);
        instance_quit_engine_at_last(instance);
}

static void extension_is_settled(struct extension *extension, int result, void *userdata)
{
        struct instance *instance = userdata;

        control_extension_settled(&instance->control, extension, result);
}

static const struct extension_listener extension_listener = {
        .changed = extension_is_changed,
        .settled = extension_is_settled,
        .gone = extension_is_gone,
};

static void sets_are_changed(void *userdata)
{
        state_save_sets(userdata);
        lasting_save_sets(userdata);
}

static void request_is_changed(struct request *request, void *userdata)
{
        struct instance *instance = userdata;

        policy_folder_keep(&instance->policies); /* the first one made the state directory */
        control_request_changed(&instance->control, request);
}

static bool request_has_audience(uint64_t request, void *userdata)
{
        struct instance *instance = userdata;

        return control_has_audience(&instance->control, request);
}

static void store_is_changed(void *userdata)
{
        signers_tell(userdata);
}

static const struct store_listener store_listener = {
        .request = request_is_changed,
        .changed = store_is_changed,
        .has_audience = request_has_audience,
};

static void policies_are_changed(void *userdata)
{
        struct instance *instance = userdata;

        store_policy_changed(&instance->store);
}

static int open_store(struct instance *instance)
{
        installed_init(instance);
        policy_folder_open(&instance->policies, instance->event, instance->options.policy_directory,
                           instance->paths.state_directory, policies_are_changed, instance);
        return store_open(&instance->store,
                          &(struct store_place){
                                  .event = instance->event,
                                  .program = instance->paths.bundle_program,
                                  .instance = instance->options.instance,
                                  .trust_directory = instance->options.trust_directory,
                          },
                          instance->paths.state_directory, &instance->policies.policy,
                          &installed_runner, &store_listener, instance);
}

static int handle_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                         void *userdata)
{
        instance_end(userdata, strsignal((int)info->ssi_signo));
        return 0;
}

static int handle_owner(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        char ignored[64];
        ssize_t n;

        n = recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT);
        if (n > 0 || (n < 0 && errno == EAGAIN))
                return 0;
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        instance_end(userdata, "its owner is gone");
        return 0;
}

static int instance_open_loop(struct instance *instance)
{
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
        sigset_t blocked;
        int r;

        sigemptyset(&blocked);
        sigaddset(&blocked, SIGCHLD); /* engine/watchdog.c */
        for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
                sigaddset(&blocked, signals[i]);
        (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
        (void)signal(SIGPIPE, SIG_IGN); /* stderr may be a pipe whose reader left */
        r = sd_event_new(&instance->event);
        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(signals); i++)
                r = sd_event_add_signal(instance->event, NULL, signals[i], handle_signal, instance);
        if (r >= 0 && instance->options.owner_fd >= 0)
                r = sd_event_add_io(instance->event, &instance->owner, instance->options.owner_fd,
                                    EPOLLIN, handle_owner, instance);
        if (r < 0)
                log_error("cannot set up the event loop: %s", strerror(-r));
        return r;
}

int instance_new(struct instance **ret, const struct options *options)
{
        _cleanup_(cleanup_instance) struct instance *instance = calloc(1, sizeof(*instance));
        struct stat network;
        int r;

        if (!instance)
                return -ENOMEM;
        instance->options = *options;
        instance->lock_fd = -1;
        engine_init(&instance->engine, NULL, NULL, NULL, NULL, NULL, NULL);
        extension_table_init(&instance->extensions, NULL, NULL, NULL, NULL, -1);
        session_table_init(&instance->sessions, NULL, NULL, NULL, NULL, NULL);
        set_table_init(&instance->sets, &instance->engine, sets_are_changed, instance);
        policy_folder_init(&instance->policies);
        store_init(&instance->store);
        keys_init(&instance->keys, NULL, NULL, NULL, NULL);
        list_init(&instance->key_calls);
        questions_init(&instance->questions, NULL, NULL);
        control_init(&instance->control, NULL, NULL, NULL, NULL, NULL, &instance->store,
                     &instance->endpoints, &instance->questions, &instance->keys,
                     &instance->engine);
        if (stat("/proc/self/ns/net", &network) < 0) {
                log_error("/proc is not mounted: %s", strerror(errno));
                return -errno;
        }
        instance->network = network.st_ino;
        instance->network_cookie = network_cookie();
        r = paths_init(&instance->paths, options);
        if (r >= 0)
                r = instance_open_loop(instance);
        if (r < 0)
                return r;
        *ret = take_ptr(instance);
        return 0;
}

int instance_claim(struct instance *instance)
{
        pid_t holder = 0;
        int r;

        r = folder_claim(instance->paths.folder, &instance->lock_fd, &holder);
        if (r == -EBUSY)
                log_error(
                        "instance %s runs already (netextd, pid %d); end that one, or give another "
                        "name with --instance",
                        instance->options.instance, holder);
        else if (r < 0)
                log_error("cannot make %s: %s", instance->paths.folder, strerror(-r));
        return r;
}

static int instance_open_folders(struct instance *instance)
{
        const char *cgroup = instance->paths.extension_cgroup;
        int cgroup_fd, r;

        cgroup_fd = cgroup_make_folder(cgroup, &instance->made_extension_cgroup);
        if (cgroup_fd < 0) {
                log_error("cannot make the extensions' cgroup %s: %s; give one in a cgroup v2 "
                          "hierarchy "
                          "with --extension-cgroup",
                          cgroup, strerror(-cgroup_fd));
                return cgroup_fd;
        }
        /* The one that bears our name is ours, whoever of us made it. */
        instance->made_extension_cgroup |= !instance->options.extension_cgroup;
        extension_table_init(&instance->extensions, instance->event, instance->options.instance,
                             &instance->paths, &instance->engine, cgroup_fd);
        extension_table_watch(&instance->extensions, &instance->watch, &extension_listener,
                              instance);
        session_table_init(&instance->sessions, instance->event, &instance->extensions,
                           &instance->engine, &session_listener, instance);
        asks_open(instance);
        keyring_open(instance);
        r = endpoints_open(instance);
        if (r < 0)
                return r;
        r = pins_open(instance->options.instance, instance->paths.folder, &instance->pin_folder);
        if (r < 0)
                log_error("cannot make a folder in a bpffs for pinned BPF objects: %s",
                          strerror(-r));
        return r;
}

/* A netextd that was killed left more than one that ended. What runs of neither is swept in
 * between: a kept extension begins in an empty cgroup. */
static void restore(struct instance *instance, const json_t *state)
{
        if (state_restore_sets(instance) != 0)
                lasting_restore_sets(instance);
        if (state)
                state_restore_sessions(instance, state);
        extension_table_sweep(&instance->extensions);
        if (!state)
                lasting_restore_sessions(instance);
}

static void resume(struct instance *instance)
{
        session_table_resume(&instance->sessions);
        extension_table_resume(&instance->extensions);
}

static int instance_start_parts(struct instance *instance, const json_t *state)
{
        int r;

        engine_init(&instance->engine, instance->event, &instance->options, &instance->paths,
                    instance->pin_folder, &engine_listener, instance);
        control_init(&instance->control, instance->event, &instance->options, &instance->paths,
                     &instance->sessions, &instance->sets, &instance->store, &instance->endpoints,
                     &instance->questions, &instance->keys, &instance->engine);
        r = open_store(instance);
        if (r < 0)
                return r;
        keyring_start(instance);
        restore(instance, state);
        r = extension_table_listen(&instance->extensions);
        if (r < 0) {
                log_error("cannot listen on %s: %s", instance->paths.extension_socket,
                          strerror(-r));
                return r;
        }
        r = state ? state_restore_engine(instance, state) : engine_start(&instance->engine);
        if (r < 0)
                return r;
        if (state)
                resume(instance);
        else
                lasting_start(instance);
        r = store_take_up(&instance->store);
        if (r < 0)
                return r;
        asks_load(instance);
        endpoints_sweep(instance);
        instance->keeps = instance->options.keep_configuration;
        return r;
}

/* Of what an earlier netextd ran, flowd ends in order; who is left in the extensions' cgroups is
 * swept with them. */
static int start_over(struct instance *instance)
{
        int r;

        r = earlier_end(instance->paths.flowd_socket);
        if (r < 0) {
                log_error("the netext-flowd of an earlier netextd does not end: %s; have "
                          "netext-reset %s take away what is there",
                          strerror(-r), instance->options.instance);
                return r;
        }
        return state_put_aside(instance);
}

int instance_start(struct instance *instance)
{
        _cleanup_(cleanup_json) json_t *state = NULL;
        int r;

        r = state_load(instance, &state);
        if (r == STATE_E_DAMAGED)
                r = start_over(instance);
        if (r < 0)
                return r;
        instance->owns = true;
        r = state ? 0 : neighbours_check(instance);
        if (r >= 0)
                r = instance_open_folders(instance);
        return r < 0 ? r : instance_start_parts(instance, state);
}

int instance_run(struct instance *instance)
{
        int r;

        r = sd_event_loop(instance->event);
        if (r < 0)
                log_error("the event loop failed: %s", strerror(-r));
        return r < 0 ? r : instance->failed ? -EIO : 0;
}

/* Beyond an orderly end only what did not want to end is killed here. */
static void instance_take_away(struct instance *instance)
{
        if (instance->extensions.cgroup_fd >= 0)
                extension_table_sweep(&instance->extensions);
        process_signal(&instance->engine.process, SIGKILL);
        if (instance->made_extension_cgroup)
                cgroup_remove_folder(instance->paths.extension_cgroup);
        if (instance->pin_folder)
                pins_remove(instance->pin_folder, instance->paths.folder);
        socket_folder_remove_all(instance->paths.endpoints);
        folder_remove(instance->paths.folder);
}

struct instance *instance_free(struct instance *instance)
{
        if (!instance)
                return NULL;
        session_table_deinit(&instance->sessions);
        asks_close(instance);
        keyring_close(instance);
        endpoints_close(instance);
        extension_table_drop_all(&instance->extensions);
        if (instance->owns)
                instance_take_away(instance);
        engine_deinit(&instance->engine);
        system_bus_close(&instance->system_bus);
        control_deinit(&instance->control);
        store_deinit(&instance->store);
        policy_folder_deinit(&instance->policies);
        extension_table_deinit(&instance->extensions);
        set_table_deinit(&instance->sets);
        close_fd(instance->lock_fd);
        timer_stop(&instance->deadline);
        timer_stop(&instance->signers_again);
        sd_event_source_unref(instance->owner);
        sd_event_unref(instance->event);
        paths_deinit(&instance->paths);
        free(instance->pin_folder);
        free(instance->lasting_sessions);
        free(instance);
        return NULL;
}
