/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A copy of one declaration, with the numbers of its users and groups, as far as it names them by
 * number. The others are looked for by names.c.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "manager/endpoint/declaration.h"

static bool parse_number(const char *text, uid_t *ret)
{
        unsigned long number;
        char *end;

        errno = 0;
        number = strtoul(text, &end, 10);
        if (errno || *end || end == text || *text == '-' || *text == '+' || number >= UINT32_MAX)
                return false;
        *ret = (uid_t)number;
        return true;
}

bool peer_is_unknown(const struct endpoint_peer *peer)
{
        return !peer->is_resolved &&
               (peer->kind == MANIFEST_PEER_USER || peer->kind == MANIFEST_PEER_GROUP);
}

void declaration_deinit(struct endpoint_declaration *declaration)
{
        for (size_t i = 0; i < declaration->n_peers; i++)
                free(declaration->peers[i].value);
        free(declaration->peers);
        manifest_strings_free(declaration->activation);
        free(declaration->name);
        *declaration = (struct endpoint_declaration){};
}

/* NULL: no memory. */
static char **copy_words(char *const *words)
{
        size_t n = 0;
        char **copy;

        while (words[n])
                n++;
        copy = calloc(n + 1, sizeof(*copy));
        for (size_t i = 0; copy && i < n; i++) {
                copy[i] = strdup(words[i]);
                if (!copy[i]) {
                        manifest_strings_free(copy);
                        return NULL;
                }
        }
        return copy;
}

static int copy_peers(struct endpoint_declaration *copy, const struct manifest_endpoint *from)
{
        copy->peers = calloc(from->n_peers + 1, sizeof(*copy->peers));
        if (!copy->peers)
                return -ENOMEM;
        for (size_t i = 0; i < from->n_peers; i++) {
                copy->peers[i].kind = from->peers[i].kind;
                copy->n_peers = i + 1;
                if (!from->peers[i].value)
                        continue;
                copy->peers[i].value = strdup(from->peers[i].value);
                if (!copy->peers[i].value)
                        return -ENOMEM;
                if (peer_is_unknown(&copy->peers[i]))
                        copy->peers[i].is_resolved =
                                parse_number(copy->peers[i].value, &copy->peers[i].id);
        }
        return 0;
}

int declaration_make(struct endpoint_declaration *ret, const struct manifest_endpoint *from)
{
        struct endpoint_declaration copy = { .name = strdup(from->name) };
        int r;

        r = copy.name ? copy_peers(&copy, from) : -ENOMEM;
        if (r >= 0 && from->activation) {
                copy.activation = copy_words(from->activation);
                r = copy.activation ? 0 : -ENOMEM;
        }
        if (r < 0) {
                declaration_deinit(&copy);
                return r;
        }
        *ret = copy;
        return 0;
}

static bool equal_words(char *const *a, char *const *b)
{
        if (!a || !b)
                return a == b;
        for (; *a && *b; a++, b++)
                if (strcmp(*a, *b) != 0)
                        return false;
        return *a == *b;
}

bool declaration_is_of(const struct endpoint_declaration *declaration,
                       const struct manifest_endpoint *endpoint)
{
        const struct endpoint_peer *ours = declaration->peers;
        const struct manifest_peer *theirs = endpoint->peers;

        if (strcmp(declaration->name, endpoint->name) != 0 ||
            declaration->n_peers != endpoint->n_peers ||
            !equal_words(declaration->activation, endpoint->activation))
                return false;
        for (size_t i = 0; i < endpoint->n_peers; i++)
                if (ours[i].kind != theirs[i].kind ||
                    strcmp(ours[i].value ?: "", theirs[i].value ?: "") != 0)
                        return false;
        return true;
}

char *declaration_describe_peers(const struct endpoint_declaration *declaration)
{
        static const char *const words[_MANIFEST_PEER_MAX] = {
                [MANIFEST_PEER_USER] = "the user ",
                [MANIFEST_PEER_GROUP] = "the group ",
                [MANIFEST_PEER_TEAM] = "extensions of the team ",
                [MANIFEST_PEER_EXECUTABLE] = "the program ",
                [MANIFEST_PEER_EVERYONE] = "everyone",
        };
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        if (declaration->n_peers == 0)
                fputs("nobody", stream);
        for (size_t i = 0; i < declaration->n_peers; i++) {
                const struct endpoint_peer *peer = &declaration->peers[i];

                fprintf(stream, "%s%s%s", i == 0 ? "" : ", ", words[peer->kind], peer->value ?: "");
        }
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        return text;
}
