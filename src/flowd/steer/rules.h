/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A session's rules on their way into the kernel, where judge() (bpf/judge.bpf.h) reads them. */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/steer.abi.h"

/* What the hooks have to find out for the rules of a session, and need not for others'. */
struct rules_needs {
        bool cgroups;
        bool digests;
        bool files;
        bool inbound; /* flows: that their ends are told */
};

/* entries: the header, then the rules; or NULL: none. */
struct rules_needs rules_needs(const union steer_settings_entry *entries, uint32_t n_entries);

/*
 * Puts them, and the shapes that they are found by, where the session in slot has its settings:
 * in force as one. NULL takes what is there away. 0, -ENOMEM, or what the kernel says of maps_fd.
 */
int rules_put(int maps_fd, unsigned int slot, const union steer_settings_entry *entries,
              uint32_t n_entries);
