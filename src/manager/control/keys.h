/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods about the secrets and keys of extensions: sd_bus_message_handler_t, userdata struct
 * client. None of them tells a secret, or uses a key. */

#include "manager/control/control.h"

int keys_put_secret(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int keys_remove_secret(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int keys_list_secrets(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int keys_generate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int keys_import(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int keys_remove(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int keys_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
/* The public key and its certificates. */
int keys_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
