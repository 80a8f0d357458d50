/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the verbs about installed extensions share. */

#include <netext/activation.h>

#include "cli/cli.h"
#include "cli/output/table.h"

/* "ALPHA.com.example.filter 1.0 (17)", as far as the record tells. Caller owns. */
char *extension_title(const struct nx_properties *record);
/* The state with blanks, coloured. */
void extension_add_state(struct table *table, const struct nx_properties *extension);
/* The first twelve digits. */
void extension_add_digest(struct table *table, const struct nx_properties *extension);

/* Each record as its keys and values; a list of them as JSON. */
void extension_print_records(struct cli *cli, const struct nx_list *records);

/* The verb `inspect`, of an installed one. Returns an exit status. */
int extension_show_granted(struct cli *cli);

/* Waits for the outcome of a request and says what it is: as a sentence, or as JSON. approve: do
 * that, where it is asked for. Returns an exit status. */
int extension_wait(struct cli *cli, struct nx_manager *manager, uint64_t request, bool approve);

/* Where path leads to nothing: what there is that may have been meant. Returns CLI_FAILED. */
int extension_complain_missing(const char *path);
