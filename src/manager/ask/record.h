/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The answers that are kept for ever, in a file of the state directory. */

#include "manager/ask/kept.h"

#define ANSWERS_FILE "answers.json"

/* Writes them down in the folder, as one. 0 or negative errno. */
int record_save_answers(const struct kept *kept, int folder_fd);
/* Reads what was written down; what makes no sense is logged and left out. -ENOENT: nothing was. */
int record_load_answers(struct kept *kept, int folder_fd);
