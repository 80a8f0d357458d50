/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cli/output/writer.h"

/* How a session shows in a table. */
extern const struct writer_column session_columns[];
