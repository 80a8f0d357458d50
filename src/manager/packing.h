/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is to be known of extensions, sessions and sets beyond netextd's own life, as objects of
 * its files: state.c has what runs besides, lasting.c what was configured and nothing else.
 */

#include <jansson.h>

#include "base/cleanup.h"
#include "manager/session/table.h"
#include "manager/set/table.h"

DEFINE_CLEANUP(json_t *, json, json_decref)

/* Values of objects. A text that is NULL is left out; what is not there is NULL, 0 or false. */
void pack_text(json_t *object, const char *key, const char *value);
void pack_number(json_t *object, const char *key, uint64_t value);
void pack_bool(json_t *object, const char *key, bool value);
const char *unpack_text(const json_t *object, const char *key);
uint64_t unpack_number(const json_t *object, const char *key);
bool unpack_bool(const json_t *object, const char *key);

/* Caller owns what is returned. To unpack: 0, -EBADMSG where it makes no sense, or another negative
 * errno. What was made is in the table, and nothing is started. */

json_t *pack_extension(const struct extension *extension);
int unpack_extension(struct extension_table *table, const json_t *object, struct extension **ret);
/* After its extension. */
json_t *pack_session(const struct session *session);
int unpack_session(struct session_table *table, const json_t *object, struct session **ret);
json_t *pack_sets(const struct set_table *table);
/* What makes no sense is left out after a log line about path, and false returned. */
bool unpack_sets(struct set_table *table, const json_t *object, const char *path);
