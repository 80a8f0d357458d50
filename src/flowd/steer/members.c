/* SPDX-License-Identifier: Apache-2.0 */

/* Who gets datagrams to groups; see bpf/group.bpf.h. */

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "steer/hooks-internal.h"
#include "steer/hooks.h"
#include "steer.skel.h"

bool hooks_find_receiver(struct hooks *hooks, uint64_t cookie, struct steer_owner *ret_owner)
{
        int fd = bpf_map__fd(hooks_skeleton(hooks)->maps.receivers);

        return bpf_map_lookup_elem(fd, &cookie, ret_owner) == 0;
}

static int members_fd(struct hooks *hooks)
{
        return bpf_map__fd(hooks_skeleton(hooks)->maps.members);
}

static struct steer_member member_of(uint64_t cookie, const struct endpoint *group,
                                     const struct endpoint *remote)
{
        struct steer_member member = {
                .cookie = cookie,
                .group_port = group->port,
                .remote_port = remote->port,
        };

        memcpy(&member.group, &group->address, sizeof(member.group));
        memcpy(&member.remote, &remote->address, sizeof(member.remote));
        return member;
}

/* The map never is full; where memory is short the member misses what comes, and is asked about. */
void hooks_set_member(struct hooks *hooks, uint64_t cookie, const struct endpoint *group,
                      const struct endpoint *remote, bool is_admitted)
{
        const struct steer_member member = member_of(cookie, group, remote);
        const struct steer_admission admission = {
                .generation = hooks_state(hooks)->generation,
                .is_admitted = is_admitted,
        };

        (void)bpf_map_update_elem(members_fd(hooks), &member, &admission, BPF_ANY);
}

void hooks_forget_member(struct hooks *hooks, uint64_t cookie, const struct endpoint *group,
                         const struct endpoint *remote)
{
        const struct steer_member member = member_of(cookie, group, remote);

        (void)bpf_map_delete_elem(members_fd(hooks), &member);
}
