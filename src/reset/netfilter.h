/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "reset/reset.h"

/* The number of the instance's routing table, by its nft table in this network namespace; 0: there
 * is none, or one without proxies. */
uint32_t netfilter_find_route_table(const char *instance);

/* The nft tables of the instances that are meant, with the sets that are in them. */
void netfilter_remove(struct reset *reset);
