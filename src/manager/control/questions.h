/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Methods about questions and the answers that are kept: sd_bus_message_handler_t, userdata struct
 * client. */

#include "manager/control/control.h"

int questions_attach_prompt(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int questions_answer_question(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int questions_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int questions_list_answers(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int questions_forget_answer(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);

/* The client goes, or does not read what it is asked. */
void questions_detach_client(struct client *client);
