/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The table of endpoints knows names and who may use them, the extensions' table processes: here
 * a connection finds its process, and waits or fails with the state of the extension. While an
 * extension is replaced, what the version before declared stays in force until the new one runs.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "manager/endpoints.h"
#include "manager/store/life.h"

static const char *why_it_failed(const struct extension *extension)
{
        return extension_get_message(extension) ?: extension_get_last_exit(extension);
}

static int send_peer(struct extension *extension, const char *endpoint, const struct caller *caller,
                     int fd)
{
        struct wire_writer *writer = extension_begin(extension, NX_MSG_EXTENSION_ENDPOINT_PEER);

        if (!writer)
                return -EAGAIN;
        wire_put_string(writer, WIRE_ATTR_NAME, endpoint);
        wire_put(writer, WIRE_ATTR_PID, (uint64_t)caller->pid);
        wire_put(writer, WIRE_ATTR_STARTED_TICKS, caller->started_ticks);
        wire_put(writer, WIRE_ATTR_UID, caller->uid);
        wire_put(writer, WIRE_ATTR_GID, caller->gid);
        wire_put_string(writer, WIRE_ATTR_PROGRAM, caller->program);
        wire_put_string(writer, WIRE_ATTR_CGROUP, caller->cgroup);
        return extension_send(extension, fd);
}

static int hand_over(const char *identifier, const char *endpoint, const struct caller *caller,
                     int fd, char **ret_why, void *userdata)
{
        struct instance *instance = userdata;
        struct extension *extension = extension_table_find(&instance->extensions, identifier);

        if (!extension)
                return -EAGAIN; /* it is being made, or ends and takes its names with it */
        if (extension_is_ready(extension))
                return send_peer(extension, endpoint, caller, fd);
        if (extension_get_state(extension) != EXTENSION_FAILED)
                return -EAGAIN;
        *ret_why = strdup(why_it_failed(extension) ?: "it failed");
        return -EHOSTDOWN;
}

/* A uid of an extension is nobody else's. */
static const char *team_of(uid_t uid, void *userdata)
{
        struct instance *instance = userdata;

        return extension_table_team_of(&instance->extensions, uid);
}

static const struct endpoint_host host = {
        .hand_over = hand_over,
        .team_of = team_of,
};

/* NULL: it is anonymous, and has no endpoints whatever it calls itself. */
static const char *installed_identifier(const struct extension *extension)
{
        const struct extension_spec *spec = extension_get_spec(extension);

        return spec->team ? spec->identifier : NULL;
}

static void ready(struct extension *extension, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        if (identifier)
                endpoint_table_ready(&instance->endpoints, identifier);
}

static void down(struct extension *extension, const char *why, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        if (identifier && extension_get_state(extension) == EXTENSION_FAILED)
                endpoint_table_failed(&instance->endpoints, identifier,
                                      why_it_failed(extension) ?: why);
}

static int message(struct extension *extension, const struct wire_message *received, int *fd,
                   void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        const char *name = wire_get_string(received, WIRE_ATTR_NAME);

        switch (received->type) {
        case NX_MSG_MANAGER_ENDPOINT_TAKEN:
                if (identifier)
                        endpoint_table_taken(&instance->endpoints, identifier, name);
                return 0;
        case NX_MSG_MANAGER_ENDPOINT_WANTS_PEER:
                return identifier
                               ? endpoint_table_wants_peer(&instance->endpoints, identifier, name)
                               : 0;
        default:
                return -EPROTO;
        }
}

static void gone(struct extension *extension, void *userdata)
{
        struct instance *instance = userdata;
        const char *identifier = installed_identifier(extension);

        if (identifier && !instance->ending)
                endpoint_table_withdraw(&instance->endpoints, identifier);
}

static const struct extension_listener listener = {
        .ready = ready,
        .down = down,
        .message = message,
        .gone = gone,
};

int endpoints_open(struct instance *instance)
{
        int r;

        endpoint_table_init(&instance->endpoints, instance->event, instance->paths.endpoints, &host,
                            instance);
        r = endpoint_table_open(&instance->endpoints);
        if (r < 0) {
                log_error("cannot make %s: %s", instance->paths.endpoints, strerror(-r));
                return r;
        }
        extension_table_watch(&instance->extensions, &instance->endpoints_watch, &listener,
                              instance);
        return 0;
}

void endpoints_close(struct instance *instance)
{
        endpoint_table_deinit(&instance->endpoints);
}

void endpoints_declare(struct instance *instance, const struct manifest *manifest)
{
        _cleanup_free_ char *problem = NULL;

        if (endpoint_table_declare(&instance->endpoints, manifest->identifier, manifest->team,
                                   manifest->endpoints, manifest->n_endpoints, &problem) < 0)
                log_error("%s", problem ?: "no memory for endpoints");
}

void endpoints_begin(struct instance *instance, const struct manifest *manifest)
{
        if (!endpoint_table_has(&instance->endpoints, manifest->identifier))
                endpoints_declare(instance, manifest);
}

/* TEAM.identifier.name, of an extension that is installed? */
static bool is_installed(const char *name, void *userdata)
{
        struct instance *instance = userdata;
        struct life *life;

        list_for_each (life, &instance->store.lives, link) {
                const char *at = strchr(name, '.');
                size_t length = strlen(life->identifier);

                if (at && strncmp(at + 1, life->identifier, length) == 0 && at[1 + length] == '.')
                        return true;
        }
        return false;
}

void endpoints_sweep(struct instance *instance)
{
        endpoint_table_sweep(&instance->endpoints, is_installed, instance);
}
