/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An object of the control API: a{sv} in a D-Bus message. Keys are borrowed literals; text
 * is made harmless on its way. Each function: 0 or negative errno.
 *
 * A reply that is a list of them:
 *
 *      _cleanup_message_ sd_bus_message *reply = NULL;
 *
 *      r = record_list_new(call, &reply);
 *      … record_begin(), record_put_…(), record_end() for each
 *      return r < 0 ? r : record_list_send(reply);
 */

#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "wire/codec.h"

DEFINE_CLEANUP(sd_bus_message *, message, sd_bus_message_unref)
#define _cleanup_message_ _cleanup_(cleanup_message)

/* Caller owns the reply. */
int record_list_new(sd_bus_message *call, sd_bus_message **ret_reply);
int record_list_send(sd_bus_message *reply);

int record_begin(sd_bus_message *reply);
int record_end(sd_bus_message *reply);

int record_put_bool(sd_bus_message *reply, const char *key, bool value);
int record_put_uint64(sd_bus_message *reply, const char *key, uint64_t value);
int record_put_int64(sd_bus_message *reply, const char *key, int64_t value);
/* NULL is left out. */
int record_put_string(sd_bus_message *reply, const char *key, const char *value);
/* Every attribute of the message, under its key of the wire's table. */
int record_put_attributes(sd_bus_message *reply, const struct wire_message *message);
