/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The methods of org.netext1.Manager, and what sessions and the chain look like there. A method
 * whose handler is change_something() has a line in the table of changes, which says what it takes.
 */

#include <errno.h>
#include <string.h>

#include "manager/control/answer.h"
#include "manager/control/call.h"
#include "manager/control/configuration-reader.h"
#include "manager/control/control.h"
#include "manager/control/decisions.h"
#include "manager/control/extensions.h"
#include "manager/control/grants.h"
#include "manager/control/keys.h"
#include "manager/control/permission.h"
#include "manager/control/questions.h"
#include "manager/control/record.h"
#include "manager/control/requests.h"
#include "manager/control/rules.h"
#include "manager/control/sets.h"

static int start_session(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        struct control *control = client->control;
        _cleanup_configuration_ struct configuration configuration;
        _cleanup_free_ char *problem = NULL;
        struct session *session;
        int r;

        configuration_init(&configuration);
        if (control->ending)
                return control_refuse(message, -ESHUTDOWN, "this instance is ending");
        r = configuration_read(&configuration, message, control->paths->extensions_folder,
                               control->store, &problem);
        configuration.user = client->caller.uid;
        if (r >= 0)
                r = session_table_add(control->sessions, &configuration, &session, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        r = call_add(control, message, session, CALL_START);
        if (r < 0) {
                session_stop(session, NX_PROVIDER_STOP_USER_INITIATED);
                return control_refuse(message, r, "too many calls wait for sessions already");
        }
        session_start(session);
        return 1;
}

/* A policy may keep an extension from being disabled in this way. */
static int permit_stop(const struct control *control, const struct session *session,
                       char **ret_problem)
{
        const char *identifier = session->configuration.identifier;

        return identifier ? store_permit_stop(control->store, identifier, ret_problem) : 0;
}

/* The session that a call names; NULL: there is none, and this is what the call returns. */
static int read_session(sd_bus_message *message, struct client *client,
                        struct session **ret_session)
{
        const char *name;
        int r;

        *ret_session = NULL;
        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        *ret_session = session_table_find(client->control->sessions, name);
        if (!*ret_session)
                return control_refuse(message, -ENOENT, "there is no session \"%s\"", name);
        return 0;
}

static int stop_session(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_free_ char *problem = NULL;
        struct session *session;
        int r;

        r = read_session(message, client, &session);
        if (!session)
                return r;
        r = permit_stop(client->control, session, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        r = call_add(client->control, message, session, CALL_STOP);
        if (r < 0)
                return control_refuse(message, r, "too many calls wait for sessions already");
        session_stop(session, NX_PROVIDER_STOP_USER_INITIATED);
        return 1;
}

/* Who does not run, and so has nothing to lose, is simply started. */
static int restart_session(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_free_ char *problem = NULL;
        struct session *session;
        int r;

        r = read_session(message, client, &session);
        if (!session)
                return r;
        r = extension_replace(session->extension, &problem);
        if (r < 0)
                return control_refuse(message, r, "%s", problem ?: strerror(-r));
        r = call_add(client->control, message, session,
                     extension_is_being_replaced(session->extension) ? CALL_RESTART : CALL_START);
        if (r < 0)
                return control_refuse(message, r, "too many calls wait for sessions already");
        return 1;
}

/* What is not known yet, and the grade of what has none, is left out. */
static int append_kind(sd_bus_message *reply, const struct session *session)
{
        int kind = session_get_kind(session), grade = session_get_grade(session), r = 0;

        if (kind)
                r = record_put_string(reply, "kind", wire_name_to_string(wire_kinds, kind));
        if (r >= 0 && grade)
                r = record_put_string(reply, "grade", wire_name_to_string(wire_grades, grade));
        return r;
}

static int append_configuration(sd_bus_message *reply, const struct configuration *configuration)
{
        int r;

        r = record_put_int64(reply, "order", configuration->order);
        if (r >= 0)
                r = record_put_uint64(reply, "user", configuration->user);
        if (r >= 0)
                r = record_put_string(
                        reply, "fail_policy",
                        wire_name_to_string(wire_fail_policies, configuration->fail_policy));
        if (r >= 0)
                r = record_put_uint64(reply, "verdict_timeout_ms",
                                      configuration->verdict_timeout_ms);
        if (r >= 0)
                r = record_put_uint64(reply, "ready_timeout_ms", configuration->ready_timeout_ms);
        return r;
}

/* What an extension wrote may be about anybody: it is for root. */
static int append_process(sd_bus_message *reply, const struct extension *extension, bool for_root)
{
        _cleanup_free_ char *lines = for_root ? extension_get_last_lines(extension) : NULL;
        pid_t pid = extension_get_pid(extension);
        int r = 0;

        if (pid)
                r = record_put_uint64(reply, "uid", extension_get_uid(extension));
        if (pid && r >= 0)
                r = record_put_uint64(reply, "pid", (uint64_t)pid);
        if (r >= 0)
                r = record_put_uint64(reply, "restarts", extension_get_restarts(extension));
        if (r >= 0)
                r = record_put_string(reply, "last_exit", extension_get_last_exit(extension));
        if (r >= 0)
                r = record_put_uint64(reply, "leaving", extension_count_leaving(extension));
        return r < 0 ? r : record_put_string(reply, "last_lines", lines);
}

static int append_history(sd_bus_message *reply, const struct session *session, bool for_root)
{
        int r;

        r = append_process(reply, session->extension, for_root);
        if (r >= 0 && session->running_since_ns)
                r = record_put_uint64(reply, "running_since_ns", session->running_since_ns);
        return r < 0 ? r : record_put_string(reply, "message", session->message);
}

static int append_session(sd_bus_message *reply, const struct session *session, bool for_root)
{
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_string(reply, "name", session->name);
        if (r >= 0)
                r = record_put_string(reply, "extension", session->configuration.extension);
        if (r >= 0)
                r = record_put_string(reply, "state",
                                      wire_name_to_string(wire_session_states, session->state));
        if (r >= 0)
                r = append_kind(reply, session);
        if (r >= 0)
                r = append_configuration(reply, &session->configuration);
        if (r >= 0)
                r = append_history(reply, session, for_root);
        return r < 0 ? r : record_end(reply);
}

static int list_sessions(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        struct session *session;
        int r;

        r = record_list_new(message, &reply);
        if (r < 0)
                return r;
        list_for_each (session, &client->control->sessions->sessions, link) {
                r = append_session(reply, session, client_is_root(client));
                if (r < 0)
                        return r;
        }
        return record_list_send(reply);
}

static int append_place(sd_bus_message *reply, const struct session *session, uint64_t position)
{
        const struct configuration *configuration = &session->configuration;
        int r;

        r = record_begin(reply);
        if (r >= 0)
                r = record_put_uint64(reply, "position", position);
        if (r >= 0)
                r = record_put_string(reply, "session", session->name);
        if (r >= 0)
                r = append_kind(reply, session);
        if (r >= 0)
                r = record_put_int64(reply, "order", configuration->order);
        if (r >= 0)
                r = record_put_string(reply, "state",
                                      wire_name_to_string(wire_session_states, session->state));
        if (r >= 0)
                r = record_put_string(
                        reply, "fail_policy",
                        wire_name_to_string(wire_fail_policies, configuration->fail_policy));
        return r < 0 ? r : record_end(reply);
}

static int get_chain(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct client *client = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        struct session *chain[SESSIONS_MAX];
        size_t n;
        int r;

        n = session_table_get_chain(client->control->sessions, chain);
        r = record_list_new(message, &reply);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_place(reply, chain[i], i + 1);
        return r < 0 ? r : record_list_send(reply);
}

static int watch_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        int enable, r;

        r = sd_bus_message_read(message, "b", &enable);
        if (r < 0)
                return r;
        client_watch(userdata, enable);
        return sd_bus_reply_method_return(message, "");
}

static const struct change changes[] = {
        { "StartSession", AUTHORITY_SESSION_START, start_session },
        { "StopSession", AUTHORITY_SESSION_STOP, stop_session, "session" },
        { "RestartSession", AUTHORITY_SESSION_START, restart_session, "session" },
        { "PutSet", AUTHORITY_SET_CONFIGURE, sets_put, "set" },
        { "RemoveSet", AUTHORITY_SET_CONFIGURE, sets_remove, "set" },
        { "GetSet", AUTHORITY_SET_CONFIGURE, sets_get, "set" },
        { "ActivateExtension", AUTHORITY_EXTENSION_ACTIVATE, extensions_activate,
          .deny = extensions_deny_activation },
        { "DeactivateExtension", AUTHORITY_EXTENSION_DEACTIVATE, extensions_deactivate, "extension",
          extensions_deactivation_needs_authority, extensions_deny_deactivation },
        { "ApproveExtension", AUTHORITY_EXTENSION_APPROVE, decisions_take, "extension" },
        { "RefuseExtension", AUTHORITY_EXTENSION_APPROVE, decisions_take, "extension" },
        { "SwitchExtension", AUTHORITY_EXTENSION_CONFIGURE, decisions_take, "extension" },
        { "ResetExtensions", AUTHORITY_EXTENSION_DEACTIVATE, extensions_reset },
        { "CollectExtensions", AUTHORITY_EXTENSION_CONFIGURE, extensions_collect },
        { "SetDeveloperMode", AUTHORITY_EXTENSION_CONFIGURE, decisions_take },
        { "ReplyToRequest", AUTHORITY_EXTENSION_ACTIVATE, requests_reply },
        { "EndFlows", AUTHORITY_FLOW_END, answer_end_flows },
        { "RejudgeFlows", AUTHORITY_FLOW_END, answer_rejudge_flows },
        { "PutSecret", AUTHORITY_KEY_CONFIGURE, keys_put_secret, "extension" },
        { "RemoveSecret", AUTHORITY_KEY_CONFIGURE, keys_remove_secret, "extension" },
        { "ListSecrets", AUTHORITY_KEY_CONFIGURE, keys_list_secrets },
        { "GenerateKey", AUTHORITY_KEY_CONFIGURE, keys_generate, "extension" },
        { "ImportKey", AUTHORITY_KEY_CONFIGURE, keys_import, "extension" },
        { "RemoveKey", AUTHORITY_KEY_CONFIGURE, keys_remove, "extension" },
        { "ListKeys", AUTHORITY_KEY_CONFIGURE, keys_list },
        { "GetKey", AUTHORITY_KEY_CONFIGURE, keys_get, "extension" },
};

static int change_something(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const char *member = sd_bus_message_get_member(message);

        for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
                if (strcmp(changes[i].member, member) == 0)
                        return permission_ask(message, userdata, &changes[i]);
        return -ENOSYS;
}

/* What tells of everybody's programs, or of rules that name what is nobody else's affair. */
static const struct {
        const char *member;
        sd_bus_message_handler_t fn;
} of_root[] = {
        { "ListRules", rules_list },
        { "JudgeFlow", rules_judge },
        { "AttachPrompt", questions_attach_prompt },
        { "AnswerQuestion", questions_answer_question },
        { "ListQuestions", questions_list },
        { "ListAnswers", questions_list_answers },
        { "ForgetAnswer", questions_forget_answer },
};

static int for_root(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        const char *member = sd_bus_message_get_member(message);

        if (!client_is_root(userdata))
                return control_refuse(message, -EACCES,
                                      "only root may see rules and questions, and answer them");
        for (size_t i = 0; i < ARRAY_SIZE(of_root); i++)
                if (strcmp(of_root[i].member, member) == 0)
                        return of_root[i].fn(message, userdata, ret_error);
        return -ENOSYS;
}

const sd_bus_vtable manager_interface[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetStatus", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status),
                                answer_get_status, 0),
        SD_BUS_METHOD_WITH_ARGS("StartSession", SD_BUS_ARGS("a{sv}", configuration),
                                SD_BUS_NO_RESULT, change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("StopSession", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT,
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("RestartSession", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT,
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ListSessions", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", sessions),
                                list_sessions, 0),
        SD_BUS_METHOD_WITH_ARGS("GetChain", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", chain),
                                get_chain, 0),
        SD_BUS_METHOD_WITH_ARGS("PutSet", SD_BUS_ARGS("s", name, "as", lines), SD_BUS_NO_RESULT,
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("RemoveSet", SD_BUS_ARGS("s", name), SD_BUS_NO_RESULT,
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ListSets", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", sets),
                                sets_list, 0),
        SD_BUS_METHOD_WITH_ARGS("GetSet", SD_BUS_ARGS("s", name), SD_BUS_RESULT("aa{sv}", entries),
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ActivateExtension",
                                SD_BUS_ARGS("h", bundle, "s", source, "s", replace),
                                SD_BUS_RESULT("t", request), change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("DeactivateExtension", SD_BUS_ARGS("s", extension),
                                SD_BUS_RESULT("t", request), change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ApproveExtension", SD_BUS_ARGS("s", extension), SD_BUS_NO_RESULT,
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("RefuseExtension", SD_BUS_ARGS("s", extension), SD_BUS_NO_RESULT,
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("SwitchExtension", SD_BUS_ARGS("s", extension, "b", on),
                                SD_BUS_NO_RESULT, change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ListExtensions", SD_BUS_ARGS("s", extension),
                                SD_BUS_RESULT("aa{sv}", extensions), extensions_list, 0),
        SD_BUS_METHOD_WITH_ARGS("ExplainExtension", SD_BUS_ARGS("s", extension),
                                SD_BUS_RESULT("aa{sv}", checks), extensions_explain, 0),
        SD_BUS_METHOD_WITH_ARGS("InspectExtension", SD_BUS_ARGS("s", extension),
                                SD_BUS_RESULT("aa{sv}", capabilities), grants_list, 0),
        SD_BUS_METHOD_WITH_ARGS("ResetExtensions", SD_BUS_NO_ARGS, SD_BUS_RESULT("t", number),
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("CollectExtensions", SD_BUS_NO_ARGS, SD_BUS_RESULT("t", number),
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("SetDeveloperMode", SD_BUS_ARGS("b", on), SD_BUS_NO_RESULT,
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("GetDeveloperMode", SD_BUS_NO_ARGS, SD_BUS_RESULT("t", on),
                                extensions_get_developer, 0),
        SD_BUS_METHOD_WITH_ARGS("ListPolicies", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", files),
                                extensions_list_policies, 0),
        SD_BUS_METHOD_WITH_ARGS("GetRequest", SD_BUS_ARGS("t", request),
                                SD_BUS_RESULT("a{sv}", request), requests_get, 0),
        SD_BUS_METHOD_WITH_ARGS("ListRequests", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", requests),
                                requests_list, 0),
        SD_BUS_METHOD_WITH_ARGS("FollowRequest", SD_BUS_ARGS("t", request),
                                SD_BUS_RESULT("a{sv}", request), requests_follow, 0),
        SD_BUS_METHOD_WITH_ARGS("ReplyToRequest", SD_BUS_ARGS("t", request, "b", replace),
                                SD_BUS_NO_RESULT, change_something, 0),
        SD_BUS_SIGNAL_WITH_ARGS("RequestEvent", SD_BUS_ARGS("a{sv}", request), 0),
        SD_BUS_METHOD_WITH_ARGS("ListFlows", SD_BUS_ARGS("t", limit),
                                SD_BUS_RESULT("aa{sv}", flows), answer_list_flows, 0),
        SD_BUS_METHOD_WITH_ARGS("GetFlow", SD_BUS_ARGS("t", identifier),
                                SD_BUS_RESULT("a{sv}", flow), answer_get_flow, 0),
        SD_BUS_METHOD_WITH_ARGS(
                "EndFlows",
                SD_BUS_ARGS("t", identifier, "s", program, "s", remote_address, "q", remote_port),
                SD_BUS_RESULT("a{sv}", ended), change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("RejudgeFlows", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", counts),
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("WatchFlows", SD_BUS_ARGS("b", enable), SD_BUS_NO_RESULT,
                                watch_flows, 0),
        SD_BUS_METHOD_WITH_ARGS("PutSecret", SD_BUS_ARGS("s", extension, "s", name, "h", secret),
                                SD_BUS_NO_RESULT, change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("RemoveSecret", SD_BUS_ARGS("s", extension, "s", name),
                                SD_BUS_NO_RESULT, change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ListSecrets", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", secrets),
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("GenerateKey", SD_BUS_ARGS("s", extension, "s", name, "s", type),
                                SD_BUS_NO_RESULT, change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ImportKey", SD_BUS_ARGS("s", extension, "s", name, "h", file),
                                SD_BUS_NO_RESULT, change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("RemoveKey", SD_BUS_ARGS("s", extension, "s", name),
                                SD_BUS_NO_RESULT, change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ListKeys", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", keys),
                                change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("GetKey", SD_BUS_ARGS("s", extension, "s", name),
                                SD_BUS_RESULT("a{sv}", key), change_something, 0),
        SD_BUS_METHOD_WITH_ARGS("ListRules", SD_BUS_ARGS("s", session),
                                SD_BUS_RESULT("aa{sv}", rules), for_root, 0),
        SD_BUS_METHOD_WITH_ARGS("JudgeFlow", SD_BUS_ARGS("a{sv}", flow),
                                SD_BUS_RESULT("aa{sv}", sessions), for_root, 0),
        SD_BUS_METHOD_WITH_ARGS("AttachPrompt", SD_BUS_ARGS("b", enable), SD_BUS_NO_RESULT,
                                for_root, 0),
        SD_BUS_METHOD_WITH_ARGS("AnswerQuestion", SD_BUS_ARGS("t", question, "a{sv}", answer),
                                SD_BUS_NO_RESULT, for_root, 0),
        SD_BUS_METHOD_WITH_ARGS("ListQuestions", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", questions),
                                for_root, 0),
        SD_BUS_METHOD_WITH_ARGS("ListAnswers", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", answers),
                                for_root, 0),
        SD_BUS_METHOD_WITH_ARGS("ForgetAnswer", SD_BUS_ARGS("t", answer), SD_BUS_NO_RESULT,
                                for_root, 0),
        SD_BUS_SIGNAL_WITH_ARGS("QuestionEvent", SD_BUS_ARGS("a{sv}", question), 0),
        SD_BUS_SIGNAL_WITH_ARGS("FlowEvent", SD_BUS_ARGS("a{sv}", flow), 0),
        SD_BUS_VTABLE_END,
};
