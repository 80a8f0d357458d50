/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The manager half: D-Bus, peer to peer, on the instance's own socket. Calls are
 * synchronous and wait for as long as netextd takes; what netextd waits for itself (an
 * extension that gets ready) is bounded there. Its errors are sentences, which are
 * kept for nx_manager_get_error().
 */

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "footprint/footprint.h"
#include "sdk/check.h"
#include "sdk/manager.h"
#include "sdk/public.h"

int manager_fail(struct nx_manager *manager, int r, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(manager->error, sizeof(manager->error), format, args);
        va_end(args);
        return r;
}

int manager_fail_bus(struct nx_manager *manager, int r)
{
        if (r != -ENOMEM && sd_bus_is_open(manager->bus) <= 0)
                return manager_fail(manager, -EPIPE,
                                    "netextd closed the connection; its log says why");
        return manager_fail(manager, r, "Talking to netextd failed: %s", strerror(-r));
}

int manager_new_call(struct nx_manager *manager, const char *method, sd_bus_message **ret_call)
{
        int r;

        r = sd_bus_message_new_method_call(manager->bus, ret_call, NULL, MANAGER_OBJECT,
                                           MANAGER_INTERFACE, method);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(*ret_call,
                                                                       manager->is_interactive);
        return r < 0 ? manager_fail_bus(manager, r) : 0;
}

int manager_call(struct nx_manager *manager, sd_bus_message *call, const char *signature,
                 struct nx_list **ret_list)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call(manager->bus, call, UINT64_MAX, &error, &reply);
        if (r < 0 && error.message && sd_bus_is_open(manager->bus) > 0)
                return manager_fail(manager, r, "%s", error.message);
        if (r < 0)
                return manager_fail_bus(manager, r);
        if (!signature)
                return 0;
        r = list_read(ret_list, reply, signature);
        if (r == -EBADMSG)
                return manager_fail(manager, r,
                                    "libnetext does not understand netextd's answer; are the two "
                                    "of the same version?");
        return r < 0 ? manager_fail_bus(manager, r) : 0;
}

int manager_ask(struct nx_manager *manager, const char *method, const char *signature,
                struct nx_list **ret_list, const char *types, ...)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        va_list arguments;
        int r;

        r = manager_new_call(manager, method, &call);
        if (r < 0)
                return r;
        va_start(arguments, types);
        r = sd_bus_message_appendv(call, types, arguments);
        va_end(arguments);
        if (r < 0)
                return manager_fail_bus(manager, r);
        return manager_call(manager, call, signature, ret_list);
}

static int connect_to_instance(const char *instance)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = -1;

        snprintf(address.sun_path, sizeof(address.sun_path), FOOTPRINT_RUNTIME "/%s/control",
                 instance);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return take_fd(&fd);
}

static int manager_open(struct nx_manager *manager, const char *instance)
{
        _cleanup_fd_ int fd = -1;
        int r;

        fd = connect_to_instance(instance);
        if (fd < 0)
                return fd;
        r = sd_bus_new(&manager->bus);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(manager->bus, fd, fd);
        if (r < 0)
                return r;
        take_fd(&fd);
        return sd_bus_start(manager->bus);
}

static const char *explain_open(int r, const char *instance)
{
        static _Thread_local char problem[256];

        switch (r) {
        case -EINVAL:
                return "The name of an instance is 1 to 40 lower-case letters, digits and dashes";
        case -ENOENT:
        case -ECONNREFUSED:
                snprintf(problem, sizeof(problem),
                         "No netextd runs for the instance \"%s\"; "
                         "start it with: netextd --instance %s",
                         instance, instance);
                return problem;
        case -EACCES:
        case -EPERM:
                snprintf(problem, sizeof(problem),
                         "You may not reach the instance \"%s\" from here; try sudo", instance);
                return problem;
        default:
                snprintf(problem, sizeof(problem),
                         "Cannot connect to netextd of the instance \"%s\": %s", instance,
                         strerror(-r));
                return problem;
        }
}

_public_ int nx_manager_open(struct nx_manager **ret_manager, const char *instance,
                             const char **ret_problem)
{
        _cleanup_(cleanup_manager) struct nx_manager *manager = NULL;
        int r;

        manager = calloc(1, sizeof(*manager));
        if (!manager)
                r = -ENOMEM;
        else if (!name_is_valid(instance))
                r = -EINVAL;
        else
                r = manager_open(manager, instance);
        if (r < 0) {
                if (ret_problem)
                        *ret_problem = explain_open(r, instance);
                return r;
        }
        *ret_manager = take_ptr(manager);
        return 0;
}

_public_ struct nx_manager *nx_manager_close(struct nx_manager *manager)
{
        if (!manager)
                return NULL;
        sd_bus_slot_unref(manager->prompt_slot);
        sd_bus_flush_close_unref(manager->bus);
        free(manager);
        return NULL;
}

_public_ const char *nx_manager_get_error(struct nx_manager *manager)
{
        return manager->error[0] ? manager->error : "no error";
}

_public_ void nx_manager_set_interactive(struct nx_manager *manager, bool interactive)
{
        manager->is_interactive = interactive;
}

_public_ int nx_manager_get_status(struct nx_manager *manager, struct nx_list **ret_status)
{
        return manager_ask(manager, "GetStatus", "a{sv}", ret_status, "");
}

_public_ int nx_manager_list_sessions(struct nx_manager *manager, struct nx_list **ret_sessions)
{
        return manager_ask(manager, "ListSessions", "aa{sv}", ret_sessions, "");
}

_public_ int nx_manager_list_sets(struct nx_manager *manager, struct nx_list **ret_sets)
{
        return manager_ask(manager, "ListSets", "aa{sv}", ret_sets, "");
}

_public_ int nx_manager_get_chain(struct nx_manager *manager, struct nx_list **ret_chain)
{
        return manager_ask(manager, "GetChain", "aa{sv}", ret_chain, "");
}

_public_ int nx_manager_list_flows(struct nx_manager *manager, uint64_t limit,
                                   struct nx_list **ret_flows)
{
        _cleanup_(cleanup_list) struct nx_list *flows = NULL;
        int r;

        r = manager_ask(manager, "ListFlows", "aa{sv}", &flows, "t", limit);
        if (r >= 0 && manager->wants_packages)
                r = manager_add_packages(flows->objects, flows->n_objects);
        if (r < 0)
                return r;
        *ret_flows = take_ptr(flows);
        return 0;
}

/* Members that an older caller's struct does not have are 0. */
static int read_selection(const struct nx_flow_selection *given, struct nx_flow_selection *ret)
{
        size_t smallest =
                offsetof(struct nx_flow_selection, remote_port) + sizeof(ret->remote_port);

        if (given->size < smallest)
                return -EINVAL;
        *ret = (struct nx_flow_selection){};
        memcpy(ret, given, given->size < sizeof(*ret) ? given->size : sizeof(*ret));
        return 0;
}

_public_ int nx_manager_end_flows(struct nx_manager *manager,
                                  const struct nx_flow_selection *selection, uint64_t *ret_n_ended)
{
        _cleanup_(cleanup_list) struct nx_list *answer = NULL;
        struct nx_flow_selection which;
        int r;

        if (read_selection(selection, &which) < 0)
                return manager_fail(manager, -EINVAL,
                                    "struct nx_flow_selection is not initialised");
        r = manager_ask(manager, "EndFlows", "a{sv}", &answer, "tssq", which.identifier,
                        which.program ?: "", which.remote_address ?: "", which.remote_port);
        if (r < 0)
                return r;
        *ret_n_ended = nx_properties_get_uint64(nx_list_get(answer, 0), "flows_ended");
        return 0;
}

_public_ int nx_manager_rejudge_flows(struct nx_manager *manager, struct nx_list **ret_counts)
{
        return manager_ask(manager, "RejudgeFlows", "a{sv}", ret_counts, "");
}

_public_ int nx_manager_get_flow(struct nx_manager *manager, uint64_t identifier,
                                 struct nx_list **ret_flow)
{
        _cleanup_(cleanup_list) struct nx_list *flow = NULL;
        int r;

        r = manager_ask(manager, "GetFlow", "a{sv}", &flow, "t", identifier);
        if (r >= 0)
                r = manager_add_packages(flow->objects, flow->n_objects);
        if (r < 0)
                return r;
        *ret_flow = take_ptr(flow);
        return 0;
}
