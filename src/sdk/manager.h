/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The connection to netextd and how calls over it fail: with a sentence. */

#include <systemd/sd-bus.h>

#include <netext/prompt.h>

#include "base/cleanup.h"
#include "sdk/properties.h"

#define MANAGER_OBJECT    "/org/netext1"
#define MANAGER_INTERFACE "org.netext1.Manager"

struct nx_manager {
        sd_bus *bus; /* NULL until connected */
        bool is_interactive;
        bool wants_packages;
        sd_bus_slot *prompt_slot;
        nx_question_event_fn *prompt_fn; /* NULL: no prompt is attached */
        void *prompt_userdata;
        char error[1024];
};

/* Keeps the sentence and returns r. */
int manager_fail(struct nx_manager *manager, int r, const char *format, ...) _printf_(3, 4);
/* The same for an error of sd-bus; -EPIPE where it is that the connection is gone. */
int manager_fail_bus(struct nx_manager *manager, int r);

int manager_new_call(struct nx_manager *manager, const char *method, sd_bus_message **ret_call);
/* Waits for the answer, which is read with list_read() as signature; both NULL for none. */
int manager_call(struct nx_manager *manager, sd_bus_message *call, const char *signature,
                 struct nx_list **ret_list);
/* Both in one, with arguments as sd_bus_message_append() takes them; types: "" for none. */
int manager_ask(struct nx_manager *manager, const char *method, const char *signature,
                struct nx_list **ret_list, const char *types, ...);
/* The key "package", of those flows whose program is of one. 0 or -ENOMEM. */
int manager_add_packages(struct nx_properties *flows, size_t n);

DEFINE_CLEANUP(struct nx_manager *, manager, nx_manager_close)
