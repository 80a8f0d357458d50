/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an administrator decides about extensions, and who that was. */

#include "manager/control/control.h"

/* Every method of the table in decisions.c. */
int decisions_take(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
