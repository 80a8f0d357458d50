/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a cgroup's path says about who runs there: the unit of the system's systemd, and the
 * container. The path is the kernel's; nothing that a program says of itself is looked at.
 */

#include <stdbool.h>

#define PLACE_SIZE 256

/* "ssh.service": the first name of path that is no slice, as rules about units mean it. False, with
 * an empty text, where that is no unit, or path does not begin at the root. */
bool place_find_unit(const char *path, char ret_unit[static PLACE_SIZE]);

/*
 * "docker:ID": the first name of path that one of the engines known here gives to containers.
 * False, with an empty text, where there is none.
 */
bool place_find_container(const char *path, char ret_container[static PLACE_SIZE]);
