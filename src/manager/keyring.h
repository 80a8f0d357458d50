/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Secrets and keys: between the extensions that use their own, and netext-keys. */

#include "manager/instance.h"

/* From here on extensions can call. */
void keyring_open(struct instance *instance);
/* netext-keys can be started. */
void keyring_start(struct instance *instance);
void keyring_close(struct instance *instance);
