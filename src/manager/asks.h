/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Questions to people: between the extensions that put them, the control API, and the file of the
 * answers that are kept. */

#include "manager/instance.h"

/* From here on extensions can put questions. */
void asks_open(struct instance *instance);
/* The answers of earlier days; when the store is open. */
void asks_load(struct instance *instance);
void asks_close(struct instance *instance);

/* A process of the session's extension is about to be asked about flows: it gets the answers that
 * are kept. */
void asks_greet(struct instance *instance, struct session *session, struct run *run);
