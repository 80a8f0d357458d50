/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Each peer of the list is one question about the caller. What is not known of it, because its
 * process is gone or in another pid namespace, is a no: only user, group and everyone can still
 * be answered then, since the kernel keeps those with the socket.
 */

#include <stdio.h>
#include <string.h>

#include "manager/endpoint/admission.h"
#include "manager/loop/text.h"

static bool peer_is(const struct endpoint_peer *peer, const struct caller *caller, const char *team)
{
        switch (peer->kind) {
        case MANIFEST_PEER_USER:
                return peer->is_resolved && caller->uid == peer->id;
        case MANIFEST_PEER_GROUP:
                return peer->is_resolved && caller_is_in_group(caller, peer->id);
        case MANIFEST_PEER_TEAM:
                return team && strcmp(team, peer->value) == 0;
        case MANIFEST_PEER_EXECUTABLE:
                return caller_executes(caller, peer->value);
        case MANIFEST_PEER_EVERYONE:
                return true;
        default:
                return false;
        }
}

bool admission_allows(const struct endpoint_declaration *declaration, const struct caller *caller,
                      const char *team)
{
        for (size_t i = 0; i < declaration->n_peers; i++)
                if (peer_is(&declaration->peers[i], caller, team))
                        return true;
        return false;
}

char *admission_describe(const struct caller *caller)
{
        _cleanup_free_ char *program = text_clean(caller->program);
        char *text = NULL;

        if (!program ||
            asprintf(&text, "%s (pid %d, user %u)", *program ? program : "a program that has ended",
                     caller->pid, caller->uid) < 0)
                return NULL;
        return text;
}
