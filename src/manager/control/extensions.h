/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods about installed extensions: sd_bus_message_handler_t, userdata struct client. */

#include "manager/control/control.h"

int extensions_activate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
/* Whether a policy leaves it to everybody, or what is asked comes to nothing anyway. */
bool extensions_deactivation_needs_authority(sd_bus_message *message, struct client *client);
int extensions_deny_activation(sd_bus_message *message, struct client *client, const char *why);
int extensions_deny_deactivation(sd_bus_message *message, struct client *client, const char *why);
int extensions_deactivate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_explain(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_collect(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_get_developer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_list_policies(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* The process that is made of that copy, or that of one of its sessions; NULL: there is none. */
const struct extension *extensions_find_process(const struct control *control,
                                                const struct copy *copy);
