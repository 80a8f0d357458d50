/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Files are known by what the kernel knows of them, as in digest/digests.c: a program that somebody
 * wrote to, or put another one in the place of, is another file and nobody's.
 *
 * The kernel's map outlives flowd, so that nothing is unsigned for a moment while another flowd
 * starts; what is in it and was not told to this one goes with signers_keep().
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "owner/signers.h"
#include "steer/hooks.h"

struct signed_file {
        struct htable_link by_file; /* signers.by_file */
        struct list link;           /* signers.files */
        struct steer_file file;
        bool was_told; /* since signers_expect() */
        char signer[];
};

static uint64_t hash_of(const struct steer_file *file)
{
        return htable_hash(file, sizeof(*file));
}

static struct signed_file *find(const struct signers *signers, const struct steer_file *file)
{
        struct signed_file *found;

        htable_for_each_match (found, &signers->by_file, hash_of(file), by_file)
                if (memcmp(&found->file, file, sizeof(*file)) == 0)
                        return found;
        return NULL;
}

static void signed_file_free(struct signers *signers, struct signed_file *file)
{
        htable_remove(&signers->by_file, &file->by_file);
        list_remove(&file->link);
        free(file);
}

int signers_init(struct signers *signers, struct hooks *hooks)
{
        *signers = (struct signers){ .hooks = hooks };
        list_init(&signers->files);
        return htable_init(&signers->by_file, 64);
}

void signers_deinit(struct signers *signers)
{
        struct signed_file *file;

        if (!signers->by_file.buckets)
                return;
        while ((file = list_first(&signers->files, struct signed_file, link)))
                signed_file_free(signers, file);
        htable_deinit(&signers->by_file);
}

void signers_expect(struct signers *signers)
{
        struct signed_file *file;

        list_for_each (file, &signers->files, link)
                file->was_told = false;
}

static int add(struct signers *signers, const struct steer_file *file, const char *signer)
{
        struct signed_file *added = find(signers, file);

        if (added && strcmp(added->signer, signer) != 0) {
                signed_file_free(signers, added);
                added = NULL;
        }
        if (!added) {
                added = malloc(sizeof(*added) + strlen(signer) + 1);
                if (!added)
                        return -ENOMEM;
                added->file = *file;
                strcpy(added->signer, signer);
                htable_add(&signers->by_file, &added->by_file, hash_of(file));
                list_append(&signers->files, &added->link);
        }
        added->was_told = true;
        return 0;
}

int signers_add(struct signers *signers, int fd, const char *signer)
{
        _cleanup_free_ char *team = strdup(signer);
        struct steer_file file;
        char *dot;
        int r;

        if (!team)
                return -ENOMEM;
        dot = strchr(team, '.');
        if (!dot)
                return -EBADMSG;
        *dot = '\0';
        if (!hooks_describe_file(signers->hooks, fd, &file))
                return -EBADF;
        r = add(signers, &file, signer);
        return r < 0 ? r : hooks_set_signer(signers->hooks, &file, team, signer);
}

/* What is behind a file that goes is not met any more once it has gone: so the walk starts anew. */
static void forget_others(struct signers *signers)
{
        struct steer_file file, after;
        bool goes_on = false;

        while (hooks_next_signed_file(signers->hooks, goes_on ? &after : NULL, &file)) {
                goes_on = find(signers, &file) != NULL;
                if (goes_on)
                        after = file;
                else
                        hooks_forget_signer(signers->hooks, &file);
        }
}

void signers_keep(struct signers *signers)
{
        struct signed_file *file, *following;

        list_for_each_safe (file, following, &signers->files, link)
                if (!file->was_told)
                        signed_file_free(signers, file);
        forget_others(signers);
        signers_expect(signers);
}

const char *signers_find(const struct signers *signers, const struct steer_file *file)
{
        const struct signed_file *found = find(signers, file);

        return found ? found->signer : NULL;
}
