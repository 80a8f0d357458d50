/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why an extension is as it is: every check in its order. */

#include "manager/control/control.h"

/* Appends a record for each check to a list. word: an identifier, with or without its team, or the
 * number of a request. 0, -ENOENT or another negative errno. */
int explain_append(sd_bus_message *reply, struct control *control, const char *word);
