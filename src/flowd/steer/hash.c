/* SPDX-License-Identifier: Apache-2.0 */

/* What rules name is a hash, made here and by the programs (bpf/owner.bpf.h) with the same key. */

#include <string.h>

#include "base/cleanup.h"
#include "bpf/siphash.abi.h"
#include "steer/hooks.h"

/* Reverses "/usr/bin/curl" to "curl\0bin\0usr\0", as the kernel's walk meets it. */
static size_t reverse_path(const char *path, char *reversed)
{
        const char *end = path + strlen(path);
        size_t size = 0;

        while (end > path) {
                const char *start = end;

                while (start > path && start[-1] != '/')
                        start--;
                if (start < end) {
                        memcpy(reversed + size, start, (size_t)(end - start));
                        size += (size_t)(end - start) + 1;
                }
                end = start > path ? start - 1 : path;
        }
        return size;
}

uint64_t hooks_hash_path(struct hooks *hooks, const char *path)
{
        struct steer_state *state = hooks_state(hooks);
        uint64_t words[STEER_PATH_MAX / 8 + 1] = {};
        struct siphash hash;
        size_t size;

        if (strlen(path) >= STEER_PATH_MAX)
                return ~0ULL;
        size = reverse_path(path, (char *)words);
        siphash_begin(&hash, state->path_key[0], state->path_key[1]);
        for (size_t i = 0; i * 8 < size; i++)
                siphash_word(&hash, words[i]);
        return siphash_end(&hash, size);
}

uint64_t hooks_hash_digest(struct hooks *hooks, const uint8_t digest[static STEER_DIGEST_SIZE])
{
        struct steer_state *state = hooks_state(hooks);
        uint64_t words[STEER_DIGEST_SIZE / 8];
        struct siphash hash;

        memcpy(words, digest, sizeof(words));
        siphash_begin(&hash, state->path_key[0], state->path_key[1]);
        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                siphash_word(&hash, words[i]);
        return siphash_end(&hash, sizeof(words));
}

/* As cgroup_hash() in the kernel: a name of whole words is followed by an empty one. */
static uint64_t hash_level(const struct steer_state *state, uint64_t above, const char *name,
                           size_t size)
{
        struct siphash hash;

        siphash_begin(&hash, state->path_key[0], state->path_key[1]);
        siphash_word(&hash, above);
        for (size_t at = 0; at <= size; at += sizeof(uint64_t)) {
                uint64_t word = 0;

                memcpy(&word, name + at, size - at < sizeof(word) ? size - at : sizeof(word));
                siphash_word(&hash, word);
        }
        return siphash_end(&hash, size);
}

uint64_t hooks_hash_unit(struct hooks *hooks, const char *name)
{
        return hash_level(hooks_state(hooks), 0, name, strlen(name));
}

uint64_t hooks_hash_signer(struct hooks *hooks, const char *signer)
{
        return hash_level(hooks_state(hooks), 0, signer, strlen(signer));
}

uint64_t hooks_hash_cgroup(struct hooks *hooks, const char *path)
{
        size_t n_levels = 0, size;
        uint64_t hash = 0;

        for (path += strspn(path, "/"); *path; path += size + strspn(path + size, "/")) {
                size = strcspn(path, "/");
                if (n_levels++ == STEER_CGROUP_LEVELS || size >= STEER_NAME_MAX)
                        return 0;
                hash = hash_level(hooks_state(hooks), hash, path, size);
        }
        return hash;
}
