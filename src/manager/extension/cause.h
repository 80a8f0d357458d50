/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why a process of an extension was gone before it did its work, in one sentence. */

struct run;

/* how: as process_ended_fn is told. Caller owns; NULL: no memory. */
char *cause_of_failed_start(const struct run *run, const char *how);
