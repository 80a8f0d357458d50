/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An object of the control API: a{sv} in a D-Bus message. Keys are borrowed literals; text
 * is made harmless on its way. Each function: 0 or negative errno.
 */

#include <systemd/sd-bus.h>

#include "wire/codec.h"

int record_begin(sd_bus_message *reply);
int record_end(sd_bus_message *reply);

int record_put_bool(sd_bus_message *reply, const char *key, bool value);
int record_put_uint64(sd_bus_message *reply, const char *key, uint64_t value);
int record_put_int64(sd_bus_message *reply, const char *key, int64_t value);
/* NULL is left out. */
int record_put_string(sd_bus_message *reply, const char *key, const char *value);
/* Every attribute of the message, under its key of the wire's table. */
int record_put_attributes(sd_bus_message *reply, const struct wire_message *message);
