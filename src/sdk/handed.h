/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The sockets of claimed flows that a session's extension was given, and which it has not closed
 * yet. Nobody tells: an extension just closes its descriptor. So each socket is known by its
 * cookie in the kernel, at its number, and looked at when somebody has to know.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handed {
        uint64_t *cookies; /* by descriptor; 0: none */
        size_t n_cookies;
};

/* fd is about to be handed over. Without memory it is not known. */
void handed_note(struct handed *handed, int fd);
/* Is any of them open, under the number that it came with? */
bool handed_is_any_open(struct handed *handed);
void handed_deinit(struct handed *handed);
