/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A copy of one declaration, with the numbers of its users and groups. Who they are is asked
 * when an extension is activated: a connection must not wait for a directory server.
 */

#include <errno.h>
#include <grp.h>
#include <pwd.h>
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

static bool find_user(const char *name, uid_t *ret)
{
        char room[16384];
        struct passwd entry, *found = NULL;

        if (getpwnam_r(name, &entry, room, sizeof(room), &found) != 0 || !found)
                return false;
        *ret = found->pw_uid;
        return true;
}

static bool find_group(const char *name, gid_t *ret)
{
        char room[65536];
        struct group entry, *found = NULL;

        if (getgrnam_r(name, &entry, room, sizeof(room), &found) != 0 || !found)
                return false;
        *ret = found->gr_gid;
        return true;
}

static bool peer_resolve(struct endpoint_peer *peer)
{
        if (peer->is_resolved ||
            (peer->kind != ENDPOINT_PEER_USER && peer->kind != ENDPOINT_PEER_GROUP))
                return false;
        peer->is_resolved = parse_number(peer->value, &peer->id) ||
                            (peer->kind == ENDPOINT_PEER_USER ? find_user(peer->value, &peer->id)
                                                              : find_group(peer->value, &peer->id));
        return peer->is_resolved;
}

bool declaration_resolve(struct endpoint_declaration *declaration)
{
        struct endpoint_peer *peers = (struct endpoint_peer *)declaration->peers;
        bool found = false;

        for (size_t i = 0; i < declaration->n_peers; i++)
                found |= peer_resolve(&peers[i]);
        return found;
}

static void free_words(char **words)
{
        for (char **word = words; word && *word; word++)
                free(*word);
        free(words);
}

void declaration_deinit(struct endpoint_declaration *declaration)
{
        for (size_t i = 0; i < declaration->n_peers; i++)
                free((char *)declaration->peers[i].value);
        free((struct endpoint_peer *)declaration->peers);
        free_words((char **)declaration->activation);
        free((char *)declaration->name);
        *declaration = (struct endpoint_declaration){};
}

static char **copy_words(const char *const *words)
{
        size_t n = 0;
        char **copy;

        while (words[n])
                n++;
        copy = calloc(n + 1, sizeof(*copy));
        for (size_t i = 0; copy && i < n; i++) {
                copy[i] = strdup(words[i]);
                if (!copy[i]) {
                        free_words(copy);
                        return NULL;
                }
        }
        return copy;
}

static int copy_peers(struct endpoint_declaration *copy, const struct endpoint_declaration *from)
{
        struct endpoint_peer *peers = calloc(from->n_peers + 1, sizeof(*peers));

        if (!peers)
                return -ENOMEM;
        copy->peers = peers;
        for (size_t i = 0; i < from->n_peers; i++) {
                peers[i].kind = from->peers[i].kind;
                copy->n_peers = i + 1;
                if (!from->peers[i].value)
                        continue;
                peers[i].value = strdup(from->peers[i].value);
                if (!peers[i].value)
                        return -ENOMEM;
        }
        return 0;
}

int declaration_copy(struct endpoint_declaration *ret, const struct endpoint_declaration *from)
{
        struct endpoint_declaration copy = { .name = strdup(from->name) };
        int r;

        r = copy.name ? copy_peers(&copy, from) : -ENOMEM;
        if (r >= 0 && from->activation) {
                copy.activation = (const char *const *)copy_words(from->activation);
                r = copy.activation ? 0 : -ENOMEM;
        }
        if (r < 0) {
                declaration_deinit(&copy);
                return r;
        }
        (void)declaration_resolve(&copy);
        *ret = copy;
        return 0;
}

static bool equal_words(const char *const *a, const char *const *b)
{
        if (!a || !b)
                return a == b;
        for (; *a && *b; a++, b++)
                if (strcmp(*a, *b) != 0)
                        return false;
        return *a == *b;
}

bool declaration_equal(const struct endpoint_declaration *a, const struct endpoint_declaration *b)
{
        if (strcmp(a->name, b->name) != 0 || a->n_peers != b->n_peers ||
            !equal_words(a->activation, b->activation))
                return false;
        for (size_t i = 0; i < a->n_peers; i++)
                if (a->peers[i].kind != b->peers[i].kind ||
                    strcmp(a->peers[i].value ?: "", b->peers[i].value ?: "") != 0)
                        return false;
        return true;
}

char *declaration_describe_peers(const struct endpoint_declaration *declaration)
{
        static const char *const words[_ENDPOINT_PEER_MAX] = {
                [ENDPOINT_PEER_USER] = "the user ",
                [ENDPOINT_PEER_GROUP] = "the group ",
                [ENDPOINT_PEER_TEAM] = "extensions of the team ",
                [ENDPOINT_PEER_EXECUTABLE] = "the program ",
                [ENDPOINT_PEER_EVERYONE] = "everyone",
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
