/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a copy may do, and who granted that. */

#include "manager/control/control.h"

/* The method InspectExtension: a record for each capability. */
int grants_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* The keys of a record that say who granted copy what it asks for, and what that is. */
int grants_append(sd_bus_message *reply, const struct store *store, const struct copy *copy);
