/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why an extension is as it is: every check in its order. */

#include <systemd/sd-bus.h>

#include "manager/store/store.h"

/* Appends a record for each check to a list. word: an identifier, with or without its team, or the
 * number of a request. 0, -ENOENT or another negative errno. */
int explain_append(sd_bus_message *reply, const struct store *store, const char *word);
