/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A flow passes all filters before a proxy can take it, and a transparent proxy may leave
 * it to an app proxy; its packets meet the packet filters as they leave. Within a kind what was
 * declared comes first, then who was there first; the name only makes the order total.
 */

#include <string.h>

#include <netext/netext.h>

#include "manager/session/place.h"

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

int session_get_kind(const struct session *session)
{
        return session->kind ?: session->configuration.kind;
}

int session_get_grade(const struct session *session)
{
        if (session_get_kind(session) != NX_PROVIDER_KIND_FILTER)
                return 0;
        return session->configuration.grade ?: NX_FILTER_GRADE_FIREWALL;
}

int place_compare(const struct session *a, const struct session *b)
{
        int r;

        r = COMPARE(session_get_kind(a), session_get_kind(b));
        if (!r)
                r = COMPARE(session_get_grade(a), session_get_grade(b));
        if (!r)
                r = COMPARE(a->configuration.order, b->configuration.order);
        if (!r)
                r = COMPARE(a->activated_ns, b->activated_ns);
        return r ? r : strcmp(a->name, b->name);
}
