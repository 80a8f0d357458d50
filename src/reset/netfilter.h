/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "reset/reset.h"

/* The nft tables of the instances that are meant, with the sets that are in them. */
void netfilter_remove(struct reset *reset);
