/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Requests. The bundle travels as a descriptor, opened here by the rights of the caller. Waiting is
 * following: netextd sends the record each time the request comes further. Who follows is told by
 * the answer how it is now, so nothing is missed in between.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include <netext/activation.h>

#include "sdk/manager.h"
#include "sdk/public.h"
#include "wire/names.h"

static const char *const replace_words[] = {
        [NX_REPLACE_ASK] = "ask",
        [NX_REPLACE_YES] = "yes",
        [NX_REPLACE_NO] = "no",
        [NX_REPLACE_NEWER] = "newer",
};

_public_ const char *nx_request_error_to_string(enum nx_request_error error)
{
        return wire_name_to_string(wire_request_errors, (int)error);
}

/* An answer that is one number. */
static int ask_number(struct nx_manager *manager, sd_bus_message *call, uint64_t *ret_number)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint64_t number;
        int r;

        r = sd_bus_call(manager->bus, call, UINT64_MAX, &error, &reply);
        if (r < 0 && error.message && sd_bus_is_open(manager->bus) > 0)
                return manager_fail(manager, r, "%s", error.message);
        if (r >= 0)
                r = sd_bus_message_read(reply, "t", &number);
        if (r < 0)
                return manager_fail_bus(manager, r);
        *ret_number = number;
        return 0;
}

static int send_activation(struct nx_manager *manager, int fd, const char *path,
                           enum nx_replace replace, uint64_t *ret_request)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = manager_new_call(manager, "ActivateExtension", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "hss", fd, path, replace_words[replace]);
        return r < 0 ? manager_fail_bus(manager, r) : ask_number(manager, call, ret_request);
}

_public_ int nx_manager_activate(struct nx_manager *manager, const struct nx_activation *activation,
                                 uint64_t *ret_request)
{
        _cleanup_fd_ int fd = -1;

        if (activation->size < sizeof(size_t) + sizeof(char *) || !activation->path)
                return manager_fail(manager, -EINVAL, "An activation needs the path of a bundle");
        if ((unsigned int)activation->replace >= ARRAY_SIZE(replace_words))
                return manager_fail(manager, -EINVAL, "%d is no way to replace",
                                    activation->replace);
        fd = open(activation->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return manager_fail(manager, -errno, "Cannot open %s: %s", activation->path,
                                    strerror(errno));
        return send_activation(manager, fd, activation->path, activation->replace, ret_request);
}

static int ask_for_number(struct nx_manager *manager, const char *method, const char *extension,
                          uint64_t *ret_number)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        r = manager_new_call(manager, method, &call);
        if (r < 0)
                return r;
        r = extension ? sd_bus_message_append(call, "s", extension) : 0;
        return r < 0 ? manager_fail_bus(manager, r) : ask_number(manager, call, ret_number);
}

_public_ int nx_manager_deactivate(struct nx_manager *manager, const char *extension,
                                   uint64_t *ret_request)
{
        return ask_for_number(manager, "DeactivateExtension", extension, ret_request);
}

_public_ int nx_manager_get_request(struct nx_manager *manager, uint64_t request,
                                    struct nx_list **ret_request)
{
        return manager_ask(manager, "GetRequest", "a{sv}", ret_request, "t", request);
}

_public_ int nx_manager_list_requests(struct nx_manager *manager, struct nx_list **ret_requests)
{
        return manager_ask(manager, "ListRequests", "aa{sv}", ret_requests, "");
}

_public_ int nx_manager_reply_to_request(struct nx_manager *manager, uint64_t request, bool replace)
{
        return manager_ask(manager, "ReplyToRequest", NULL, NULL, "tb", request, (int)replace);
}

/* --- waiting ------------------------------------------------------------------------------ */

struct waiting {
        struct nx_manager *manager;
        uint64_t request;
        const struct nx_request_handler *handler;
        struct nx_list *news; /* owned: the last record that came, not looked at yet */
        char status[32];      /* that was looked at */
};

static int take_event(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct waiting *waiting = userdata;
        struct nx_list *record;

        if (list_read(&record, message, "a{sv}") < 0)
                return 0;
        if (nx_properties_get_uint64(nx_list_get(record, 0), "request") != waiting->request) {
                nx_list_free(record);
                return 0;
        }
        nx_list_free(waiting->news);
        waiting->news = record;
        return 0;
}

static bool is_status(const struct nx_properties *record, const char *status)
{
        return strcmp(nx_properties_get_string(record, "status") ?: "", status) == 0;
}

/* Who else could have replied may have done so meanwhile. */
static int reply(struct waiting *waiting, const struct nx_properties *record)
{
        const struct nx_request_handler *handler = waiting->handler;
        bool replace = handler && handler->replace && handler->replace(record, handler->userdata);
        int r = nx_manager_reply_to_request(waiting->manager, waiting->request, replace);

        return r == -EALREADY ? 0 : r;
}

/* 1: that was the outcome. */
static int look(struct waiting *waiting, const struct nx_properties *record)
{
        const struct nx_request_handler *handler = waiting->handler;
        const char *status = nx_properties_get_string(record, "status") ?: "";

        if (is_status(record, "finished") || is_status(record, "failed"))
                return 1;
        if (strcmp(waiting->status, status) == 0)
                return 0;
        snprintf(waiting->status, sizeof(waiting->status), "%s", status);
        if (is_status(record, "needs-reply"))
                return reply(waiting, record);
        if (is_status(record, "needs-approval") && handler && handler->needs_approval)
                handler->needs_approval(record, handler->userdata);
        return 0;
}

static int wait_for_news(struct nx_manager *manager)
{
        struct pollfd poll_fd = {
                .fd = sd_bus_get_fd(manager->bus),
                .events = (short)sd_bus_get_events(manager->bus),
        };
        int r = sd_bus_process(manager->bus, NULL);

        if (r == 0 && poll(&poll_fd, 1, -1) < 0)
                r = -errno;
        if (r == -EINTR)
                return manager_fail(manager, r, "Interrupted by a signal; the request goes on");
        return r < 0 ? manager_fail_bus(manager, r) : 0;
}

static int wait_for_outcome(struct waiting *waiting, struct nx_list **ret_request)
{
        int r = 0;

        while (r == 0) {
                _cleanup_(cleanup_list) struct nx_list *record = take_ptr(waiting->news);

                if (!record) {
                        r = wait_for_news(waiting->manager);
                        continue;
                }
                r = look(waiting, nx_list_get(record, 0));
                if (r > 0)
                        *ret_request = take_ptr(record);
        }
        return r < 0 ? r : 0;
}

_public_ int nx_manager_wait_for_request(struct nx_manager *manager, uint64_t request,
                                         const struct nx_request_handler *handler,
                                         struct nx_list **ret_request)
{
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        struct waiting waiting = { manager, request, handler, NULL, "" };
        struct nx_list *now = NULL;
        int r;

        r = sd_bus_match_signal(manager->bus, &slot, NULL, MANAGER_OBJECT, MANAGER_INTERFACE,
                                "RequestEvent", take_event, &waiting);
        if (r < 0)
                return manager_fail_bus(manager, r);
        r = manager_ask(manager, "FollowRequest", "a{sv}", &now, "t", request);
        if (r < 0)
                return r;
        waiting.news = now;
        r = wait_for_outcome(&waiting, ret_request);
        nx_list_free(waiting.news);
        return r;
}

/* --- installed extensions ----------------------------------------------------------------- */

_public_ int nx_manager_list_extensions(struct nx_manager *manager, struct nx_list **ret_extensions)
{
        return manager_ask(manager, "ListExtensions", "aa{sv}", ret_extensions, "s", "");
}

_public_ int nx_manager_get_extension(struct nx_manager *manager, const char *extension,
                                      struct nx_list **ret_extension)
{
        return manager_ask(manager, "ListExtensions", "aa{sv}", ret_extension, "s", extension);
}

_public_ int nx_manager_explain_extension(struct nx_manager *manager, const char *extension,
                                          struct nx_list **ret_checks)
{
        return manager_ask(manager, "ExplainExtension", "aa{sv}", ret_checks, "s", extension);
}

_public_ int nx_manager_inspect_extension(struct nx_manager *manager, const char *extension,
                                          struct nx_list **ret_capabilities)
{
        return manager_ask(manager, "InspectExtension", "aa{sv}", ret_capabilities, "s", extension);
}

_public_ int nx_manager_approve_extension(struct nx_manager *manager, const char *extension)
{
        return manager_ask(manager, "ApproveExtension", NULL, NULL, "s", extension);
}

_public_ int nx_manager_refuse_extension(struct nx_manager *manager, const char *extension)
{
        return manager_ask(manager, "RefuseExtension", NULL, NULL, "s", extension);
}

_public_ int nx_manager_switch_extension(struct nx_manager *manager, const char *extension, bool on)
{
        return manager_ask(manager, "SwitchExtension", NULL, NULL, "sb", extension, (int)on);
}

_public_ int nx_manager_reset_extensions(struct nx_manager *manager, uint64_t *ret_n)
{
        return ask_for_number(manager, "ResetExtensions", NULL, ret_n);
}

_public_ int nx_manager_collect_extensions(struct nx_manager *manager, uint64_t *ret_n)
{
        return ask_for_number(manager, "CollectExtensions", NULL, ret_n);
}

_public_ int nx_manager_set_developer_mode(struct nx_manager *manager, bool on)
{
        return manager_ask(manager, "SetDeveloperMode", NULL, NULL, "b", (int)on);
}

_public_ int nx_manager_get_developer_mode(struct nx_manager *manager, bool *ret_on)
{
        uint64_t on;
        int r = ask_for_number(manager, "GetDeveloperMode", NULL, &on);

        if (r >= 0)
                *ret_on = on;
        return r;
}

_public_ int nx_manager_list_policies(struct nx_manager *manager, struct nx_list **ret_files)
{
        return manager_ask(manager, "ListPolicies", "aa{sv}", ret_files, "");
}
