/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods about the rules in force, which flowd answers: sd_bus_message_handler_t, userdata struct
 * client. */

#include "manager/control/control.h"

int rules_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int rules_judge(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
