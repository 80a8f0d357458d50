/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods whose answers come from flowd: sd_bus_message_handler_t, userdata struct client. */

#include "manager/control/control.h"

int answer_list_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int answer_get_flow(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int answer_end_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int answer_get_status(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* The client goes before its answers came. */
void answers_orphan(struct client *client);
