/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods about installed extensions: sd_bus_message_handler_t, userdata struct client. */

#include "manager/control/control.h"

int extensions_activate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_deactivate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_explain(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_collect(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_get_developer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int extensions_list_policies(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* The process that is made of that copy; NULL: there is none. */
const struct extension *extensions_find_process(const struct control *control,
                                                const struct copy *copy);
