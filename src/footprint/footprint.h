/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an instance leaves outside of its processes, and what that is called. Who makes such a thing
 * takes the name from here, and so does netext-reset, which takes away what nobody else did:
 *
 *      runtime folder     FOOTPRINT_RUNTIME/INSTANCE
 *      pinned BPF         FOOTPRINT_PINS/INSTANCE, or FOOTPRINT_OWN_BPFFS in the runtime folder
 *      cgroups            FOOTPRINT_CGROUPS/INSTANCE below the cgroup v2 root, in it one for each
 *                         extension; FOOTPRINT_RUN_CGROUP and a pid for a netextctl run
 *      nft table          FOOTPRINT_TABLE of the inet family for the instance main, for others
 *                         with a dash and the instance's name; of packet filters another,
 *                         of that name with FOOTPRINT_PACKETS behind it
 *      policy routing     rules of FOOTPRINT_ROUTE_PRIORITY to a table, and what is in that, both
 *                         of FOOTPRINT_ROUTE_PROTOCOL; the table's number is
 *                         FOOTPRINT_ROUTE_TABLE and the number of the instance's first queue,
 *                         which is also the tag of its packets that wait (flowd/steer/chains.h)
 *
 * All else goes with the processes: queues, sockets, BPF programs that are not pinned.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FOOTPRINT_RUNTIME "/run/netext"
#define FOOTPRINT_STATE   "state.json" /* in the runtime folder: what runs */
#define FOOTPRINT_DAMAGED FOOTPRINT_STATE ".damaged"
#define FOOTPRINT_LOCK    "lock" /* in it: netextd holds it, and its pid is in it */

#define FOOTPRINT_BPFFS     "/sys/fs/bpf"
#define FOOTPRINT_PINS      FOOTPRINT_BPFFS "/netext"
#define FOOTPRINT_OWN_BPFFS "bpf"
#define FOOTPRINT_MAP_PIN   "map_"  /* and a map's name … */
#define FOOTPRINT_STATE_MAP "state" /* … or this: a struct steer_state */

#define FOOTPRINT_CGROUPS          "netext"
#define FOOTPRINT_EXTENSION_CGROUP "extension-" /* and a number */
#define FOOTPRINT_RUN_CGROUP       "netext-run-"

#define FOOTPRINT_TABLE      "netext"
#define FOOTPRINT_TABLE_SIZE 64
#define FOOTPRINT_MAIN       "main"
#define FOOTPRINT_PACKETS    ".packets"

#define FOOTPRINT_ROUTE_TABLE    0x4e580000U
#define FOOTPRINT_ROUTE_PRIORITY 78
#define FOOTPRINT_ROUTE_PROTOCOL 78 /* ours in rt_protos */

#define FOOTPRINT_INSTANCE_MAX 40

static inline bool footprint_is_instance(const char *name)
{
        size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

        return length > 0 && length <= FOOTPRINT_INSTANCE_MAX && !name[length];
}

static inline void footprint_table(const char *instance,
                                   char ret_table[static FOOTPRINT_TABLE_SIZE])
{
        bool is_main = strcmp(instance, FOOTPRINT_MAIN) == 0;

        snprintf(ret_table, FOOTPRINT_TABLE_SIZE, FOOTPRINT_TABLE "%s%s", is_main ? "" : "-",
                 is_main ? "" : instance);
}

/* Whose an nft table of that name is; NULL: none of ours. */
static inline const char *footprint_table_instance(const char *table)
{
        size_t length = strlen(FOOTPRINT_TABLE);

        if (strncmp(table, FOOTPRINT_TABLE, length) != 0)
                return NULL;
        if (!table[length])
                return FOOTPRINT_MAIN;
        return table[length] == '-' && footprint_is_instance(table + length + 1)
                       ? table + length + 1
                       : NULL;
}

static inline bool footprint_is_route_table(uint32_t table)
{
        return (table & 0xffff0000U) == FOOTPRINT_ROUTE_TABLE;
}
