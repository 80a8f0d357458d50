/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What lists say of the process behind a session or an extension; columns of a writer_list(). */

#include "cli/output/writer.h"

/* "1234", or "1234 (2 leaving)": others that were replaced, and go on with the flows they have. */
void process_add_pid(struct table *table, const struct nx_properties *properties);
void process_add_since(struct table *table, const struct nx_properties *properties);
