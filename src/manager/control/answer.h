/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods whose answers come from flowd: sd_bus_message_handler_t, userdata struct client. */

#include "manager/control/control.h"
#include "wire/letter.h"

int answer_list_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int answer_get_flow(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int answer_end_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int answer_rejudge_flows(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int answer_get_status(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* One record of a list that flowd sends. asked: what it was asked, or NULL. */
typedef int answer_item_fn(struct control *control, sd_bus_message *record,
                           const struct wire_message *item, const struct wire_message *asked);
/* Answers with what flowd says to the letter of that type, which is handed over; NULL: no memory.
 * What a method handler returns. */
int answer_list(struct client *client, sd_bus_message *call, enum wire_message_type type,
                struct letter *letter, answer_item_fn *item_fn);

/* The client goes before its answers came. */
void answers_orphan(struct client *client);
