/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The argument of StartSession. */

#include <systemd/sd-bus.h>

#include "manager/session/configuration.h"
#include "manager/store/store.h"

/* Reads a{sv} into configuration, which was initialised. 0, or negative errno with the sentence
 * for people in *ret_problem where there is one to say (caller owns). */
int configuration_read(struct configuration *configuration, sd_bus_message *message,
                       const char *extensions_folder, const struct store *store,
                       char **ret_problem);
