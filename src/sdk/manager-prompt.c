/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Questions come as signals, and are handled when the caller dispatches. A call that waits for its
 * answer reads past them; sd-bus keeps what it read until then.
 */

#include <errno.h>

#include <netext/prompt.h>

#include "sdk/check.h"
#include "sdk/manager.h"
#include "sdk/public.h"
#include "wire/names.h"

_Static_assert(NX_LIFETIME_ONCE == (int)WIRE_LIFETIME_ONCE, "one set of numbers");
_Static_assert(NX_LIFETIME_RUN == (int)WIRE_LIFETIME_RUN, "one set of numbers");
_Static_assert(NX_LIFETIME_EVER == (int)WIRE_LIFETIME_EVER, "one set of numbers");

static int handle_event(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct nx_manager *manager = userdata;
        struct nx_properties event;

        if (properties_read(&event, message) < 0)
                return 0; /* of a later version, perhaps */
        manager->prompt_fn(&event, manager->prompt_userdata);
        properties_deinit(&event);
        return 0;
}

_public_ int nx_manager_attach_prompt(struct nx_manager *manager, nx_question_event_fn *fn,
                                      void *userdata)
{
        int r;

        if (manager->prompt_fn)
                return manager_fail(manager, -EALREADY, "The prompt is attached already");
        r = sd_bus_match_signal(manager->bus, &manager->prompt_slot, NULL, MANAGER_OBJECT,
                                MANAGER_INTERFACE, "QuestionEvent", handle_event, manager);
        if (r < 0)
                return manager_fail_bus(manager, r);
        manager->prompt_fn = fn;
        manager->prompt_userdata = userdata;
        r = manager_ask(manager, "AttachPrompt", NULL, NULL, "b", 1);
        if (r < 0) {
                manager->prompt_slot = sd_bus_slot_unref(manager->prompt_slot);
                manager->prompt_fn = NULL;
        }
        return r;
}

_public_ int nx_manager_get_fd(struct nx_manager *manager)
{
        return sd_bus_get_fd(manager->bus);
}

_public_ int nx_manager_dispatch(struct nx_manager *manager)
{
        int r;

        do
                r = sd_bus_process(manager->bus, NULL);
        while (r > 0);
        if (r < 0 || sd_bus_is_open(manager->bus) <= 0)
                return manager_fail_bus(manager, r < 0 ? r : -EPIPE);
        return 0;
}

static int append_answer(sd_bus_message *call, const struct nx_answer *answer)
{
        return sd_bus_message_append(call, "a{sv}", 5, "verdict", "s",
                                     wire_name_to_string(wire_verdicts, (int)answer->verdict),
                                     "lifetime", "s",
                                     wire_name_to_string(wire_lifetimes, (int)answer->lifetime),
                                     "by_program", "b", (int)answer->by_program, "by_host", "b",
                                     (int)answer->by_host, "by_port", "b", (int)answer->by_port);
}

_public_ int nx_manager_answer_question(struct nx_manager *manager, uint64_t question,
                                        const struct nx_answer *answer)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        int r;

        if (!options_are_known(answer, sizeof(*answer)))
                return manager_fail(manager, -EINVAL,
                                    "The answer was not started with NX_ANSWER_INIT, or this "
                                    "libnetext is too old for it");
        r = manager_new_call(manager, "AnswerQuestion", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "t", question);
        if (r >= 0)
                r = append_answer(call, answer);
        return r < 0 ? manager_fail_bus(manager, r) : manager_call(manager, call, NULL, NULL);
}

_public_ int nx_manager_list_questions(struct nx_manager *manager, struct nx_list **ret_questions)
{
        return manager_ask(manager, "ListQuestions", "aa{sv}", ret_questions, "");
}

_public_ int nx_manager_list_answers(struct nx_manager *manager, struct nx_list **ret_answers)
{
        return manager_ask(manager, "ListAnswers", "aa{sv}", ret_answers, "");
}

_public_ int nx_manager_forget_answer(struct nx_manager *manager, uint64_t answer)
{
        return manager_ask(manager, "ForgetAnswer", NULL, NULL, "t", answer);
}
