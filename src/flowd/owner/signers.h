/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whose program is it? netextd says which files are programs of installed bundles, which it has
 * verified; whatever else is executed has no signer. So there is nothing to be found out while a
 * flow waits: rules about signers are decided in the kernel, by file.
 */

#include <stdint.h>

#include "base/htable.h"
#include "base/list.h"
#include "bpf/steer.abi.h"

struct hooks;

struct signers {
        struct hooks *hooks; /* borrowed */
        struct htable by_file;
        struct list files; /* signed_file.link */
};

int signers_init(struct signers *signers, struct hooks *hooks);
void signers_deinit(struct signers *signers);

/* All files are going to be told once more: what is not, until signers_keep(), goes then. That is
 * so again after each signers_keep(). */
void signers_expect(struct signers *signers);
/* The file behind fd, which stays the caller's, is a program of "TEAM.identifier". 0, -EBADMSG for
 * another signer, -ENOMEM, -E2BIG, or -EBADF where the kernel does not say which file that is. */
int signers_add(struct signers *signers, int fd, const char *signer);
void signers_keep(struct signers *signers);

/* "TEAM.identifier", borrowed until the loop's next turn; NULL: it is nobody's. */
const char *signers_find(const struct signers *signers, const struct steer_file *file);
