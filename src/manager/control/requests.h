/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods about requests, sd_bus_message_handler_t with userdata struct client; and who follows
 * which, which is who has it still to hear of its outcome. */

#include "manager/control/control.h"

int requests_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int requests_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int requests_follow(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int requests_reply(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* The client is told of the request from here on, until its outcome. 0; -EBUSY: it follows too
 * many; -ENOMEM. */
int request_follow(struct client *client, uint64_t request);
/* The client goes. */
void requests_unfollow(struct client *client);
