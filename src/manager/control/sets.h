/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods about sets of destinations: sd_bus_message_handler_t, userdata struct client. */

#include "manager/control/control.h"

/* Answered when the new content is in force, or when the set matches nothing any more. */
int sets_put(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int sets_remove(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int sets_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int sets_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
