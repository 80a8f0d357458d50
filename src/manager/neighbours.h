/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "manager/instance.h"

/* 0, or -EADDRINUSE after a log line: another instance needs the mark bits that we were given. */
int neighbours_check(const struct instance *instance);
