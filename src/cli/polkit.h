/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether polkit can say who besides root may change something, as a finding of doctor. */

#include <jansson.h>

/* By asking it. Caller owns; NULL: no memory. */
json_t *polkit_find(void);
